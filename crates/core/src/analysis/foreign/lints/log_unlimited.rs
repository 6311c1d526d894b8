//! SW0919: a message for each packet, as fast as they come.

use std::collections::BTreeSet;

use segwall_packetset::{Cube, Field, GaveUp, Set, proto};

use super::at_rule;
use crate::analysis::foreign::view::View;
use crate::analysis::foreign::{Found, codes};
use crate::diag::Severity;
use crate::netfilter::meaning::{self, Options, Rates};

/// Boxes of what is logged that are looked at for a packet of which nothing is unknown.
const BOXES_MAX: usize = 200;

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    let mut known = BTreeSet::new();
    for place in 0..view.hooks.len() {
        let (hook, opens) = (view.hooks[place].hook, view.hooks[place].opens);
        // What is still logged when every limit is used up is limited by none.
        let options = Options { rates: Rates::Over, entering: opens, ..Options::default() };
        let hooked = meaning::path(view.space, &view.programs, hook, &options)?;
        let unknown: Vec<Set> = hooked.unknown.iter().map(|one| one.reached).collect();
        for log in hooked.logs.iter().filter(|log| log.log.group.is_none()) {
            if known.contains(&log.at) {
                continue;
            }
            let Some(sure) = certain(view, log.reached, &unknown)? else { continue };
            known.insert(log.at);
            let packet = view.packet(sure, &[]);
            let message = "nothing limits this log: each packet that comes here writes a line, as fast as they come";
            found.push(
                at_rule(view, codes::LOG_UNLIMITED, Severity::Warning, log.at, message)
                    .label("who sends enough fills the disk")
                    .shown_by(packet)
                    .help("put a limit in front: `-m limit --limit 10/second --limit-burst 20 -j LOG …`"),
            );
        }
    }
    Ok(())
}

/// Packets that are logged whatever is unknown: some, where there are any among the first boxes.
fn certain(view: &mut View<'_>, logged: Set, unknown: &[Set]) -> Result<Option<Set>, GaveUp> {
    // A packet of TCP is the plainer example.
    let tcp = view.space.range(Field::Proto, proto::TCP.into(), proto::TCP.into())?;
    let tcp = view.space.intersect(logged, tcp)?;
    let plain: Vec<Cube> = view.space.boxes(tcp).take(BOXES_MAX).collect();
    let boxes: Vec<Cube> = plain.into_iter().chain(view.space.boxes(logged).take(BOXES_MAX)).collect();
    for cube in boxes {
        let mut sure = view.space.cube(&cube)?;
        for set in unknown {
            sure = view.space.minus(sure, *set)?;
        }
        if !sure.is_empty() {
            return Ok(Some(sure));
        }
    }
    Ok(None)
}
