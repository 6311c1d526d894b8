//! What was read, as sets of packets: on every hook, in a space that is too small for anything large.

use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_core::analysis::foreign::{Rules, audit};
use segwall_core::analysis::proof::{Answer, Proof, prove};
use segwall_core::netfilter::meaning::{Hooked, Options, Rates, path, translation};
use segwall_core::netfilter::{Hook, Program};
use segwall_core::policy::{self, Context};
use segwall_core::ruleset::{At, Ruleset, lower};
use segwall_core::source::Source;
use segwall_packetset::{GaveUp, Set, Space};

use super::places;

/// Nodes that one question may take. Small, so that giving up is tried as often as answering.
const NODES_MAX: usize = 20_000;

const HOOKS: [Hook; 7] =
    [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting, Hook::Ingress, Hook::Egress];

/// A policy with one of everything that rules say.
const POLICY: &str = r#"
[gateway]
trunk = "eth0"
management = ["office"]
[uplinks.wan]
interface = "eth1"
addresses = ["192.0.2.2/24"]
gateways = ["192.0.2.1"]
[segments.office]
vlan = 10
subnets = ["192.168.10.0/24", "fd00:10::/64"]
[segments.guest]
vlan = 20
subnets = ["192.168.20.0/24"]
[hosts.web]
address = "192.168.10.10"
[[accept]]
from = "office"
to = "gateway"
service = "ssh"
[[accept]]
from = "office"
to = ["guest", "internet"]
service = ["tcp/80-443", "udp/53", "icmp/echo-request"]
log = true
[[accept]]
from = "guest"
to = "internet"
service = "https"
limit = "100/second burst 200"
[[reject]]
from = "guest"
to = "internet/198.51.100.0/24"
[[drop]]
from = "office"
to = "internet/203.0.113.7"
[[forward]]
port = "tcp/443"
to = "web"
"#;

/// The instant of every question.
pub fn now() -> At {
    At::Instant(Timestamp::from_second(1_795_000_000).expect("a moment of 2026"))
}

fn ruleset() -> &'static Ruleset {
    static RULESET: OnceLock<Ruleset> = OnceLock::new();
    RULESET.get_or_init(|| {
        let source = Source::new("fixed", POLICY);
        let context = Context { today: jiff::civil::date(2026, 11, 22), timezone: TimeZone::UTC };
        let loaded = policy::load(&source, &context);
        let policy = loaded.policy.unwrap_or_else(|| panic!("the fixed policy is sound: {:#?}", loaded.diagnostics));
        lower(&policy, &source, &TimeZone::UTC)
    })
}

/// Asks everything that is asked of programs, which hold at the same time.
pub fn check(rules: &[Rules<'_>]) {
    let programs: Vec<&Program> = rules.iter().map(|one| one.program).collect();
    let programs = programs.as_slice();
    for hook in HOOKS {
        let mut space = Space::new(NODES_MAX);
        for (rates, collect_rules) in [(Rates::Unknown, true), (Rates::Over, false)] {
            let options = Options { rates, collect_rules, ..Options::default() };
            if let Ok(hooked) = path(&mut space, programs, hook, &options) {
                // A budget that ends here is as good as one that ended before.
                let _ = is_sound(&mut space, &hooked);
            }
            is_within(&space, NODES_MAX);
        }
        if matches!(hook, Hook::Prerouting | Hook::Output | Hook::Postrouting) {
            let _ = translation(&mut space, programs, hook);
            is_within(&space, NODES_MAX);
        }
    }
    let _ = proof(ruleset(), programs, NODES_MAX);
    let mut space = Space::new(NODES_MAX);
    let audit = audit(&mut space, rules, None);
    is_within(&space, NODES_MAX);
    for found in &audit.findings {
        places::of_diagnostics(rules[found.file].source, std::slice::from_ref(&found.diagnostic));
    }
}

/// Proves, in a space of so many nodes. Its witnesses can be shown to people.
pub fn proof(ruleset: &Ruleset, programs: &[&Program], nodes_max: usize) -> Proof {
    let mut space = Space::new(nodes_max);
    let proof = prove(&mut space, ruleset, programs, now());
    is_within(&space, nodes_max);
    match &proof.answer {
        Answer::Proved => {}
        Answer::Refuted(list) => {
            assert!(!list.is_empty(), "refuted, and by nothing");
            for one in list {
                assert!(one.wanted != one.found, "{}: {} both ways", one.witness, one.wanted);
                for at in &one.rules {
                    let chain = &programs[at.program].tables[at.table].chains[at.chain];
                    assert!(at.rule <= chain.rules.len(), "{at:?} is no rule");
                }
            }
        }
        Answer::Undetermined(why) => assert!(!why.is_empty(), "undetermined for no reason"),
    }
    proof
}

/// Every packet is somewhere; where it is both, something that is not decided says why.
fn is_sound(space: &mut Space, hooked: &Hooked) -> Result<(), GaveUp> {
    let all = space.union(hooked.may_accept, hooked.may_drop)?;
    assert!(all.is_all(), "neither accepted nor dropped: {:?}", space.complement(all).map(|set| space.witness(set)));
    let both = space.intersect(hooked.may_accept, hooked.may_drop)?;
    let mut reached: Vec<Set> = hooked.unknown.iter().map(|one| one.reached).collect();
    reached.extend(hooked.rates.iter().map(|one| one.reached));
    let reached = space.union_all(&reached)?;
    let open = space.minus(both, reached)?;
    assert!(open.is_empty(), "both, and nothing says why: {:?}", space.witness(open));
    for (_, one) in &hooked.rules {
        let surely = space.minus(one.surely, one.matched)?;
        let matched = space.minus(one.matched, one.reached)?;
        assert!(surely.is_empty() && matched.is_empty(), "a rule matches what does not reach it");
    }
    for (_, set) in &hooked.may_reject {
        let more = space.minus(*set, hooked.may_drop)?;
        assert!(more.is_empty(), "rejected, and not dropped");
    }
    Ok(())
}

fn is_within(space: &Space, nodes_max: usize) {
    assert!(space.nodes() <= nodes_max, "{} nodes, {nodes_max} allowed", space.nodes());
    let bytes_max = Space::BYTES_MIN.max(nodes_max * Space::BYTES_PER_NODE);
    assert!(space.bytes() <= bytes_max, "{} bytes, {bytes_max} allowed", space.bytes());
}
