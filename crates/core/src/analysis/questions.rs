//! Ends of a claim or a question as questions about pairs of places.

use std::ops::ControlFlow;
use std::sync::Arc;

use segwall_packetset::{AddrRange, Place};

use super::classes::{Question, forwarded_questions};
use super::domain::{Ground, intersect, places};
use crate::policy::{End, Service, Zone};

/// What is asked, in the policy's terms.
#[derive(Clone, Copy)]
pub(super) struct Claim<'c> {
    pub from: &'c [End],
    pub to: &'c [End],
    pub services: Option<&'c [Service]>,
    /// `gateway` means every address of the box, not only the one in the sender's own segment.
    pub whole_box: bool,
}

/// Calls for every pair of places, and for what port forwards make of packets to the box, until told to stop.
/// `wanted` may leave pairs out before any work is done for them.
pub(super) fn each_question<B>(
    ground: &Ground<'_>,
    claim: Claim<'_>,
    wanted: impl Fn(Place, Place) -> bool,
    mut call: impl FnMut(Question) -> ControlFlow<B>,
) -> ControlFlow<B> {
    for source in claim.from {
        let inputs = places(&ground.ruleset, source.zone);
        for target in claim.to {
            let outputs = places(&ground.ruleset, target.zone);
            for input in &inputs {
                for output in &outputs {
                    // A zone with itself only where both ends say so.
                    let same = source.zone == target.zone && !matches!(source.zone, Zone::Segments | Zone::Gateway);
                    if (input == output && !same) || !wanted(*input, *output) {
                        continue;
                    }
                    let Some(question) = question(ground, source, target, *input, *output, claim) else { continue };
                    for forwarded in forwarded_questions(&ground.ruleset, &question) {
                        call(forwarded)?;
                    }
                    call(question)?;
                }
            }
        }
    }
    ControlFlow::Continue(())
}

fn question(
    ground: &Ground<'_>,
    source: &End,
    target: &End,
    input: Place,
    output: Place,
    claim: Claim<'_>,
) -> Option<Question> {
    let within = |domain: Arc<[AddrRange]>, end: &End| match &end.addresses {
        None => domain,
        Some(list) => intersect(&domain, &AddrRange::merge(list.clone())).into(),
    };
    let src = within(ground.sources(input), source);
    let whole_box = claim.whole_box || target.addresses.is_some();
    let dst = within(ground.destinations(input, output, whole_box), target);
    (!src.is_empty() && !dst.is_empty()).then(|| Question {
        input,
        output,
        src,
        dst,
        services: claim.services.map(<[_]>::to_vec),
        forwarded_only: false,
    })
}
