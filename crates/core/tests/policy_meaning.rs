//! What the file's texts mean, as values.

use std::net::IpAddr;

use jiff::civil::date;
use segwall_core::policy::{
    Context, DhcpKind, Ipv6Mode, Limit, Notify, Policy, Ports, RemoteLog, Schedule, SegmentId, ServerRef, Service,
    TimeUnit, Verdict, Wiring, Zone, built_in_service, load, write_service,
};
use segwall_core::source::Source;
use segwall_packetset::AddrRange;

const OFFICE: &str = include_str!("../../../examples/office.toml");

fn policy(text: &str) -> Policy {
    let context = Context { today: date(2026, 11, 22), timezone: jiff::tz::TimeZone::UTC };
    let loaded = load(&Source::new("test.toml", text), &context);
    loaded.policy.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
}

fn addr(text: &str) -> IpAddr {
    text.parse().expect(text)
}

fn range(text: &str) -> AddrRange {
    text.parse().expect(text)
}

/// The ends of one side as `zone`, `zone/addresses`, with `~` before those that come through a group or `any`.
fn ends(list: &[segwall_core::policy::End]) -> Vec<String> {
    list.iter()
        .map(|end| {
            let zone = match end.zone {
                Zone::Segment(id) => format!("{}", id.0),
                Zone::Segments => "segments".to_owned(),
                Zone::Internet => "internet".to_owned(),
                Zone::Gateway => "gateway".to_owned(),
            };
            let addresses: Vec<String> = end.addresses.iter().flatten().map(ToString::to_string).collect();
            let narrowed = if addresses.is_empty() { String::new() } else { format!("/{}", addresses.join(",")) };
            format!("{}{zone}{narrowed}", if end.direct { "" } else { "~" })
        })
        .collect()
}

fn services(list: Option<&[Service]>) -> Vec<String> {
    list.unwrap_or_default().iter().map(write_service).collect()
}

#[test]
fn the_example_says_nothing_wrong_and_means_what_it_says() {
    let context = Context { today: date(2026, 11, 22), timezone: jiff::tz::TimeZone::UTC };
    let source = Source::new("office.toml", OFFICE);
    let loaded = load(&source, &context);
    assert_eq!(loaded.diagnostics, []);
    let policy = loaded.policy.expect("no error, so a policy");

    assert_eq!(policy.gateway.trunk.as_deref(), Some("eth0"));
    assert_eq!(policy.gateway.management, [SegmentId(3)]);
    assert_eq!(policy.gateway.timezone.as_ref().and_then(|zone| zone.iana_name()), Some("Europe/Berlin"));
    assert_eq!((policy.gateway.ssh_port, policy.gateway.output_drop), (22, false));

    let wan = &policy.uplinks[0];
    assert_eq!((wan.device.as_str(), wan.dhcp, wan.ra, wan.nat, wan.managed), ("eth1", true, true, true, true));

    let names: Vec<&str> = policy.segments.iter().map(|segment| segment.name.as_str()).collect();
    assert_eq!(names, ["dmz", "internal", "server", "management", "guest"], "in the file's order");
    let internal = &policy.segments[1];
    assert_eq!(internal.device, "eth0.20");
    assert_eq!(internal.wiring, Wiring::Vlan { trunk: "eth0".to_owned(), id: 20 });
    let gateways: Vec<IpAddr> = internal.subnets.iter().map(|subnet| subnet.gateway).collect();
    assert_eq!(gateways, [addr("192.168.20.1"), addr("fd00:20::1")]);
    assert_eq!((internal.ipv6, policy.segments[0].ipv6), (Ipv6Mode::Slaac, Ipv6Mode::None));
    let dhcp = internal.dhcp.as_ref().expect("dhcp");
    assert_eq!(dhcp.pool, Some(range("192.168.20.100-192.168.20.200")));
    assert_eq!(dhcp.dns, [ServerRef::Addresses(vec![addr("192.168.30.10")])]);
    assert_eq!(dhcp.ntp, [ServerRef::Gateway]);
    assert_eq!(dhcp.domain.as_deref(), Some("office.example"));
    assert_eq!(source.slice(dhcp.dns_span), "[\"resolver\"]");
    let server = &policy.segments[2];
    assert_eq!((server.routes[0].to, server.routes[0].via), (range("172.16.0.0/16"), addr("192.168.30.2")));
    assert_eq!(server.dhcp.as_ref().expect("dhcp").options, [(66, "192.168.30.11".to_owned())].into());

    assert_eq!(policy.hosts[0].mac, Some([2, 0, 0, 0, 0x30, 0x0a]));
    assert_eq!((policy.hosts[0].segment, policy.hosts[1].segment), (SegmentId(2), SegmentId(0)));
    assert_eq!(
        policy.sets[0].addresses,
        [range("192.168.20.5"), range("192.168.20.16/28"), range("192.168.20.40-192.168.20.49")]
    );
    assert_eq!(services(Some(&policy.services[0].services)), ["tcp/8443", "tcp/9000-9010"]);
    assert_eq!(ends(&policy.groups[0].members), ["1", "4"]);

    let rules: Vec<_> = policy
        .rules
        .iter()
        .map(|rule| (rule.verdict, ends(&rule.from), ends(&rule.to), services(rule.services.as_deref())))
        .collect();
    let s = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let accept = |from: &[&str], to: &[&str], on: &[&str]| (Verdict::Accept, s(from), s(to), s(on));
    assert_eq!(
        rules,
        [
            accept(&["3"], &["gateway"], &["tcp/22"]),
            accept(&["1"], &["0/192.168.10.10"], &["tcp/80", "tcp/443"]),
            accept(&["1"], &["2"], &["tcp/3306", "tcp/5432"]),
            accept(&["1", "2"], &["2/192.168.30.10"], &["udp/53", "tcp/53"]),
            accept(&["0"], &["internet/8.8.8.8", "internet/8.8.4.4"], &["udp/53", "tcp/53"]),
            accept(&["~1", "~4"], &["internet"], &["tcp/80", "tcp/443"]),
            accept(&["3"], &["~segments", "~internet"], &[]),
            (Verdict::Drop, s(&["~1", "~4"]), s(&["internet/203.0.113.0/24"]), s(&[])),
        ]
    );
    let timed = &policy.rules[5];
    assert_eq!(timed.limit, Some(Limit { rate: 200, per: TimeUnit::Second, burst: 400, by_source: false }));
    let days = [true, true, true, true, true, false, false];
    assert_eq!(timed.schedule, Some(Schedule { days, from_minute: 480, to_minute: 1080 }));
    assert_eq!(timed.expires, Some(date(2027, 6, 30)));
    assert!(policy.rules[2].log && !policy.rules[1].log);
    assert_eq!(policy.rules[2].comment.as_deref(), Some("until the application server is in place"));
    assert_eq!(source.slice(policy.rules[7].span), "[[drop]]");

    let forward = &policy.forwards[0];
    assert_eq!(services(Some(&forward.ports)), ["tcp/443"]);
    assert_eq!((forward.segment, forward.to.as_slice()), (SegmentId(0), [addr("192.168.10.10")].as_slice()));
    assert_eq!((ends(&forward.from), forward.to_port, forward.hairpin), (s(&["internet"]), None, true));

    assert_eq!((policy.dhcp.kind, policy.dhcp.lease_s), (DhcpKind::Dnsmasq, 600));
    assert_eq!(policy.dns.upstream, [addr("9.9.9.9")]);
    assert_eq!(policy.log.drops, Limit { rate: 20, per: TimeUnit::Second, burst: 5, by_source: false });
    let remote = RemoteLog { scheme: "tls".to_owned(), host: "192.168.100.10".to_owned(), port: 6514 };
    assert_eq!(policy.log.remote, Some(remote));
    assert_eq!((policy.alerts.drops, policy.alerts.scans), (Some((100, 60)), true));
    let mail = Notify::Email { to: "noc@example.org".to_owned(), smtp: "smtps://mail.example.org".to_owned() };
    assert_eq!(policy.notify, [mail]);
    assert_eq!((ends(&policy.expects[0].from), policy.expects[0].verdict), (s(&["4"]), Verdict::Drop));
}

const LAN: &str = "[segments.lan]\ninterface = \"eth1\"\nsubnets = [\"10.0.0.0/24\"]\n";

#[test]
fn what_is_not_said_has_its_default() {
    let policy = policy(LAN);
    assert_eq!((policy.gateway.trunk.clone(), policy.gateway.ssh_port, policy.gateway.output_drop), (None, 22, false));
    assert_eq!((policy.dhcp.kind, policy.dhcp.lease_s), (DhcpKind::Dnsmasq, 12 * 3600));
    assert_eq!(policy.log.drops, Limit { rate: 20, per: TimeUnit::Second, burst: 20, by_source: false });
    assert_eq!((policy.alerts.drops, policy.alerts.scans), (None, false));
    assert_eq!(policy.segments[0].subnets[0].gateway, addr("10.0.0.1"));
    assert_eq!(policy.segments[0].wiring, Wiring::Untagged);
}

#[test]
fn any_is_only_segments_without_an_uplink() {
    let policy = policy(&format!("{LAN}[[accept]]\nfrom = \"any\"\nto = \"any\"\n"));
    assert_eq!(ends(&policy.rules[0].from), ["~segments"]);
}

#[test]
fn groups_in_groups_are_written_out_once() {
    let policy = policy(&format!(
        "{LAN}[hosts]\na = {{ address = \"10.0.0.7\" }}\n[groups]\nouter = [\"inner\", \"a\", \"internet\"]\n\
         inner = [\"a\", \"lan\"]\n[uplinks.wan]\ninterface = \"eth0\"\naddresses = [\"dhcp\"]\n\
         [[accept]]\nfrom = \"outer\"\nto = [\"lan\", \"outer\"]\n"
    ));
    assert_eq!(ends(&policy.rules[0].from), ["~0/10.0.0.7", "~0", "~internet"]);
    assert_eq!(ends(&policy.rules[0].to), ["0", "~0/10.0.0.7", "~0", "~internet"]);
}

#[test]
fn rules_keep_the_order_of_the_file() {
    let policy = policy(&format!(
        "{LAN}[[drop]]\nfrom = \"lan\"\nto = \"gateway\"\n[[accept]]\nfrom = \"lan\"\nto = \"gateway/10.0.0.1\"\n\
         [[reject]]\nfrom = \"gateway\"\nto = \"lan/10.0.0.128/25\"\n[[drop]]\nfrom = \"lan\"\nto = \"lan\"\n"
    ));
    let verdicts: Vec<Verdict> = policy.rules.iter().map(|rule| rule.verdict).collect();
    assert_eq!(verdicts, [Verdict::Drop, Verdict::Accept, Verdict::Reject, Verdict::Drop]);
    assert_eq!(ends(&policy.rules[1].to), ["gateway/10.0.0.1"]);
    assert_eq!(ends(&policy.rules[2].to), ["0/10.0.0.128/25"]);
}

#[test]
fn services_are_read_in_all_their_forms() {
    let policy = policy(&format!(
        "{LAN}[services]\nmine = [\"tcp\", \"udp/1-65535\", \"icmp/echo-request\", \"icmp/3/4\", \"icmpv6/packet-too-big\", \
         \"esp\", \"proto/89\", \"proto/255\", \"https\", \"other\", \"sctp/9\"]\nother = [\"tcp/1\", \"tcp/443\"]\n\
         [[accept]]\nfrom = \"lan\"\nto = \"gateway\"\nservice = \"mine\"\n"
    ));
    assert_eq!(
        services(policy.rules[0].services.as_deref()),
        [
            "tcp",
            "udp/1-65535",
            "icmp/8",
            "icmpv6/128",
            "icmp/3/4",
            "icmpv6/2",
            "esp",
            "ospf",
            "proto/255",
            "tcp/443",
            "tcp/1",
            "sctp/9"
        ]
    );
    assert_eq!(built_in_service("icmp").expect("a protocol").len(), 2);
    assert_eq!(built_in_service("ospf").expect("a protocol")[0].ports, Ports::All);
    assert_eq!(built_in_service("nothing"), None);
}

#[test]
fn schedules_and_limits_are_read_in_all_their_forms() {
    let rule = |extra: &str| {
        let text = format!("{LAN}[[accept]]\nfrom = \"lan\"\nto = \"gateway\"\n{extra}\n");
        policy(&text).rules.remove(0)
    };
    let schedule = |text: &str| rule(&format!("schedule = {{ {text} }}")).schedule.expect("a schedule");
    let all = [true; 7];
    let night = schedule("hours = \"22:00-06:00\"");
    assert_eq!(night, Schedule { days: all, from_minute: 1320, to_minute: 360 });
    assert_eq!(schedule("hours = \"22:00-24:00\"").to_minute, 1440);
    assert_eq!(schedule("hours = \"22:00-00:00\"").to_minute, 1440);
    assert_eq!(schedule("days = \"daily\""), Schedule { days: all, from_minute: 0, to_minute: 1440 });
    assert_eq!(schedule("days = \"sat-mon, wed\"").days, [true, false, true, false, false, true, true]);

    let limit = |text: &str| rule(text).limit.expect("a limit");
    assert_eq!(limit("limit = \"3/day\""), Limit { rate: 3, per: TimeUnit::Day, burst: 5, by_source: false });
    assert_eq!(
        limit("limit = \"3/minute  burst  9\"\nlimit_by = \"source\""),
        Limit { rate: 3, per: TimeUnit::Minute, burst: 9, by_source: true }
    );
}

#[test]
fn interfaces_are_found_in_all_their_forms() {
    let policy = policy(
        "[gateway]\ntrunk = \"eth0\"\n\
         [segments.a]\nvlan = 7\nsubnets = [\"10.0.1.0/24\"]\n\
         [segments.b]\nvlan = 7\ntrunk = \"eth1\"\nsubnets = [\"10.0.2.0/31\"]\n\
         [segments.c]\nvlan = 8\ndevice = \"cameras\"\nsubnets = [\"10.0.3.0/24\"]\ngateway = \"10.0.3.254\"\n\
         [segments.d]\ninterface = \"wg0\"\nmanaged = false\nsubnets = [\"fd00:4::/64\"]\nipv6 = \"none\"\n\
         [segments.e]\ndevice = \"br0\"\nmanaged = false\nsubnets = [\"fd00:5::/64\"]\n\
         [uplinks.wan]\nvlan = 6\ntrunk = \"eth2\"\naddresses = [\"203.0.113.2/24\", \"2001:db8::2/64\"]\n\
         gateways = [\"203.0.113.1\", \"fe80::1\"]\nnat = false\n",
    );
    let devices: Vec<&str> = policy.segments.iter().map(|segment| segment.device.as_str()).collect();
    assert_eq!(devices, ["eth0.7", "eth1.7", "cameras", "wg0", "br0"]);
    let gateways: Vec<IpAddr> = policy.segments.iter().map(|segment| segment.subnets[0].gateway).collect();
    assert_eq!(gateways, ["10.0.1.1", "10.0.2.0", "10.0.3.254", "fd00:4::1", "fd00:5::1"].map(addr));
    assert_eq!((policy.segments[3].managed, policy.segments[3].ipv6), (false, Ipv6Mode::None));
    let wan = &policy.uplinks[0];
    assert_eq!(
        (wan.device.as_str(), wan.nat, wan.gateways.len(), wan.addresses[1].prefix_len),
        ("eth2.6", false, 2, 64)
    );
}
