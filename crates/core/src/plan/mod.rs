//! Bundle × inventory → plan: what apply would do, as steps that are each undone by their inverse. No choices are left.
//!
//! Every [`Change`] says a state that is to be reached, and never "one more": performing it twice is performing it once.
//! So whoever finds an interrupted plan need not know how far it came.

mod block;
mod change;
pub mod closing;
mod diff;
mod foreign;
mod guard;
mod inventory;
mod reached;
mod wanted;

pub use block::{BEGIN, END, block_of, with_block};
pub use change::{Change, FileState, Plan};
pub use diff::{Obstacle, Taken, diff};
pub use foreign::{DIRS, FILES, Foreign, ForeignTable, SERVICES, Seen, foreign};
pub use guard::reaches;
pub use inventory::{Inventory, Link, ServiceState};
pub use wanted::{BOOT_SERVICE, INTERFACES, Interest, Wanted, WantedService, setting, wanted};

/// The setting that lets IPv4 packets pass from interface to interface.
pub const FORWARD_V4: &str = "net/ipv4/ip_forward";
/// The setting that lets IPv6 packets pass from interface to interface.
pub const FORWARD_V6: &str = "net/ipv6/conf/all/forwarding";
