//! A box of a rule as questions about the places it names.

use segwall_packetset::{AddrRange, Place};

use super::classes::Question;
use super::domain::{Ground, intersect, places};
use crate::policy::Zone;
use crate::ruleset::{Dst, FlowBox, Path, Ruleset, Side};

fn side_places(ruleset: &Ruleset, side: Side) -> Vec<Place> {
    match side {
        Side::One(id) => vec![Place::Interface(id)],
        Side::Segments => places(ruleset, Zone::Segments),
        Side::Any => {
            let mut all = places(ruleset, Zone::Segments);
            all.extend(places(ruleset, Zone::Internet));
            all
        }
    }
}

/// The pairs of places a box is about, as they are needed.
pub(super) fn place_pairs(ruleset: &Ruleset, flow_box: &FlowBox) -> impl Iterator<Item = (Place, Place)> {
    let (inputs, outputs, same) = match flow_box.path {
        Path::Input { input } => (side_places(ruleset, input), vec![Place::Gateway], true),
        Path::Output { output } => (vec![Place::Gateway], side_places(ruleset, output), true),
        Path::Forward { input, output, same } => (side_places(ruleset, input), side_places(ruleset, output), same),
    };
    inputs.into_iter().flat_map(move |input| {
        let outputs = outputs.clone();
        outputs.into_iter().map(move |output| (input, output)).filter(move |(input, output)| same || input != output)
    })
}

/// The flows of a box between two places; `None` when there are none.
pub(super) fn question_of(ground: &Ground<'_>, flow_box: &FlowBox, input: Place, output: Place) -> Option<Question> {
    let within = |domain: &[AddrRange], own: Option<&[AddrRange]>| match own {
        None => domain.to_vec(),
        Some(own) => intersect(domain, own),
    };
    let own = match &flow_box.dst {
        Dst::Addresses(ranges) => Some(&**ranges),
        Dst::Any | Dst::Own => None,
    };
    let whole_box = flow_box.dst != Dst::Own;
    let src = within(&ground.sources(input), flow_box.src.as_deref());
    let dst = within(&ground.destinations(input, output, whole_box), own);
    (!src.is_empty() && !dst.is_empty()).then(|| Question {
        input,
        output,
        src: src.into(),
        dst: dst.into(),
        services: flow_box.services.as_ref().map(|services| services.to_vec()),
        forwarded_only: flow_box.translated.is_some(),
    })
}
