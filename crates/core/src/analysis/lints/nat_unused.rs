//! SW0811: an uplink that masquerades, and nobody whose packets it could be for.

use segwall_packetset::{GaveUp, Place};

use super::Context;
use crate::analysis::always::{Always, output_number};
use crate::analysis::codes;
use crate::diag::{Diagnostic, Severity};
use crate::policy::Verdict;
use crate::ruleset::{Origin, Path, Ruleset, Side, private_ipv4};
use segwall_packetset::{AddrRange, Cube, Field, InterfaceId};

pub(super) fn check(context: &Context<'_>, always: &mut Always<'_>, found: &mut Vec<Diagnostic>) {
    let ruleset = context.ruleset();
    let Some((id, uplink)) = ruleset.uplink().zip(context.policy.uplinks.first()) else { return };
    // What a port forward publishes needs the uplink, and its answers need no masquerading.
    if !ruleset.interface(id).masquerade || !context.policy.forwards.is_empty() {
        return;
    }
    let is_private = |ranges: &[AddrRange]| ranges.iter().any(|r| private_ipv4().iter().any(|p| p.overlaps(r)));
    let Some(private) = ruleset.interfaces.iter().find(|interface| is_private(&interface.sources)) else { return };
    if !matches!(anybody_leaves(always, id), Ok(false)) {
        return;
    }
    found.push(
        Diagnostic::new(
            codes::NAT_UNUSED,
            Severity::Note,
            uplink.span,
            format!("`{}` masquerades, but no rule lets any segment out by it", uplink.name),
        )
        .label("no packet is ever translated")
        .help(format!(
            "add [[accept]] from = \"{}\", to = \"internet\" for those who need it, or say `nat = false`",
            private.zone
        )),
    );
}

/// Whether some segment's packets leave by the uplink at some time.
fn anybody_leaves(always: &mut Always<'_>, uplink: InterfaceId) -> Result<bool, GaveUp> {
    let ruleset = always.ruleset();
    let out = always.space.cube(&Cube::all().with_only(Field::Out, output_number(Place::Interface(uplink))))?;
    for (id, _) in ruleset.interface_ids().filter(|(id, _)| ruleset.is_segment(*id)) {
        let input = Place::Interface(id);
        if !may_leave(ruleset, input, uplink) {
            continue;
        }
        let entry = always.entry(input)?;
        if !always.space.intersect(entry.accepted, out)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether some accept of the file speaks of it: cheap.
fn may_leave(ruleset: &Ruleset, input: Place, uplink: InterfaceId) -> bool {
    ruleset.boxes_from(input).iter().any(|(rule, flow_box)| {
        let rule = &ruleset.rules[*rule];
        rule.verdict == Verdict::Accept
            && !matches!(rule.origin, Origin::Need(_))
            && match flow_box.path {
                Path::Forward { output, .. } => output == Side::Any || output == Side::One(uplink),
                Path::Input { .. } | Path::Output { .. } => false,
            }
    })
}
