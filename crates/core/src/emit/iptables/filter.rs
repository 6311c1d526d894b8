//! The filter table, in the oracle's order.

use segwall_packetset::{AddrRange, Family, InterfaceId, PortRange};

use super::super::comment::safe_file;
use super::super::nft::{ACCEPT_LOG_GROUP, LOG_BATCH, LOG_BYTES};
use super::refuse::{self, Reason};
use super::table::{Table, join};
use super::way::{Step, Way};
use super::words;
use crate::policy::Verdict;
use crate::ruleset::slots as schedule;
use crate::ruleset::{At, Dst, FlowBox, Interface, Need, Origin, Path, Role, Rule, Ruleset, Side};

/// Interfaces that are compared one by one.
const DISPATCH_MAX: usize = 4;
const ACCEPT_LOG: &str = "sw_accept_log";

struct Build<'a> {
    ruleset: &'a Ruleset,
    at: At,
    family: Family,
    file: String,
    table: Table,
}

pub(super) fn table(ruleset: &Ruleset, at: At, family: Family) -> Table {
    let mut build = Build {
        ruleset,
        at,
        family,
        file: safe_file(&ruleset.file),
        table: Table::new("filter", &[("INPUT", "DROP"), ("FORWARD", "DROP"), ("OUTPUT", "DROP")]),
    };
    refuse::chains(&mut build.table, &ruleset.log_drops, family);
    build.table.push(
        ACCEPT_LOG,
        format!(
            "-j NFLOG --nflog-group {ACCEPT_LOG_GROUP} --nflog-prefix \"segwall accept \" --nflog-size {LOG_BYTES} \
             --nflog-threshold {LOG_BATCH}"
        ),
    );
    build.table.push(ACCEPT_LOG, "-j ACCEPT".to_owned());
    build.table.push("INPUT", "-i lo -j ACCEPT".to_owned());
    build.table.push("OUTPUT", "-o lo -j ACCEPT".to_owned());
    let mut names: Vec<(&str, InterfaceId)> =
        ruleset.interface_ids().map(|(id, interface)| (interface.name.as_str(), id)).collect();
    names.sort_unstable();
    dispatch(&mut build.table, "INPUT", &names, 0, &Way::Input);
    dispatch(&mut build.table, "FORWARD", &names, 0, &Way::Forward);
    for (id, interface) in ruleset.interface_ids() {
        for way in [Way::Input(id), Way::Forward(id)] {
            build.antispoof(way, interface);
            build.way(way, &way.genuine());
        }
    }
    build.table.push("INPUT", Reason::UnknownInterface.goto());
    build.table.push("FORWARD", Reason::UnknownInterface.goto());
    build.way(Way::Output, "OUTPUT");
    build.table
}

/// Sends packets to their input interface's chain: by common beginnings of names, so that none passes hundreds of them.
fn dispatch(
    table: &mut Table,
    chain: &str,
    names: &[(&str, InterfaceId)],
    common: usize,
    way: &dyn Fn(InterfaceId) -> Way,
) {
    let direct = |table: &mut Table, (name, id): (&str, InterfaceId)| {
        table.push(chain, format!("-i {name} -g {}", way(id).chain()));
    };
    if names.len() <= DISPATCH_MAX {
        names.iter().for_each(|one| direct(table, *one));
        return;
    }
    // Names are ASCII; sorted, so that equal beginnings stand together.
    for group in names.chunk_by(|(a, _), (b, _)| a.as_bytes().get(common) == b.as_bytes().get(common)) {
        match group {
            [one] => direct(table, *one),
            [(first, id), .., (last, _)] => {
                let shared = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
                let next = format!("{}_{shared}", way(*id).chain());
                table.push(chain, format!("-i {}+ -j {next}", &first[..shared]));
                table.chain(&next);
                dispatch(table, &next, group, shared, way);
            }
            [] => {}
        }
    }
}

impl Build<'_> {
    fn antispoof(&mut self, way: Way, interface: &Interface) {
        let chain = way.chain();
        let genuine = format!("-g {}", way.genuine());
        match interface.role {
            Role::Uplink => {
                for range in self.ruleset.inside.iter().filter(|range| range.family() == self.family) {
                    self.table.push(&chain, join(&[&words::address("s", range), &Reason::Spoofed.goto()]));
                }
                if interface.dynamic {
                    let own = "-m addrtype --src-type LOCAL --limit-iface-in";
                    self.table.push(&chain, join(&[own, &Reason::Spoofed.goto()]));
                }
                self.table.push(&chain, genuine);
            }
            Role::Segment(_) => {
                for range in interface.sources.iter().filter(|range| range.family() == self.family) {
                    self.table.push(&chain, join(&[&words::address("s", range), &genuine]));
                }
                if matches!(way, Way::Input(_)) && interface.carries(self.family) {
                    for exception in first_contact(self.family) {
                        self.table.push(&chain, join(&[&exception, &genuine]));
                    }
                }
                self.table.push(&chain, Reason::Spoofed.goto());
            }
        }
    }

    /// Everything behind anti-spoofing.
    fn way(&mut self, way: Way, chain: &str) {
        let mut push = |words: &[&str]| self.table.push(chain, join(words));
        const STATE: &str = "-m conntrack --ctstate";
        push(&[STATE, "ESTABLISHED -j ACCEPT"]);
        // Errors about connections; what a helper expects is a new connection like any other.
        let related = match (way, self.family) {
            (Way::Output, _) => "",
            (_, Family::V4) => "-p icmp",
            (_, Family::V6) => "-p ipv6-icmp",
        };
        push(&[related, STATE, "RELATED -j ACCEPT"]);
        push(&[STATE, "INVALID", &Reason::Invalid.goto()]);
        push(&[STATE, "UNTRACKED -g", &way.untracked()]);
        push(&["-p tcp ! --syn", &Reason::NotSyn.goto()]);
        self.family_rules(way, chain);
        self.step(way, Step::Firm, chain);
        let refusals = way.refusals();
        self.step(way, Step::Drop, &refusals);
        self.step(way, Step::Reject, &refusals);
        let refused = self.table.has(&refusals);
        let jump = format!("-j {refusals}");
        if refused {
            self.table.push(chain, jump.clone());
        }
        self.port_forwards(way, true, chain);
        self.step(way, Step::Logged, chain);
        self.port_forwards(way, false, chain);
        self.step(way, Step::Quiet, chain);
        self.step(way, Step::Limited, chain);
        if matches!(way, Way::Input(_)) {
            if self.family == Family::V4 {
                self.table.push(chain, join(&["-m addrtype --dst-type BROADCAST", &Reason::Broadcast.goto()]));
            }
            self.table.push(chain, join(&["-m addrtype --dst-type MULTICAST", &Reason::Broadcast.goto()]));
        }
        self.table.push(chain, Reason::Unnamed.goto());

        let untracked = way.untracked();
        self.table.chain(&untracked);
        self.family_rules(way, &untracked);
        self.step(way, Step::FirmUntracked, &untracked);
        if refused {
            self.table.push(&untracked, jump);
        }
        self.step(way, Step::AcceptUntracked, &untracked);
        self.table.push(&untracked, Reason::Untracked.goto());
    }

    /// Drops what one of the interfaces does not carry.
    fn family_rules(&mut self, way: Way, chain: &str) {
        let input = match way {
            Way::Input(id) | Way::Forward(id) => self.ruleset.interface(id),
            Way::Output => return,
        };
        if !input.carries(self.family) {
            self.table.push(chain, Reason::Family.goto());
            return;
        }
        if matches!(way, Way::Forward(_)) {
            for interface in self.ruleset.interfaces.iter().filter(|interface| !interface.carries(self.family)) {
                self.table.push(chain, join(&["-o", &interface.name, &Reason::Family.goto()]));
            }
        }
    }

    fn step(&mut self, way: Way, step: Step, chain: &str) {
        let ruleset = self.ruleset;
        for (at, rule) in ruleset.rules.iter().enumerate() {
            let forward = match rule.origin {
                Origin::Forward(_) => true,
                Origin::Written(_) | Origin::Need(_) => false,
            };
            if forward || Step::of(rule) != step || !schedule::counts(rule, self.at) {
                continue;
            }
            for flow_box in &rule.boxes {
                self.flow_box(way, chain, at, rule, flow_box);
            }
        }
    }

    /// Where what a rule covers goes.
    fn target(&mut self, at: usize, rule: &Rule) -> String {
        match (rule.verdict, rule.log, &rule.limit) {
            (Verdict::Drop, false, _) => Reason::Rule.goto(),
            (Verdict::Drop, true, _) => Reason::RuleLogged.goto(),
            (Verdict::Reject, false, _) => Reason::Reject.goto(),
            (Verdict::Reject, true, _) => Reason::RejectLogged.goto(),
            (Verdict::Accept, log, limit) => {
                let accept = if log { format!("-g {ACCEPT_LOG}") } else { "-j ACCEPT".to_owned() };
                let Some(limit) = limit else { return accept };
                let chain = format!("sw_limit{at}");
                if !self.table.has(&chain) {
                    let comment = words::comment(&self.file, rule.line);
                    let rate = words::rate(&chain, limit);
                    self.table.push(&chain, join(&[&rate, &comment, &accept]));
                }
                // Over the limit it comes back: another rule may accept.
                format!("-j {chain}")
            }
        }
    }

    /// The output side: what is matched, and the target, which for all segments is a chain of their names.
    fn output(&mut self, way: Way, side: Side, same: bool, target: String) -> Option<(String, String)> {
        let apart = match way {
            Way::Forward(id) if !same => Some(id),
            _ => None,
        };
        let not_back = apart.map_or(String::new(), |id| format!("! -o {}", self.ruleset.interface(id).name));
        match side {
            Side::Any => Some((not_back, target)),
            Side::One(id) if apart == Some(id) => None,
            Side::One(id) => Some((format!("-o {}", self.ruleset.interface(id).name), target)),
            Side::Segments => {
                let word = target.rsplit(' ').next().unwrap_or_default();
                let chain = format!("sw_to_{}", word.trim_start_matches("sw_"));
                if !self.table.has(&chain) {
                    self.table.chain(&chain);
                    for (id, interface) in self.ruleset.interface_ids() {
                        if self.ruleset.is_segment(id) {
                            self.table.push(&chain, join(&["-o", &interface.name, &target]));
                        }
                    }
                }
                Some((not_back, format!("-j {chain}")))
            }
        }
    }

    fn flow_box(&mut self, way: Way, chain: &str, at: usize, rule: &Rule, flow_box: &FlowBox) {
        let holds = |side: Side, id: InterfaceId| match side {
            Side::Any => true,
            Side::Segments => self.ruleset.is_segment(id),
            Side::One(one) => one == id,
        };
        let (side, same) = match (way, flow_box.path) {
            (Way::Input(id), Path::Input { input }) if holds(input, id) => (Side::Any, true),
            (Way::Forward(id), Path::Forward { input, output, same }) if holds(input, id) => (output, same),
            (Way::Output, Path::Output { output }) => (output, true),
            _ => return,
        };
        let Some(src) = words::addresses("s", flow_box.src.as_ref(), self.family) else { return };
        if let (Way::Forward(id), Some(ranges)) = (way, &flow_box.src)
            && !self.may_come(id, ranges)
        {
            return;
        }
        let dst = match &flow_box.dst {
            Dst::Any => Vec::new(),
            Dst::Addresses(list) => match words::addresses("d", Some(list), self.family) {
                Some(words) => words,
                None => return,
            },
            Dst::Own => match self.own(way) {
                Some(words) => words,
                None => return,
            },
        };
        let Some(services) = words::services(flow_box.services.as_ref(), self.family) else { return };
        let target = self.target(at, rule);
        let Some((output, target)) = self.output(way, side, same, target) else { return };
        let times: Vec<String> = schedule::asked(rule, self.at)
            // xt_time counts weekdays in UTC too, unless it is told --kerneltz.
            .map(|when| schedule::slots(self.ruleset, when, self.at, 0).iter().map(words::within).collect())
            .unwrap_or_default();
        let hops = match (rule.origin, way) {
            (Origin::Need(Need::NeighbourDiscovery | Need::RouterAdvertisement), Way::Input(_)) => "-m hl --hl-eq 255",
            (Origin::Need(Need::Mld), Way::Input(_)) => "-m hl --hl-eq 1",
            _ => "",
        };
        let comment = words::comment(&self.file, rule.line);
        let always = join(&[&output, hops]);
        self.table.combine(chain, &always, &[src, dst, services, times], &join(&[&comment, &target]));
    }

    /// Whether a source can have come by an interface once it is known to be genuine.
    fn may_come(&self, id: InterfaceId, ranges: &[AddrRange]) -> bool {
        let interface = self.ruleset.interface(id);
        match interface.role {
            Role::Segment(_) => {
                ranges.iter().any(|range| interface.sources.iter().any(|source| source.overlaps(range)))
            }
            Role::Uplink => ranges.iter().any(|range| !self.ruleset.inside.iter().any(|inside| inside.covers(range))),
        }
    }

    /// The box's own addresses on the interface it came by; `None` when it has none of the family.
    fn own(&self, way: Way) -> Option<Vec<String>> {
        let Way::Input(id) = way else { return None };
        let interface = self.ruleset.interface(id);
        if interface.dynamic {
            let not_link_local = if self.family == Family::V6 { " ! -d fe80::/10" } else { "" };
            return Some(vec![format!("-m addrtype --dst-type LOCAL --limit-iface-in{not_link_local}")]);
        }
        let own: Vec<String> = interface
            .addresses
            .iter()
            .filter(|addr| Family::of(**addr) == self.family)
            .map(|addr| words::address("d", &AddrRange::single(*addr)))
            .collect();
        (!own.is_empty()).then_some(own)
    }

    /// Accepts exactly what port forwards translated.
    fn port_forwards(&mut self, way: Way, log: bool, chain: &str) {
        let Way::Forward(input) = way else { return };
        let ruleset = self.ruleset;
        for rule in ruleset.rules.iter().filter(|rule| rule.log == log) {
            let translations = rule.boxes.iter().filter_map(|flow_box| flow_box.translated);
            for translation in translations.map(|at| &ruleset.translations[at as usize]) {
                if translation.uplink != input || Family::of(translation.to) != self.family {
                    continue;
                }
                let Some(src) = words::addresses("s", translation.from.as_ref(), self.family) else { continue };
                let uplink = ruleset.interface(translation.uplink);
                let PortRange { first, last } = translation.ports;
                let sent = if first == last { first.to_string() } else { format!("{first}:{last}") };
                let state =
                    format!("-m conntrack --ctstate DNAT --ctproto {} --ctorigdstport {sent}", translation.proto);
                let states: Vec<String> = if uplink.dynamic {
                    vec![state]
                } else {
                    let own = uplink.addresses.iter().filter(|addr| Family::of(**addr) == self.family);
                    own.map(|addr| format!("{state} --ctorigdst {addr}")).collect()
                };
                if states.is_empty() {
                    continue;
                }
                let always = join(&[
                    "-o",
                    &ruleset.interface(translation.segment).name,
                    &words::address("d", &AddrRange::single(translation.to)),
                    &words::ports(translation.proto, translation.delivered_ports()),
                ]);
                let comment = words::comment(&self.file, rule.line);
                let accept = if log { format!("-g {ACCEPT_LOG}") } else { "-j ACCEPT".to_owned() };
                self.table.combine(chain, &always, &[src, states], &join(&[&comment, &accept]));
            }
        }
    }
}

/// What hosts without an address of their subnet may send to the box.
fn first_contact(family: Family) -> Vec<String> {
    let icmp = |source: &str, kind: u8| format!("-s {source} -p ipv6-icmp --icmpv6-type {kind}");
    match family {
        Family::V4 => vec!["-s 0.0.0.0/32 -p udp --dport 67".to_owned()],
        Family::V6 => [131, 132, 135, 143]
            .into_iter()
            .map(|kind| icmp("::/128", kind))
            .chain([130, 131, 132, 133, 135, 136, 143].into_iter().map(|kind| icmp("fe80::/10", kind)))
            .chain(["-s fe80::/10 -p udp --dport 547".to_owned()])
            .collect(),
    }
}
