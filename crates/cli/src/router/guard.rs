//! Nobody is locked out: who asks over SSH, and every end of `[gateway] management`, can still open SSH to the box under the
//! new rules; unless told otherwise by name.

use segwall_core::analysis;
use segwall_core::plan::reaches;
use segwall_core::policy::{Policy, Verdict};
use segwall_core::ruleset::{At, Ruleset};

use super::Asker;

/// Who asks, and whom one is allowed to lock out.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// Who asks, where that is known.
    pub asker: Option<Asker>,
    /// Names of segments, or addresses, that may be locked out.
    pub allowed: Vec<String>,
}

/// Somebody who could not get in any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// A segment's name, or an address.
    pub name: String,
    /// In a sentence.
    pub why: String,
}

impl Guarded {
    /// For people.
    pub fn words(&self) -> String {
        self.why.clone()
    }
}

/// Those who could not open SSH to the box any more.
pub fn locked_out(policy: &Policy, ruleset: &Ruleset, at: At, ends: &Ends) -> Vec<Guarded> {
    let mut found = Vec::new();
    if let Some(Asker::Ssh { peer, local, port, .. }) = ends.asker {
        let (flow, decision) = reaches(ruleset, peer, local, port, at);
        if decision.verdict != Verdict::Accept {
            let words = analysis::flow_words(ruleset, &flow);
            found.push(Guarded {
                name: peer.to_string(),
                why: format!(
                    "your own SSH connection: {words} would not be accepted ({}); add an [[accept]] for it, or say \
                     `--lock-out {peer}`",
                    decision.reason.word()
                ),
            });
        }
    }
    // Proved for every address and at all times: the lint is the proof.
    let lint = analysis::check(policy, ruleset, at).into_iter();
    for finding in lint.filter(|finding| finding.code == analysis::codes::MANAGEMENT_LOCKED_OUT) {
        let of = |id: &segwall_core::policy::SegmentId| &policy.segments[id.index()];
        let segment = policy.gateway.management.iter().map(of).find(|segment| segment.span == finding.span);
        let name = segment.map_or_else(|| "management".to_owned(), |segment| segment.name.clone());
        found.push(Guarded { why: format!("{}; say `--lock-out {name}` if it is meant", finding.message), name });
    }
    found.retain(|one| !ends.allowed.contains(&one.name));
    found
}

#[cfg(test)]
mod tests {
    use segwall_core::source::Source;

    use super::*;
    use crate::load::{self, Reading};

    const POLICY: &str = r#"
[gateway]
management = ["office"]
[segments.office]
interface = "eth1"
subnets = ["192.168.10.0/24"]
[segments.guest]
interface = "eth2"
subnets = ["192.168.20.0/24"]
"#;
    const SSH: &str = "[[accept]]\nfrom = \"office\"\nto = \"gateway\"\nservice = \"ssh\"\n";

    fn locked(policy: &str, peer: &str, allowed: &[&str]) -> Vec<String> {
        let source = Source::new("segwall.toml", policy.to_owned());
        let Reading::Sound(checked) = load::from_bytes(source.name(), policy.as_bytes().to_vec()) else {
            panic!("the policy is sound")
        };
        let local = if peer.starts_with("192.168.10.") { [192, 168, 10, 1] } else { [192, 168, 20, 1] };
        let asker = Asker::Ssh { peer: peer.parse().unwrap(), local: local.into(), port: 22, began_ms: 0 };
        let ends = Ends { asker: Some(asker), allowed: allowed.iter().map(|name| (*name).to_owned()).collect() };
        let found = locked_out(&checked.policy, &checked.ruleset, At::ClockUnknown, &ends);
        found.into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn nobody_is_locked_out_unless_it_is_meant() {
        let open = format!("{POLICY}{SSH}");
        assert_eq!(locked(&open, "192.168.10.7", &[]), Vec::<String>::new());
        assert_eq!(locked(&open, "192.168.20.7", &[]), ["192.168.20.7"]);
        assert_eq!(locked(&open, "192.168.20.7", &["192.168.20.7"]), Vec::<String>::new());
        assert_eq!(locked(POLICY, "192.168.10.7", &[]), ["192.168.10.7", "office"]);
        assert_eq!(locked(POLICY, "192.168.10.7", &["office"]), ["192.168.10.7"]);
    }
}
