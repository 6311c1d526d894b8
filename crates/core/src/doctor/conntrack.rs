//! Room for connections.

use super::check::{Checks, Fault};
use super::{Facts, Subject};

/// Connections that are followed now.
pub const COUNT: &str = "net/netfilter/nf_conntrack_count";
/// At most so many.
pub const MAX: &str = "net/netfilter/nf_conntrack_max";

/// Nearly full: nine tenths.
const FULL_TENTHS: u64 = 9;

pub(super) fn check(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let Some(seen) = facts.conntrack else {
        if facts.held.is_none() {
            checks.not_needed("conntrack-full", "nothing was applied yet");
            return checks.not_needed("conntrack-small", "nothing was applied yet");
        }
        let next = "modprobe nf_conntrack; sysctl net.netfilter.nf_conntrack_max";
        checks.unknown("conntrack-full", "the number of connections cannot be read", next);
        return checks.unknown("conntrack-small", "the room for connections cannot be read", next);
    };
    let is_full = seen.count.saturating_mul(10) >= seen.max.saturating_mul(FULL_TENTHS);
    let full = is_full.then(|| {
        Fault::new(
            format!("the table of connections is nearly full: {} of {}", seen.count, seen.max),
            "when it is full, new connections are dropped, whoever opens them; one host may do it alone",
            "`conntrack -L | sort` shows who has the most; raise net.netfilter.nf_conntrack_max for now",
        )
    });
    checks.faults("conntrack-full", full.into_iter().collect(), format!("{} of {} connections", seen.count, seen.max));
    let wanted =
        subject.wanted.sysctls.iter().find(|(key, _)| key == MAX).and_then(|(_, value)| value.parse::<u64>().ok());
    if facts.held.is_none() {
        return checks.not_needed("conntrack-small", "nothing was applied yet");
    }
    let small = wanted.filter(|wanted| seen.max < *wanted).map(|wanted| {
        Fault::new(
            format!("the kernel follows {} connections at most, and this box has memory for {wanted}", seen.max),
            "/etc/sysctl.d/segwall.conf was not read: nf_conntrack was loaded after it, or somebody set another value",
            format!("sysctl -w net.netfilter.nf_conntrack_max={wanted}, or segwall apply"),
        )
    });
    checks.faults(
        "conntrack-small",
        small.into_iter().collect(),
        "the table of connections is as large as memory allows",
    );
}
