//! What came back, against what was to come.

use super::{Expected, Probe};

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// An answer.
    Answered,
    /// A refusal: a TCP reset, or an ICMP error about the port.
    Refused,
    /// An ICMP error about the way or the host.
    Unreachable,
    /// Nothing.
    Silent,
    /// It could not be tried; why.
    Untried(String),
}

/// What that says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// As the policy says.
    Right,
    /// Otherwise.
    Wrong(&'static str),
    /// It fits, and would fit otherwise too.
    Open(&'static str),
}

/// A closed port is told from a drop by what came back: a refusal was sent by a host that was reached, or by a rule that
/// refuses.
#[must_use]
pub fn judge(probe: &Probe, seen: &Seen) -> Judgement {
    use Judgement::{Open, Right, Wrong};
    match (probe.expected, seen) {
        (_, Seen::Untried(_)) => Open("it was not tried"),
        (Expected::Accept, Seen::Answered | Seen::Refused) => Right,
        (Expected::Accept, Seen::Silent | Seen::Unreachable) if probe.answers => {
            Wrong("it should get there, and nothing came back")
        }
        (Expected::Accept, Seen::Silent) => Open("nothing came back: the host is off, or says nothing"),
        (Expected::Accept, Seen::Unreachable) => Open("an error came back: the host is off, or somebody refuses"),
        (Expected::Drop, Seen::Silent) => Right,
        (Expected::Drop, Seen::Answered | Seen::Refused) => Wrong("it got there, and should be dropped"),
        (Expected::Drop, Seen::Unreachable) => Wrong("an error came back, and it should be dropped in silence"),
        (Expected::Reject, Seen::Refused | Seen::Unreachable) => Right,
        (Expected::Reject, Seen::Answered) => Wrong("it was answered, and should be refused"),
        (Expected::Reject, Seen::Silent) => Wrong("nothing came back, and it should be refused"),
    }
}
