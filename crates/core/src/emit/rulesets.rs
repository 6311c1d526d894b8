//! The ruleset as files for the loaders of nftables and iptables.

use super::bundle::{Artifact, Input, MODE_SECRET, Target};
use super::{head, iptables, nft};

pub(super) fn artifact(target: Target, input: &Input<'_>) -> Artifact {
    let (path, loader, text) = match target {
        Target::Iptables => ("iptables.rules", "iptables-restore", iptables::v4(input.ruleset, input.at)),
        Target::Ip6tables => ("ip6tables.rules", "ip6tables-restore", iptables::v6(input.ruleset, input.at)),
        // nft reads hours and dates in its own time zone; the text is in UTC.
        _ => ("segwall.nft", "TZ=UTC nft -f", nft(input)),
    };
    let head = head::of_policy("#", input.file());
    let text = format!("{head}# Loaded by {loader} FILE.\n{text}");
    Artifact { mode: MODE_SECRET, ..Artifact::text(target, &format!("/etc/segwall/{path}"), text) }
}

fn nft(input: &Input<'_>) -> String {
    let program = nft::compile(input.ruleset, input.at);
    let until = program.valid_until.map_or_else(String::new, |until| {
        format!("# Make it again by {until}: a schedule's offset from UTC changes, or a rule expires.\n")
    });
    until + &program.script()
}
