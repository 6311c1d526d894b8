//! The places that a box of a rule names.

use segwall_packetset::Place;

use super::domain::places;
use crate::policy::Zone;
use crate::ruleset::{FlowBox, Path, Ruleset, Side};

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
