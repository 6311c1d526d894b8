//! From a checked policy to a generation that can be applied.

use segwall_host::apply::{Candidate, Host, HostError, Manifest, Outcome, Store, Who};

use crate::clock;
use crate::load::Checked;

/// A policy as a generation, without its number.
pub fn candidate(checked: &Checked, who: Who, comment: Option<String>) -> Candidate {
    let manifest = Manifest {
        number: 0,
        applied_s: clock::now().as_second(),
        file: checked.source.name().to_owned(),
        timezone: clock::timezone_text(),
        compiled_s: Some(clock::now().as_second()),
        weekday_zone_s: segwall_host::linux::weekday_zone_s(),
        digest: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        who,
        comment,
        outcome: Outcome::Open,
    };
    Candidate { policy: checked.source.text().to_owned(), manifest }
}

/// The number that the next generation gets.
pub fn next_number(host: &mut impl Host) -> Result<u64, HostError> {
    let kept = Store::numbers(host)?.last().copied();
    Ok(kept.max(Store::confirmed(host)?).unwrap_or(0) + 1)
}
