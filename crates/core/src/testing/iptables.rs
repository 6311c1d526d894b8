//! Large save files of iptables, as busy firewalls have them.

use std::fmt::Write;

use super::Dice;

const PORTS: &[u16] = &[22, 25, 53, 80, 110, 123, 143, 161, 389, 443, 445, 514, 587, 993, 3306, 3389, 5432, 8080];
const BUILT_IN: [&str; 3] = ["INPUT", "FORWARD", "OUTPUT"];

/// What `iptables-save` would write for `rules` rules in the filter table, in `chains` chains, at least its three own:
/// tcp, udp, state, multiport, mac, limit, recent, comments, jumps, gotos and returns. Jumps go to later chains only.
#[must_use]
pub fn iptables_save(choices: &mut dyn FnMut(u64) -> u64, rules: usize, chains: usize) -> String {
    let mut dice = Dice(choices);
    let names: Vec<String> = (0..chains.max(BUILT_IN.len()))
        .map(|at| BUILT_IN.get(at).map_or_else(|| format!("chain{at}"), |name| (*name).to_owned()))
        .collect();
    let mut text = String::from("*filter\n");
    for (at, name) in names.iter().enumerate() {
        let policy = ["DROP", "-"][usize::from(at >= BUILT_IN.len())];
        let _ = writeln!(text, ":{name} {policy} [0:0]");
    }
    for (at, name) in names.iter().enumerate() {
        // The same number for each, the rest for the first ones.
        let share = rules / names.len() + usize::from(at < rules % names.len());
        for nth in 0..share {
            let _ = write!(text, "-A {name}");
            if at < BUILT_IN.len() && nth == 0 {
                let _ = writeln!(text, " -m state --state RELATED,ESTABLISHED -j ACCEPT");
                continue;
            }
            rule(&mut dice, &mut text, &names, at);
        }
    }
    text.push_str("COMMIT\n");
    text
}

fn rule(dice: &mut Dice<'_>, text: &mut String, names: &[String], at: usize) {
    let later = names.len().saturating_sub((at + 1).max(BUILT_IN.len()));
    let jump = later > 0 && dice.one_in(4);
    // A chain of one's own is reached by jumps that narrowed already; elsewhere no rule is for everybody everywhere, lest
    // it decides alone.
    let own = at >= BUILT_IN.len();
    let sides = if own { dice.below(5) } else { dice.below(3) };
    if matches!(sides, 0 | 2) {
        let _ = write!(text, " -s {}", network(dice));
    }
    if matches!(sides, 0 | 1) {
        let _ = write!(text, " -d {}", network(dice));
    }
    if names[at] != "OUTPUT" && dice.one_in(4) {
        let _ = write!(text, " -i eth{}", dice.below(8));
    }
    let protocol = ["tcp", "udp", "icmp", ""][dice.below(if sides < 3 { 4 } else { 3 })];
    match protocol {
        "tcp" | "udp" => ports(dice, text, protocol),
        "icmp" => text.push_str(" -p icmp -m icmp --icmp-type 8"),
        _ => {}
    }
    if dice.one_in(5) {
        text.push_str(" -m state --state NEW");
    }
    match dice.below(12) {
        0 => {
            let _ = write!(text, " -m mac --mac-source 00:16:3E:00:00:{:02X}", dice.below(200));
        }
        1 => {
            let _ = write!(text, " -m limit --limit {}/min", 1 + dice.below(20));
        }
        2 => {
            let _ = write!(
                text,
                " -m recent --rcheck --seconds 60 --name list{} --mask 255.255.255.255 --rsource",
                dice.below(5)
            );
        }
        3 => {
            let _ = write!(text, " -m comment --comment \"rule {}\"", dice.below(1000));
        }
        _ => {}
    }
    if jump {
        let to = names.len() - 1 - dice.below(later);
        let _ = writeln!(text, " -{} {}", if dice.one_in(10) { 'g' } else { 'j' }, names[to]);
        return;
    }
    let targets = ["ACCEPT", "ACCEPT", "ACCEPT", "DROP", "REJECT --reject-with icmp-port-unreachable", "LOG", "RETURN"];
    let _ = writeln!(text, " -j {}", dice.of(&targets));
}

/// A site, a network of it or a host in that: rules name the same ones again and again.
fn network(dice: &mut Dice<'_>) -> String {
    let (site, net) = (dice.below(16), dice.below(8));
    match *dice.of(&[32, 32, 24, 24, 16]) {
        32 => format!("10.{site}.{net}.{}/32", 1 + dice.below(10)),
        24 => format!("10.{site}.{net}.0/24"),
        _ => format!("10.{site}.0.0/16"),
    }
}

fn ports(dice: &mut Dice<'_>, text: &mut String, protocol: &str) {
    let _ = write!(text, " -p {protocol}");
    match dice.below(4) {
        0 => {
            let _ = write!(text, " -m multiport --dports {},{}:{}", dice.of(PORTS), 9000, 9000 + dice.below(100));
        }
        1 => {
            let _ = write!(text, " -m {protocol} --sport 1024:65535 --dport {}", dice.of(PORTS));
        }
        _ => {
            let _ = write!(text, " -m {protocol} --dport {}", dice.of(PORTS));
        }
    }
}
