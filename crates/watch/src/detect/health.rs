//! The box's own state: connection tracking, links, the table, drift, and records that were lost.

use super::Around;
use super::limits::{CONNTRACK_CALM_PERCENT, CONNTRACK_FULL_PERCENT};
use crate::alert::{Draft, Kind, Subject};
use crate::event::Iface;

/// Keeps nothing: the open episodes are its memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Health;

impl Health {
    /// How full connection tracking is.
    pub fn conntrack(self, around: &mut Around<'_>, count: u64, max: u64) {
        let percent = u128::from(count) * 100 / u128::from(max.max(1));
        if max > 0 && percent >= u128::from(CONNTRACK_FULL_PERCENT) {
            let mut draft = Draft::new(Kind::ConntrackFull, Subject::Box, around.at);
            (draft.count, draft.figure) = (count, max);
            self.once(around, draft);
        } else if max == 0 || percent < u128::from(CONNTRACK_CALM_PERCENT) {
            self.over(around, Kind::ConntrackFull, Subject::Box);
        }
    }

    /// An interface went up or down. Only those of the policy matter.
    pub fn link(self, around: &mut Around<'_>, iface: Iface, up: bool) {
        if up {
            self.over(around, Kind::LinkDown, Subject::Iface(iface));
        } else if around.network.names_iface(iface) {
            let zone = around.network.behind(iface);
            self.once(around, Draft::new(Kind::LinkDown, Subject::Iface(iface), around.at).within(zone));
        }
    }

    /// Whether Segwall's table is in the kernel.
    pub fn table(self, around: &mut Around<'_>, there: bool) {
        if there {
            self.over(around, Kind::TableGone, Subject::Box);
        } else {
            self.once(around, Draft::new(Kind::TableGone, Subject::Box, around.at));
        }
    }

    /// In how many places the box differs from what holds.
    pub fn drift(self, around: &mut Around<'_>, differences: u32) {
        if differences == 0 {
            self.over(around, Kind::Drift, Subject::Box);
        } else {
            let mut draft = Draft::new(Kind::Drift, Subject::Box, around.at);
            draft.figure = u64::from(differences);
            self.once(around, draft);
        }
    }

    /// Records were lost.
    pub fn lost(self, around: &mut Around<'_>, count: u64) {
        if count > 0 {
            let mut draft = Draft::new(Kind::RecordsLost, Subject::Box, around.at);
            draft.count = count;
            around.raise(draft);
        }
    }

    /// What is so until it is not any more is told once.
    fn once(self, around: &mut Around<'_>, draft: Draft) {
        if !around.book.has(draft.kind, draft.subject) {
            around.raise(draft);
        }
    }

    fn over(self, around: &mut Around<'_>, kind: Kind, subject: Subject) {
        around.book.close(around.network, around.at, kind, subject, around.told);
    }
}
