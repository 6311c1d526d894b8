//! From the rules and files of a box to a policy, and what is different then.
//!
//! The rules become sets of packets ([`crate::netfilter::meaning`]); what they surely accept between zones is written in
//! the policy's language; the policy is read and lowered as every other; and both are compared, packet by packet. How
//! the policy was made is no part of the comparison.

mod behind;
mod dhcpd;
mod interfaces;
mod notes;

pub use dhcpd::{DhcpOptions, DhcpSubnet, Dhcpd, Reservation, read_dhcpd};
pub use interfaces::{Interfaces, Stanza, read_interfaces};
