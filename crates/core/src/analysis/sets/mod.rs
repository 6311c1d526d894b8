//! Sets of packets for people: packets and boxes in words, boxes few enough to read, and the sets that questions begin
//! with. Nothing here needs a policy: interfaces are called by their names, or by what the caller calls them.

mod packets;
mod ranges;
mod readable;
mod sample;
mod shown;
mod words;

pub use packets::{
    bare_syn, box_itself, can_open, first_packets, interfaces_named, opening_icmp, possible, untranslated,
};
pub(super) use ranges::cut;
pub use ranges::{address_words, interface_name, interface_words, number_words, port_words};
pub use readable::{Readable, UNASKED, readable};
pub use sample::sample;
pub use shown::Shown;
pub use words::{box_words, point_words};

/// What an interface is called in words, by its name; `None`: its own name.
pub type Naming<'n> = &'n dyn Fn(&str) -> Option<String>;

/// Interfaces by their own names.
#[must_use]
pub fn own_names(_: &str) -> Option<String> {
    None
}
