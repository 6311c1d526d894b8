//! Kernel modules to load at boot.

use std::collections::BTreeSet;

use super::bundle::{Artifact, Input, Target};
use super::{head, interfaces};

pub(super) fn artifact(input: &Input<'_>) -> Artifact {
    // The keys of connection tracking in sysctl.d exist only once its module is loaded; the rest would be loaded when
    // first asked for, which a box that forbids loading after boot would refuse.
    let mut modules = BTreeSet::from(["nf_conntrack", "nf_tables", "nfnetlink_log"]);
    if interfaces::makes_vlans(input.policy) {
        modules.insert("8021q");
    }
    let list = modules.into_iter().fold(String::new(), |text, module| text + module + "\n");
    Artifact::text(Target::Modules, "/etc/modules-load.d/segwall.conf", head::of_policy("#", input.file()) + &list)
}
