//! Policies: read, checked, lowered, compiled, and what was compiled is proved again.

use jiff::tz::TimeZone;
use segwall_core::analysis::proof::Answer;
use segwall_core::diag::Severity;
use segwall_core::emit::{iptables, nft};
use segwall_core::netfilter::{TableFamily, read_iptables_save};
use segwall_core::policy::{Context, load, read_bytes};
use segwall_core::ruleset::{Ruleset, lower};
use segwall_core::source::Source;

use super::meaning::{now, proof};
use super::places;

/// Nodes for the proof of what was compiled; with more, a policy takes the fuzzer's time from the others.
const NODES_MAX: usize = 60_000;
/// Longer renderings are not proved here.
const RENDERED_MAX: usize = 128 * 1024;

pub fn run(bytes: &[u8]) {
    let context = Context { today: jiff::civil::date(2026, 11, 22), timezone: TimeZone::UTC };
    let source = match read_bytes("input", bytes.to_vec()) {
        Ok(source) => source,
        Err(unreadable) => return places::of_diagnostics(&unreadable.source, &[unreadable.diagnostic]),
    };
    let loaded = load(&source, &context);
    places::of_diagnostics(&source, &loaded.diagnostics);
    let errors = loaded.diagnostics.iter().any(|found| found.severity == Severity::Error);
    assert_eq!(loaded.policy.is_none(), errors, "{:?}", loaded.diagnostics);
    let Some(policy) = loaded.policy else { return };
    let ruleset = lower(&policy, &source, &TimeZone::UTC);
    assert_eq!(nft::compile(&ruleset, now()).script(), nft::compile(&ruleset, now()).script());
    is_what_it_says(&ruleset);
}

/// The rendering for iptables is proved, or the space is too small to say.
fn is_what_it_says(ruleset: &Ruleset) {
    let texts = [iptables::v4(ruleset, now()), iptables::v6(ruleset, now())];
    if texts.iter().map(String::len).sum::<usize>() > RENDERED_MAX {
        return;
    }
    // A limit that xtables cannot have is not what the policy says, and the text tells of it.
    let mut ruleset = ruleset.clone();
    for rule in &mut ruleset.rules {
        rule.limit = rule.limit.as_ref().map(iptables::written);
    }
    ruleset.log_drops = iptables::written(&ruleset.log_drops);
    let [v4, v6] = texts.map(|text| Source::new("rendered", text));
    let programs = [read_iptables_save(&v4, TableFamily::Ip), read_iptables_save(&v6, TableFamily::Ip6)];
    for (source, program) in [&v4, &v6].into_iter().zip(&programs) {
        assert!(program.notes.is_empty(), "{:?}\n{}", program.notes, source.text());
    }
    match proof(&ruleset, &[&programs[0], &programs[1]], NODES_MAX).answer {
        Answer::Proved => {}
        Answer::Undetermined(why) => {
            assert!(why.iter().all(|why| why.starts_with("gave up")), "{why:#?}\n{}{}", v4.text(), v6.text());
        }
        Answer::Refuted(list) => {
            let words = list.iter().map(|one| format!("{}: wanted {}, found {}", one.witness, one.wanted, one.found));
            panic!("{:#?}\n{}{}", words.collect::<Vec<_>>(), v4.text(), v6.text());
        }
    }
}

/// Keys and values of policies.
pub const WORDS: &[&str] = &[
    "[gateway]\n",
    "trunk = \"eth0\"\n",
    "management = [\"a\"]\n",
    "timezone = \"Europe/Berlin\"\n",
    "output = \"drop\"\n",
    "ssh_port = 22\n",
    "[uplinks.wan]\n",
    "interface = \"eth1\"\n",
    "addresses = [\"dhcp\", \"ra\"]\n",
    "addresses = [\"192.0.2.2/24\"]\n",
    "gateways = [\"192.0.2.1\"]\n",
    "nat = false\n",
    "[segments.a]\n",
    "[segments.b]\n",
    "vlan = 10\n",
    "vlan = 20\n",
    "subnets = [\"192.168.10.0/24\"]\n",
    "subnets = [\"192.168.20.0/24\", \"fd00:20::/64\"]\n",
    "gateway = [\"192.168.10.1\"]\n",
    "ipv6 = \"slaac\"\n",
    "dhcp = { pool = \"192.168.10.100-192.168.10.200\" }\n",
    "dns = [\"gateway\"]\n",
    "ntp = [\"gateway\"]\n",
    "options = { 66 = \"x\" }\n",
    "routes = [{ to = \"172.16.0.0/16\", via = \"192.168.10.2\" }]\n",
    "[hosts.h]\n",
    "address = \"192.168.10.10\"\n",
    "mac = \"02:00:00:00:30:0a\"\n",
    "[sets.s]\n",
    "in = \"a\"\n",
    "in = \"internet\"\n",
    "addresses = [\"192.168.10.5\", \"192.168.10.40-192.168.10.49\"]\n",
    "[services]\n",
    "x = [\"tcp/8443\", \"udp/1-9\"]\n",
    "[groups]\n",
    "g = [\"a\", \"b\"]\n",
    "[[accept]]\n",
    "[[drop]]\n",
    "[[reject]]\n",
    "[[forward]]\n",
    "[[expect]]\n",
    "[[notify]]\n",
    "from = \"a\"\n",
    "from = \"any\"\n",
    "from = [\"a\", \"internet\"]\n",
    "to = \"b\"\n",
    "to = \"gateway\"\n",
    "to = \"internet/8.8.8.0/24\"\n",
    "to = \"gateway/192.168.20.1\"\n",
    "to = \"segments\"\n",
    "to = \"h\"\n",
    "service = \"ssh\"\n",
    "service = [\"tcp/1-65535\", \"icmp/echo-request\", \"esp\"]\n",
    "service = \"proto/47\"\n",
    "log = true\n",
    "comment = \"x\"\n",
    "limit = \"200/second burst 400\"\n",
    "limit = \"1/day\"\n",
    "limit_by = \"source\"\n",
    "schedule = { days = \"mon-fri\", hours = \"08:00-18:00\" }\n",
    "schedule = { hours = \"22:00-06:00\" }\n",
    "expires = 2027-06-30\n",
    "verdict = \"drop\"\n",
    "port = \"tcp/443\"\n",
    "to_port = 8443\n",
    "hairpin = false\n",
    "on = [\"wan\"]\n",
    "[dns]\nupstream = [\"9.9.9.9\"]\n",
    "[dhcp]\nserver = \"dnsmasq\"\n",
    "[log]\n",
    "drops = { limit = \"20/second\" }\n",
    "remote = \"tls://192.168.10.10:6514\"\n",
    "[alerts]\n",
    "scans = true\n",
    "any",
    "gateway",
    "segments",
    "internet",
    "/",
    "-",
    "4095",
    "0",
    "::/0",
    "255.255.255.255",
    "fe80::1",
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    ",",
    "=",
    "\n",
    "#",
    "\u{0}",
    "\u{feff}",
    "\u{e9}",
];
