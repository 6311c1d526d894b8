//! Random nft texts: tables, priorities, policies, chains that jump, sets, maps.

use std::fmt::Write as _;

use segwall_core::testing::Seeded;

use crate::draw::below;
use crate::packet::SENTINEL_PORT;

const V4: &[&str] = &[
    "10.1.0.0/17",
    "10.1.200.7",
    "10.2.1.0/24",
    "10.2.64.0-10.2.70.77",
    "10.3.0.0/16",
    "172.16.0.0/14",
    "172.20.5.0/24",
    "172.24.0.1-172.24.3.77",
    "172.28.0.0/15",
    "172.30.9.9",
];
const V6: &[&str] = &[
    "2001:db8:1:1::/65",
    "2001:db8:1:1:ffff::1",
    "2001:db8:2:1::/66",
    "2001:db8:3:1::5-2001:db8:3:1:4000::77",
    "2001:db8:100::/44",
    "2001:db8:120:5::/64",
    "2001:db8:130::/46",
    "2001:db8:13f::1",
];
const PORTS: &[&str] = &["22", "53", "80-90", "443", "1000-2000", "5000-29999", "30000-65535"];
const NAMES: &[&str] = &["\"eth1\"", "\"eth2\"", "\"wan0\""];
const PROTOS: &[&str] = &["tcp", "udp", "icmp", "ipv6-icmp", "esp", "ospf", "103"];
const STATES: &[&str] = &["new", "established", "related", "invalid", "untracked"];

/// One of a list.
fn of<'l>(choices: &mut Seeded, list: &[&'l str]) -> &'l str {
    list[below(choices, list.len())]
}

/// Some of a list, at least one, in its order.
fn some<'l>(choices: &mut Seeded, list: &[&'l str]) -> Vec<&'l str> {
    let mut chosen: Vec<&str> = list.iter().copied().filter(|_| choices.below(3) == 0).collect();
    if chosen.is_empty() {
        chosen.push(of(choices, list));
    }
    chosen
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Ip,
    Ip6,
    Inet,
}

/// A whole text.
pub fn text(choices: &mut Seeded) -> String {
    let mut out = String::new();
    if choices.below(2) == 0 {
        early(choices, &mut out);
    }
    for number in 0..1 + choices.below(3) {
        let family = match choices.below(4) {
            0 => Family::Ip,
            1 => Family::Ip6,
            _ => Family::Inet,
        };
        Table { choices, family, user_chains: 0 }.write(number, &mut out);
    }
    out
}

/// A table before routing: marks and packets that are not tracked.
fn early(choices: &mut Seeded, out: &mut String) {
    let _ = write!(out, "table inet early {{\n chain raw {{\n  type filter hook prerouting priority raw;\n");
    let _ = writeln!(out, "  udp sport {SENTINEL_PORT} accept");
    for proto in ["tcp", "udp"] {
        let _ = writeln!(out, "  {proto} dport {} notrack", of(choices, PORTS));
    }
    let _ = write!(out, " }}\n chain mangle {{\n  type filter hook prerouting priority mangle;\n");
    for _ in 0..choices.below(4) {
        let name = of(choices, NAMES);
        let mark = mark(choices);
        let _ = writeln!(out, "  iifname {name} ip saddr {} {mark}", of(choices, V4));
    }
    let _ = writeln!(
        out,
        "  udp sport != {SENTINEL_PORT} iifname {} tcp dport {} drop",
        of(choices, NAMES),
        of(choices, PORTS)
    );
    let _ = write!(out, " }}\n}}\n");
}

fn mark(choices: &mut Seeded) -> String {
    match choices.below(4) {
        0 => format!("meta mark set {}", choices.below(4)),
        1 => format!("meta mark set meta mark | {:#x}", 1 << choices.below(4)),
        2 => format!("meta mark set meta mark & {:#x}", 0xffff_fff0_u64 | choices.below(16)),
        _ => "meta mark set tcp dport map { 22 : 1, 80-90 : 2 }".to_owned(),
    }
}

struct Table<'c> {
    choices: &'c mut Seeded,
    family: Family,
    user_chains: u64,
}

impl Table<'_> {
    fn write(mut self, number: u64, out: &mut String) {
        let family = match self.family {
            Family::Ip => "ip",
            Family::Ip6 => "ip6",
            Family::Inet => "inet",
        };
        let _ = writeln!(out, "table {family} t{number} {{");
        self.sets(out);
        self.user_chains = self.choices.below(6);
        for chain in (0..self.user_chains).rev() {
            let _ = writeln!(out, " chain u{chain} {{");
            self.rules(chain + 1, out);
            let _ = writeln!(out, " }}");
        }
        self.map(out);
        for chain in 0..1 + self.choices.below(2) {
            let priority = of(self.choices, &["-150", "-1", "0", "filter + 5", "50"]);
            let policy = of(self.choices, &["accept", "drop"]);
            let _ = writeln!(
                out,
                " chain base{chain} {{\n  type filter hook forward priority {priority}; policy {policy};"
            );
            let _ = writeln!(out, "  udp sport {SENTINEL_PORT} accept");
            self.rules(0, out);
            let _ = writeln!(out, " }}");
        }
        let _ = writeln!(out, "}}");
    }

    fn addresses(&self) -> (&'static str, &'static [&'static str], &'static str) {
        if self.is_v4() { ("ip", V4, "ipv4_addr") } else { ("ip6", V6, "ipv6_addr") }
    }

    fn is_v4(&self) -> bool {
        self.family != Family::Ip6
    }

    fn sets(&mut self, out: &mut String) {
        let (_, list, kind) = self.addresses();
        let choices = &mut *self.choices;
        let addresses = some(choices, list).join(", ");
        let _ = writeln!(out, " set addresses {{ type {kind}; flags interval; elements = {{ {addresses} }}; }}");
        let ports = some(choices, PORTS).join(", ");
        let _ = writeln!(out, " set ports {{ type inet_service; flags interval; elements = {{ {ports} }}; }}");
        let mut pairs: Vec<String> = Vec::new();
        for addr in some(choices, list) {
            pairs.extend(some(choices, PORTS).into_iter().map(|port| format!("{addr} . {port}")));
        }
        let _ = writeln!(
            out,
            " set services {{ type {kind} . inet_service; flags interval; elements = {{ {} }}; }}",
            pairs.join(", ")
        );
        let ways: Vec<String> = (0..1 + choices.below(4))
            .map(|_| {
                format!(
                    "{} . {} . {} . {}",
                    of(choices, NAMES),
                    of(choices, NAMES),
                    of(choices, &["tcp", "udp"]),
                    of(choices, &["22", "53", "443"])
                )
            })
            .collect();
        let _ = writeln!(
            out,
            " set ways {{ type ifname . ifname . inet_proto . inet_service; elements = {{ {} }}; }}",
            ways.join(", ")
        );
        let wild = of(choices, &["\"eth*\"", "\"wan*\", \"eth1\"", "\"e*\", \"lo\"", "\"eth2\""]);
        let _ = writeln!(out, " set wild {{ type ifname; flags interval; elements = {{ {wild} }}; }}");
    }

    /// A map with verdicts; it may name any chain.
    fn map(&mut self, out: &mut String) {
        let mut entries = Vec::new();
        for port in some(self.choices, PORTS) {
            entries.push(format!("{port} : {}", self.verdict(0)));
        }
        if self.choices.below(3) == 0 {
            entries.push(format!("* : {}", self.verdict(0)));
        }
        let _ = writeln!(
            out,
            " map verdicts {{ type inet_service : verdict; flags interval; elements = {{ {} }}; }}",
            entries.join(", ")
        );
    }

    /// A verdict that a chain may give which jumps to chains from this number on only.
    fn verdict(&mut self, first: u64) -> String {
        let jumps = self.user_chains.saturating_sub(first);
        match self.choices.below(8) {
            0 | 1 => "accept".to_owned(),
            2 => "drop".to_owned(),
            3 => "return".to_owned(),
            4 => "continue".to_owned(),
            5 if jumps > 0 => format!("goto u{}", first + self.choices.below(jumps)),
            _ if jumps > 0 => format!("jump u{}", first + self.choices.below(jumps)),
            _ => "drop".to_owned(),
        }
    }

    fn rules(&mut self, first: u64, out: &mut String) {
        for _ in 0..1 + self.choices.below(7) {
            let mut conditions: Vec<String> = (0..self.choices.below(4)).map(|_| self.condition()).collect();
            conditions.push(self.action(first));
            let _ = writeln!(out, "  {}", conditions.join(" "));
        }
    }

    fn action(&mut self, first: u64) -> String {
        match self.choices.below(12) {
            0 => "counter".to_owned(),
            1 => mark(self.choices),
            2 => "reject".to_owned(),
            3 => {
                let mut entries: Vec<String> = Vec::new();
                for state in some(self.choices, STATES) {
                    entries.push(format!("{state} : {}", self.verdict(first)));
                }
                format!("ct state vmap {{ {} }}", entries.join(", "))
            }
            // Its entries may jump anywhere, so only base chains use it.
            4 if first == 0 => "tcp dport vmap @verdicts".to_owned(),
            5 => {
                let mut entries: Vec<String> = Vec::new();
                for (a, b) in [(0, 1), (1, 2), (2, 0), (1, 0)] {
                    if self.choices.below(2) == 0 || entries.is_empty() {
                        entries.push(format!("{} . {} : {}", NAMES[a], NAMES[b], self.verdict(first)));
                    }
                }
                format!("iifname . oifname vmap {{ {} }}", entries.join(", "))
            }
            _ => self.verdict(first),
        }
    }

    fn condition(&mut self) -> String {
        let (ip, list, _) = self.addresses();
        let is_v4 = self.is_v4();
        let inet = self.family == Family::Inet;
        let c = &mut *self.choices;
        let end = of(c, &["saddr", "daddr"]);
        let not = of(c, &["", "", "!= "]);
        let side = of(c, &["iifname", "oifname"]);
        let port = of(c, &["tcp dport", "tcp sport", "udp dport", "udp sport"]);
        match c.below(24) {
            0 => format!("{side} {not}{}", of(c, NAMES)),
            1 => format!("{side} {not}{}", of(c, &["\"eth*\"", "\"w*\"", "\"eth1*\""])),
            2 => format!("{side} {not}{{ {} }}", some(c, NAMES).join(", ")),
            3 => format!("{side} {not}@wild"),
            4 => format!("{ip} {end} {not}{}", of(c, list)),
            5 => format!("{ip} {end} {not}{{ {} }}", some(c, list).join(", ")),
            6 => format!("{ip} {end} {not}@addresses"),
            7 if is_v4 => format!("ip {end} & {} {not}10.1.0.7", of(c, &["255.255.0.7", "255.0.0.7"])),
            8 => format!("meta l4proto {not}{}", of(c, PROTOS)),
            9 => format!("meta l4proto {not}{{ {} }}", some(c, PROTOS).join(", ")),
            10 => format!("{port} {not}{}", of(c, PORTS)),
            11 => format!("{port} {not}{{ {} }}", some(c, PORTS).join(", ")),
            12 => format!("{port} {not}@ports"),
            13 => format!("{port} {} {}", of(c, &["<", ">", "<=", ">="]), of(c, &["22", "1024", "40000"])),
            14 => format!("th dport {not}{}", of(c, PORTS)),
            15 => {
                let flags = ["fin", "syn", "rst", "psh", "ack", "urg"];
                let (mask, value) = (some(c, &flags).join(" | "), of(c, &flags));
                match c.below(4) {
                    0 => format!("tcp flags & ({mask} | {value}) == {value}"),
                    1 => format!("tcp flags & ({mask} | {value}) != {value}"),
                    2 => format!("tcp flags {}", some(c, &flags).join(",")),
                    _ => format!("tcp flags ! {value}"),
                }
            }
            16 if is_v4 => {
                format!("icmp type {not}{}", of(c, &["echo-request", "echo-reply", "30-100", "{ 3, 13, 150-200 }"]))
            }
            17 if inet => format!("icmpv6 type {not}{}", of(c, &["echo-request", "echo-reply", "{ 1, 128 }"])),
            18 if is_v4 => format!("icmp code {}", of(c, &["0", "< 100", "!= 3"])),
            19 => match c.below(3) {
                0 => format!("ct state {}", some(c, STATES).join(",")),
                1 => format!("ct state {not}{{ {} }}", some(c, STATES).join(", ")),
                _ => format!("ct state != {}", of(c, STATES)),
            },
            20 => match c.below(3) {
                0 => format!("meta mark {not}{}", c.below(4)),
                1 => format!("meta mark & {:#x} == {:#x}", 3, c.below(4)),
                _ => format!("meta mark {not}1-2"),
            },
            21 => format!("iifname . oifname . meta l4proto . th dport {not}@ways"),
            22 => format!("{ip} {end} . tcp dport {not}@services"),
            _ => match c.below(6) {
                0 if is_v4 => {
                    format!("ip ttl {} {}", of(c, &["<", ">", "==", "!="]), of(c, &["1", "64", "200", "254"]))
                }
                1 if !is_v4 => format!("ip6 hoplimit {} 64", of(c, &["<", ">=", "!="])),
                2 if inet => format!("meta nfproto {}", of(c, &["ipv4", "ipv6"])),
                3 => format!("ether saddr {not}02:00:00:00:01:0{}", c.below(3)),
                4 => format!("meta pkttype {not}host"),
                _ => "ct status ! dnat".to_owned(),
            },
        }
    }
}
