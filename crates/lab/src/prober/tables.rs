//! Tables of the lab's own, which see what the ruleset under test let through.

/// NFLOG group of the observer, apart from those of the ruleset.
pub(super) const OBSERVER_GROUP: u16 = 21_327;
/// NFLOG group of who sees packets behind translations.
pub(super) const WATCHER_GROUP: u16 = 21_328;

/// The table that sees what reaches the box.
pub const OBSERVER_TABLE: &str = "segwall_lab";

/// A table that sees what the ruleset let through to the box, tells us, and drops it before the box's own stack can
/// answer. What comes over the loopback interface is told as well: a refusal of the box's own packet.
pub(super) fn observer() -> String {
    format!(
        "flush ruleset\n\
         table inet {OBSERVER_TABLE} {{\n\
         \tchain input {{\n\
         \t\ttype filter hook input priority 300; policy drop;\n\
         \t\tlog group {OBSERVER_GROUP}\n\
         \t}}\n\
         }}\n"
    )
}

/// The table that sees packets behind translations.
pub(super) const WATCHER_TABLE: &str = "segwall_lab_watch";

/// A table right behind the chains that translate (priorities -100 and 100).
pub(super) fn watcher() -> String {
    format!(
        "table inet {WATCHER_TABLE} {{\n\
         \tchain sent {{\n\
         \t\ttype filter hook prerouting priority -99;\n\
         \t\tlog group {WATCHER_GROUP}\n\
         \t}}\n\
         \tchain left {{\n\
         \t\ttype filter hook postrouting priority 101;\n\
         \t\tlog group {WATCHER_GROUP}\n\
         \t}}\n\
         }}\n"
    )
}
