//! A policy value back to the text of a policy file, so that a failing random case can be replayed by hand.

use std::fmt::Write;

use segwall_packetset::proto;

use crate::policy::*;

/// The text of a policy. Ends that stand for several, or for addresses that no prefix says, go through groups and sets
/// with made-up names; comments on what the file format has and the value lost.
#[must_use]
pub fn to_toml(policy: &Policy) -> String {
    let mut writer = Writer { policy, head: String::new(), groups: String::new(), body: String::new(), names: 0 };
    writer.gateway();
    policy.uplinks.iter().for_each(|uplink| writer.uplink(uplink));
    policy.segments.iter().for_each(|segment| writer.segment(segment));
    policy.hosts.iter().for_each(|host| writer.host(host));
    writer.quarantine();
    writer.rules();
    policy.expects.iter().for_each(|expect| writer.expect(expect));
    writer.services_of_the_box();
    let groups = if writer.groups.is_empty() { String::new() } else { format!("[groups]\n{}\n", writer.groups) };
    format!("{}{groups}{}", writer.head, writer.body)
}

struct Writer<'p> {
    policy: &'p Policy,
    head: String,
    groups: String,
    body: String,
    names: usize,
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<String> = items.into_iter().map(|item| format!("\"{}\"", item.to_string())).collect();
    format!("[{}]", quoted.join(", "))
}

impl Writer<'_> {
    fn head(&mut self, text: std::fmt::Arguments) {
        self.head.write_fmt(text).expect("a string takes everything");
    }

    fn body(&mut self, text: std::fmt::Arguments) {
        self.body.write_fmt(text).expect("a string takes everything");
    }

    /// Only hosts are written back: nobody makes up another quarantine.
    fn quarantine(&mut self) {
        let policy = self.policy;
        let allowed = |addr| policy.quarantine.allow.iter().any(|range| range.contains(addr));
        let hosts = policy.hosts.iter().filter(|host| host.addresses.iter().all(|addr| allowed(*addr)));
        let names: Vec<&str> = hosts.map(|host| host.name.as_str()).collect();
        if !names.is_empty() {
            self.body(format_args!("\n[quarantine]\nallow = {}\n", list(names)));
        }
    }

    fn name(&self, segment: SegmentId) -> &str {
        &self.policy.segments[segment.index()].name
    }

    fn fresh(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    fn gateway(&mut self) {
        let gateway = &self.policy.gateway;
        self.head(format_args!("[gateway]\nssh_port = {}\n", gateway.ssh_port));
        if let Some(trunk) = &gateway.trunk {
            self.head(format_args!("trunk = \"{trunk}\"\n"));
        }
        if !gateway.management.is_empty() {
            let names = list(gateway.management.iter().map(|id| self.name(*id)));
            self.head(format_args!("management = {names}\n"));
        }
        if let Some(zone) = gateway.timezone.as_ref().and_then(|zone| zone.iana_name()) {
            self.head(format_args!("timezone = \"{zone}\"\n"));
        }
        if gateway.output_drop {
            self.head(format_args!("output = \"drop\"\n"));
        }
    }

    fn wiring(&mut self, wiring: &Wiring, device: &str) {
        match wiring {
            Wiring::Vlan { trunk, id } => self.head(format_args!("trunk = \"{trunk}\"\nvlan = {id}\n")),
            Wiring::Untagged => self.head(format_args!("interface = \"{device}\"\n")),
        }
    }

    fn uplink(&mut self, uplink: &Uplink) {
        self.head(format_args!("\n[uplinks.{}]\n", uplink.name));
        self.wiring(&uplink.wiring, &uplink.device);
        let fixed = uplink.addresses.iter().map(|a| format!("{}/{}", a.addr, a.prefix_len));
        let dynamic = [(uplink.dhcp, "dhcp"), (uplink.ra, "ra")].into_iter().filter(|(on, _)| *on);
        let addresses = list(fixed.chain(dynamic.map(|(_, word)| word.to_owned())));
        self.head(format_args!("addresses = {addresses}\n"));
        if !uplink.gateways.is_empty() {
            self.head(format_args!("gateways = {}\n", list(&uplink.gateways)));
        }
        if !uplink.nat {
            self.head(format_args!("nat = false\n"));
        }
    }

    fn segment(&mut self, segment: &Segment) {
        self.head(format_args!("\n[segments.{}]\n", segment.name));
        self.wiring(&segment.wiring, &segment.device);
        self.head(format_args!("subnets = {}\n", list(segment.subnets.iter().map(|subnet| subnet.network))));
        self.head(format_args!("gateway = {}\n", list(segment.subnets.iter().map(|subnet| subnet.gateway))));
        if !segment.routes.is_empty() {
            let routes: Vec<String> = segment
                .routes
                .iter()
                .map(|route| format!("{{ to = \"{}\", via = \"{}\" }}", route.to, route.via))
                .collect();
            self.head(format_args!("routes = [{}]\n", routes.join(", ")));
        }
        if segment.subnets.iter().any(|subnet| subnet.gateway.is_ipv6()) {
            let mode = match segment.ipv6 {
                Ipv6Mode::Slaac => "slaac",
                Ipv6Mode::Dhcpv6 => "dhcpv6",
                Ipv6Mode::None => "none",
            };
            self.head(format_args!("ipv6 = \"{mode}\"\n"));
        }
        if let Some(dhcp) = &segment.dhcp {
            let servers = |servers: &[ServerRef]| {
                list(servers.iter().flat_map(|server| match server {
                    ServerRef::Gateway => vec!["gateway".to_owned()],
                    ServerRef::Addresses(addresses) => addresses.iter().map(ToString::to_string).collect(),
                }))
            };
            let mut keys = Vec::new();
            if let Some(pool) = &dhcp.pool {
                keys.push(format!("pool = \"{}-{}\"", pool.first(), pool.last()));
            }
            if !dhcp.dns.is_empty() {
                keys.push(format!("dns = {}", servers(&dhcp.dns)));
            }
            if !dhcp.ntp.is_empty() {
                keys.push(format!("ntp = {}", servers(&dhcp.ntp)));
            }
            self.head(format_args!("dhcp = {{ {} }}\n", keys.join(", ")));
        }
    }

    fn host(&mut self, host: &Host) {
        self.head(format_args!("\n[hosts.{}]\naddresses = {}\n", host.name, list(&host.addresses)));
    }

    fn zone(&self, zone: Zone) -> &str {
        match zone {
            Zone::Segment(id) => self.name(id),
            Zone::Segments => "segments",
            Zone::Internet => "internet",
            Zone::Gateway => "gateway",
        }
    }

    /// The words for one end.
    fn end(&mut self, end: &End) -> String {
        let zone = self.zone(end.zone).to_owned();
        let word = match end.addresses.as_deref() {
            None => zone,
            Some([one]) if one.prefix_len().is_some() => format!("{zone}/{one}"),
            Some(ranges) => {
                let name = self.fresh("set");
                self.head(format_args!("\n[sets.{name}]\nin = \"{zone}\"\naddresses = {}\n", list(ranges)));
                name
            }
        };
        if end.direct || end.zone == Zone::Segments {
            return word;
        }
        let name = self.fresh("group");
        self.groups.push_str(&format!("{name} = [\"{word}\"]\n"));
        name
    }

    fn ends(&mut self, ends: &[End]) -> String {
        let words: Vec<String> = ends.iter().map(|end| self.end(end)).collect();
        list(words)
    }

    fn service_line(&mut self, services: Option<&[Service]>) {
        if let Some(services) = services {
            self.body(format_args!("service = {}\n", list(services.iter().map(service_text))));
        }
    }

    fn rules(&mut self) {
        enum Item<'p> {
            Rule(&'p Rule),
            Forward(&'p Forward),
        }
        let policy = self.policy;
        let mut items: Vec<(crate::source::Span, Item)> =
            policy.rules.iter().map(|r| (r.span, Item::Rule(r))).collect();
        items.extend(policy.forwards.iter().map(|f| (f.span, Item::Forward(f))));
        items.sort_by_key(|(span, _)| *span);
        for (_, item) in items {
            match item {
                Item::Rule(rule) => self.rule(rule),
                Item::Forward(forward) => self.forward(forward),
            }
        }
    }

    fn rule(&mut self, rule: &Rule) {
        let (from, to) = (self.ends(&rule.from), self.ends(&rule.to));
        self.body(format_args!("\n[[{}]]\nfrom = {from}\nto = {to}\n", rule.verdict.word()));
        self.service_line(rule.services.as_deref());
        if rule.log {
            self.body(format_args!("log = true\n"));
        }
        if let Some(limit) = rule.limit {
            self.body(format_args!("limit = \"{}/{} burst {}\"\n", limit.rate, limit.per.word(), limit.burst));
            if limit.by_source {
                self.body(format_args!("limit_by = \"source\"\n"));
            }
        }
        if let Some(schedule) = rule.schedule {
            const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
            let days: Vec<&str> =
                DAYS.into_iter().zip(schedule.days).filter(|(_, on)| *on).map(|(day, _)| day).collect();
            let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
            self.body(format_args!(
                "schedule = {{ days = \"{}\", hours = \"{}-{}\" }}\n",
                days.join(","),
                clock(schedule.from_minute),
                clock(schedule.to_minute)
            ));
        }
        if let Some(expires) = rule.expires {
            self.body(format_args!("expires = {expires}\n"));
        }
    }

    fn forward(&mut self, forward: &Forward) {
        let (from, to) = (self.ends(&forward.from), list(&forward.to));
        let ports = list(forward.ports.iter().map(service_text));
        self.body(format_args!("\n[[forward]]\nport = {ports}\nfrom = {from}\nto = {to}\n"));
        if let Some(port) = forward.to_port {
            self.body(format_args!("to_port = {port}\n"));
        }
        self.body(format_args!("hairpin = {}\nlog = {}\n", forward.hairpin, forward.log));
    }

    fn expect(&mut self, expect: &Expect) {
        let (from, to) = (self.ends(&expect.from), self.ends(&expect.to));
        self.body(format_args!("\n[[expect]]\nfrom = {from}\nto = {to}\n"));
        self.service_line(expect.services.as_deref());
        self.body(format_args!("verdict = \"{}\"\n", expect.verdict.word()));
    }

    fn services_of_the_box(&mut self) {
        let policy = self.policy;
        if !policy.dns.upstream.is_empty() {
            self.body(format_args!("\n[dns]\nupstream = {}\n", list(&policy.dns.upstream)));
        }
        if let Some(remote) = &policy.log.remote {
            self.body(format_args!("\n[log]\nremote = \"{}://{}:{}\"\n", remote.scheme, remote.host, remote.port));
        }
        for notify in &policy.notify {
            if let Notify::Webhook(url) = notify {
                self.body(format_args!("\n[[notify]]\nwebhook = \"{url}\"\n"));
            }
        }
    }
}

/// As the file writes it. The word `icmp` alone means ICMPv6 too, so all of ICMP is said by its number.
fn service_text(service: &Service) -> String {
    match (service.proto, service.ports) {
        (proto::ICMP, Ports::All) => format!("proto/{}", proto::ICMP),
        _ => write_service(service),
    }
}
