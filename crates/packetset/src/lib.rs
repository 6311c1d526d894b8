//! Addresses, ports, flows, sets of packets: the words every other part of Segwall speaks in.
//!
//! A leaf: it knows nothing of policies, rule sets or the machine.

mod addr;
mod diagram;
mod field;
mod flow;
mod port;
pub mod proto;

pub use addr::{AddrRange, Family, ParseAddrError, mask_address};
pub use diagram::{Boxes, Cube, GaveUp, Point, Set, Space, interface, interface_text, interfaces_starting_with};
pub use field::Field;
pub use flow::{CtState, Flow, Header, InterfaceId, Packet, Place, Sent, TcpFlags};
pub use port::PortRange;
