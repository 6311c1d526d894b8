//! How full the table of connections is.

use crate::sysctl;

const COUNT: &str = "net/netfilter/nf_conntrack_count";
const MAX: &str = "net/netfilter/nf_conntrack_max";

/// Connections that are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Now.
    pub count: u64,
    /// At most; 0: without a limit.
    pub max: u64,
}

/// As the kernel says for this thread's namespace; `None` where it follows no connections.
#[must_use]
pub fn fill() -> Option<Fill> {
    let number = |key| sysctl::get(key)?.parse().ok();
    Some(Fill { count: number(COUNT)?, max: number(MAX)? })
}
