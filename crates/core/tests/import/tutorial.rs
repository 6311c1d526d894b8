//! The tutorial's box: its script, interfaces and dhcpd.conf.

use segwall_core::import::Import;

use crate::box_of::{Files, told};

const RULES: &str = include_str!("../netfilter/tutorial/rules.sh");
const INTERFACES: &str = include_str!("../netfilter/tutorial/interfaces");
const DHCPD: &str = include_str!("../netfilter/tutorial/dhcpd.conf");

fn tutorial() -> Import {
    Files::default()
        .script(RULES)
        .interfaces(INTERFACES)
        .dhcpd(DHCPD)
        .uplink("eth1=dhcp")
        .import(&[])
        .expect("a policy")
}

#[test]
fn the_tutorial_is_imported() {
    let import = tutorial();
    println!("{}\n{}", import.policy, told(&import));
}
