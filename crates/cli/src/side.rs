//! A file that is either a policy or somebody's rules: which, is seen from what it holds.

use serde::Serialize;

use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::foreign::{self, Rules};
use crate::input::{self, Location};
use crate::load::{self, Checked};

/// What a file holds.
pub enum Side {
    /// A sound policy.
    Policy(Box<Checked>),
    /// Rules of nft or iptables.
    Rules(Box<Rules>),
}

impl Side {
    /// The file's name, as it was typed.
    pub fn name(&self) -> &str {
        match self {
            Self::Policy(checked) => checked.source.name(),
            Self::Rules(rules) => rules.source.name(),
        }
    }

    /// The name with what the file is.
    pub fn words(&self) -> String {
        match self {
            Self::Policy(_) => format!("{} (policy)", self.name()),
            Self::Rules(rules) => format!("{} ({})", self.name(), rules.kind.words()),
        }
    }
}

/// Reads a file of either kind; where it is a policy with errors, these are shown and the answer is no.
pub fn read<T: Serialize>(
    command: &'static str,
    location: &Location,
    format: Format,
) -> Result<Result<Side, Answer>, Failure> {
    let name = location.name();
    let bytes = input::read(location)?;
    if is_policy(&name, &bytes) {
        let reading = load::from_bytes(&name, bytes);
        return Ok(load::or_findings::<T>(command, reading, format)?.map(Side::Policy));
    }
    Ok(Ok(Side::Rules(Box::new(foreign::from_bytes(name, bytes)?))))
}

/// Whether it looks like TOML: by its name, or by the headings of its tables. A shell's `[ -f x ]` has a blank, and the
/// counters of iptables-save are digits.
fn is_policy(name: &str, bytes: &[u8]) -> bool {
    if std::path::Path::new(name).extension().is_some_and(|extension| extension == "toml") {
        return true;
    }
    let heading = |line: &[u8]| {
        let line = line.trim_ascii();
        let inside = line.strip_prefix(b"[[").or_else(|| line.strip_prefix(b"["));
        inside.is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_alphabetic) && rest.contains(&b']'))
    };
    bytes.split(|byte| *byte == b'\n').any(heading)
}

#[cfg(test)]
mod tests {
    use super::is_policy;

    #[test]
    fn policies_are_told_from_rules() {
        assert!(is_policy("x.toml", b""));
        assert!(is_policy("<stdin>", b"# mine\n[gateway]\ntrunk = \"eth0\"\n"));
        assert!(is_policy("policy", b"[[rules]]\n"));
        assert!(!is_policy("rules", b"*filter\n[5:300] -A INPUT -j ACCEPT\nCOMMIT\n"));
        assert!(!is_policy("rules.sh", b"#!/bin/sh\n[ -f /x ] && iptables -F\n[[ -n $A ]] || exit\n"));
        assert!(!is_policy("rules.json", b"{\"nftables\": [\n{}]}\n"));
    }
}
