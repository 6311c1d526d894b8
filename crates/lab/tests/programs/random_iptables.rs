//! Random save files: chains that jump, go and return, and every match and target that the model knows exactly.

use std::fmt::Write as _;

use segwall_core::testing::Seeded;

use crate::draw::below;
use crate::packet::SENTINEL_PORT;

const V4: &[&str] = &[
    "10.1.0.0/17",
    "10.1.200.7",
    "10.2.1.0/24,10.2.64.0/20",
    "10.3.0.0/16",
    "172.16.0.0/14",
    "172.20.5.0/24",
    "172.24.0.0/16,172.28.0.0/15",
    "172.16.0.5/255.240.0.7",
    "172.30.9.9",
];
const V6: &[&str] = &[
    "2001:db8:1:1::/65",
    "2001:db8:1:1:ffff::1",
    "2001:db8:2:1::/66,2001:db8:3:1::/67",
    "2001:db8:100::/44",
    "2001:db8:120:5::/64",
    "2001:db8:130::/46",
    "2001:db8:0:1::3/ffff:ffff:0:ffff::7",
];
const RANGES_V4: &[&str] = &["10.2.64.0-10.2.70.77", "172.24.0.1-172.24.3.77", "10.1.3.3-10.3.4.4"];
const RANGES_V6: &[&str] = &["2001:db8:3:1::5-2001:db8:3:1:4000::77", "2001:db8:100::1-2001:db8:120:5::3"];
const PORTS: &[&str] = &["22", "53", "80:90", "443", "1000:2000", "5000:29999", "30000:65535"];
const NAMES: &[&str] = &["eth1", "eth2", "wan0", "eth+", "w+", "eth1+"];
const STATES: &[&str] = &["NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"];
const FLAGS: &[&str] = &["FIN", "SYN", "RST", "PSH", "ACK", "URG"];

/// One of a list.
fn of<'l>(choices: &mut Seeded, list: &[&'l str]) -> &'l str {
    list[below(choices, list.len())]
}

/// Some of a list, at least one, in its order, behind commas.
fn some(choices: &mut Seeded, list: &[&str]) -> String {
    let mut chosen: Vec<&str> = list.iter().copied().filter(|_| choices.below(3) == 0).collect();
    if chosen.is_empty() {
        chosen.push(of(choices, list));
    }
    chosen.join(",")
}

/// A whole file for one of the two programs.
pub fn text(choices: &mut Seeded, is_v4: bool) -> String {
    let mut out = String::new();
    if choices.below(3) == 0 {
        out.push_str("*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n");
        let port = of(choices, PORTS);
        let _ = write!(out, "-A PREROUTING -p tcp -m tcp --dport {port} -j CT --notrack\nCOMMIT\n");
    }
    if choices.below(2) == 0 {
        Table { choices: &mut *choices, is_v4, user_chains: 0, is_mangle: true }.write(&mut out);
    }
    Table { choices, is_v4, user_chains: 0, is_mangle: false }.write(&mut out);
    out
}

struct Table<'c> {
    choices: &'c mut Seeded,
    is_v4: bool,
    user_chains: u64,
    is_mangle: bool,
}

impl Table<'_> {
    fn write(mut self, out: &mut String) {
        let (name, chains): (_, &[&str]) = if self.is_mangle {
            ("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"])
        } else {
            ("filter", &["INPUT", "FORWARD", "OUTPUT"])
        };
        let _ = writeln!(out, "*{name}");
        for chain in chains {
            let drops = *chain == "FORWARD" && self.choices.below(2) == 0;
            let _ = writeln!(out, ":{chain} {} [0:0]", if drops { "DROP" } else { "ACCEPT" });
        }
        self.user_chains = self.choices.below(6);
        for chain in 0..self.user_chains {
            let _ = writeln!(out, ":u{chain} - [0:0]");
        }
        let base: &[&str] = if self.is_mangle { &["PREROUTING", "FORWARD", "POSTROUTING"] } else { &["FORWARD"] };
        for chain in base {
            if self.is_v4 {
                let _ = writeln!(out, "-A {chain} -p udp -m udp --sport {SENTINEL_PORT} -j ACCEPT");
            }
            for _ in 0..2 + self.choices.below(if self.is_mangle { 3 } else { 9 }) {
                self.rule(chain, 0, out);
            }
        }
        for chain in 0..self.user_chains {
            for _ in 0..1 + self.choices.below(5) {
                self.rule(&format!("u{chain}"), chain + 1, out);
            }
        }
        let _ = writeln!(out, "COMMIT");
    }

    fn rule(&mut self, chain: &str, first: u64, out: &mut String) {
        // `-o` is not known before routing, and user chains of the mangle table are reached from there.
        let both_sides = !self.is_mangle || matches!(chain, "FORWARD");
        let inward = chain != "POSTROUTING" && (both_sides || chain == "PREROUTING");
        let _ = write!(out, "-A {chain}");
        let not = |c: &mut Seeded| if c.below(4) == 0 { " !" } else { "" };
        if self.choices.below(2) == 0 {
            let (side, addresses) = (of(self.choices, &["-s", "-d"]), of(self.choices, self.addresses()));
            // Several addresses cannot be negated.
            let not = if addresses.contains(',') { "" } else { not(self.choices) };
            let _ = write!(out, "{not} {side} {addresses}");
        }
        if inward && self.choices.below(3) == 0 {
            let _ = write!(out, "{} -i {}", not(self.choices), of(self.choices, NAMES));
        }
        if both_sides && self.choices.below(3) == 0 {
            let _ = write!(out, "{} -o {}", not(self.choices), of(self.choices, NAMES));
        }
        self.protocol(out);
        // The kernel takes a hardware address only where packets come in, and of a chain's callers it asks all.
        let mac = !self.is_mangle || chain == "PREROUTING";
        for _ in 0..self.choices.below(3) {
            self.extra(mac, out);
        }
        let _ = writeln!(out, "{}", self.target(first));
    }

    fn addresses(&self) -> &'static [&'static str] {
        if self.is_v4 { V4 } else { V6 }
    }

    fn protocol(&mut self, out: &mut String) {
        let c = &mut *self.choices;
        let icmp = if self.is_v4 { "icmp" } else { "ipv6-icmp" };
        let not = if c.below(4) == 0 { " !" } else { "" };
        let proto = of(c, &["tcp", "udp"]);
        match c.below(9) {
            0 => {
                let other = of(c, &["tcp", "udp", icmp, "esp", "ospf", "103"]);
                let _ = write!(out, "{not} -p {other}");
            }
            1 | 2 => {
                let _ = write!(out, " -p {proto} -m {proto}{not} --dport {}", of(c, PORTS));
            }
            3 => {
                let _ = write!(out, " -p {proto} -m {proto} --sport {} --dport {}", of(c, PORTS), of(c, PORTS));
            }
            4 => {
                let side = of(c, &["--dports", "--sports", "--ports"]);
                let _ = write!(out, " -p {proto} -m multiport{not} {side} {}", some(c, PORTS));
            }
            5 => {
                let _ = write!(out, " -p tcp -m tcp{not} --tcp-flags {} {}", some(c, FLAGS), of(c, FLAGS));
            }
            6 => {
                let _ = write!(out, " -p tcp -m tcp{not} --tcp-flags FIN,SYN,RST,ACK SYN");
            }
            7 if self.is_v4 => {
                let kind = of(c, &["8", "0", "3/4", "echo-request", "13/0"]);
                let _ = write!(out, " -p icmp -m icmp{not} --icmp-type {kind}");
            }
            7 => {
                let kind = of(c, &["128", "129/0", "echo-request", "1/3"]);
                let _ = write!(out, " -p ipv6-icmp -m icmp6{not} --icmpv6-type {kind}");
            }
            _ => {}
        }
    }

    fn extra(&mut self, mac: bool, out: &mut String) {
        let is_mangle = self.is_mangle;
        let c = &mut *self.choices;
        let not = if c.below(3) == 0 { " !" } else { "" };
        let _ = match c.below(10) {
            0 => write!(out, " -m state{not} --state {}", some(c, STATES)),
            1 => write!(out, " -m conntrack{not} --ctstate {}", some(c, STATES)),
            2 => write!(out, " -m conntrack --ctstate DNAT,{}", some(c, STATES)),
            3 => write!(out, " -m mark{not} --mark {:#x}/{:#x}", c.below(4), 3),
            4 => {
                let range = of(c, if self.is_v4 { RANGES_V4 } else { RANGES_V6 });
                write!(out, " -m iprange{not} {} {range}", of(c, &["--src-range", "--dst-range"]))
            }
            // Before routing a packet has one hop more than where it is judged.
            5 if !is_mangle => {
                let (module, option) = if self.is_v4 { ("ttl", "ttl") } else { ("hl", "hl") };
                let (how, value) = (of(c, &["eq", "lt", "gt"]), of(c, &["1", "64", "200", "254"]));
                let not = if how == "eq" { not } else { "" };
                write!(out, " -m {module}{not} --{option}-{how} {value}")
            }
            6 if mac => write!(out, " -m mac --mac-source 02:00:00:00:01:0{}", c.below(3)),
            7 => write!(out, " -m pkttype{not} --pkt-type {}", of(c, &["unicast", "broadcast", "multicast"])),
            8 => write!(out, " -m comment --comment \"rule {}\"", c.below(100)),
            _ if c.below(4) == 0 => write!(out, " -m statistic --mode random --probability 0.50000000000"),
            _ => Ok(()),
        };
    }

    fn target(&mut self, first: u64) -> String {
        let jumps = self.user_chains.saturating_sub(first);
        let reject = if self.is_v4 { "icmp-host-prohibited" } else { "icmp6-adm-prohibited" };
        match self.choices.below(10) {
            0 | 1 => " -j ACCEPT".to_owned(),
            2 => " -j DROP".to_owned(),
            3 if first > 0 => " -j RETURN".to_owned(),
            4 if !self.is_mangle => format!(" -j REJECT --reject-with {reject}"),
            5 => {
                let bits = self.choices.below(16);
                match self.choices.below(4) {
                    0 => format!(" -j MARK --set-xmark {bits:#x}/0xffffffff"),
                    1 => format!(" -j MARK --or-mark {bits:#x}"),
                    2 => format!(" -j MARK --and-mark {bits:#x}"),
                    _ => format!(" -j MARK --set-mark {bits:#x}/0xf"),
                }
            }
            6 if jumps > 0 => format!(" -g u{}", first + self.choices.below(jumps)),
            7 | 8 if jumps > 0 => format!(" -j u{}", first + self.choices.below(jumps)),
            9 => String::new(),
            _ => " -j ACCEPT".to_owned(),
        }
    }
}
