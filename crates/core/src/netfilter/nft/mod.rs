//! Reads what `nft -j list ruleset` prints (libnftables-json(5)).
//!
//! The listing has to be made with `TZ=UTC`: nft prints hours and times in the time zone of its environment.
//!
//! nft leaves out checks that it can derive. `tcp dport 80` stands for a check of the protocol and one of the port, and
//! is read so. One case cannot be told from its listing: `meta l4proto ipv6-icmp icmpv6 type …` of a table of both
//! families checks no family, and is printed like `icmpv6 type …`, which does. It is read as the latter.

mod actions;
mod elements;
mod keys;
mod matches;
mod names;
mod node;
mod objects;
mod places;
mod rule;
mod sets;
mod stream;
mod values;
mod words;

use std::fmt;

use serde::de::DeserializeSeed;

use super::Program;
pub use places::place_nft_rules;

use objects::Reading;
use stream::Listing;

/// A text is not what nft prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NftJsonError(String);

impl fmt::Display for NftJsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NftJsonError {}

/// What `nft -j list ruleset` printed, with `TZ=UTC`. What has no words in the model becomes unknown, never an error.
///
/// # Errors
/// When the bytes are no JSON, or have no list `nftables`; in one sentence.
pub fn read_nft_json(bytes: &[u8]) -> Result<Program, NftJsonError> {
    // Names and comments may be any bytes. A name with a replaced character is then not taken for an interface's.
    let text = String::from_utf8_lossy(bytes);
    let mut reading = Reading::default();
    let mut json = serde_json::Deserializer::from_str(&text);
    let is_listing = Listing(&mut reading)
        .deserialize(&mut json)
        .and_then(|found| json.end().map(|()| found))
        .map_err(|error| NftJsonError(format!("this is not what `nft -j list ruleset` prints: {error}")))?;
    if !is_listing {
        return Err(NftJsonError(
            "this is not what `nft -j list ruleset` prints: there is no list `nftables`".to_owned(),
        ));
    }
    Ok(reading.finish())
}
