//! Shell scripts of iptables calls.
//!
//! They are followed as a shell would run them, as long as that can be done without running anything: variables,
//! quotes, `&&` and `||` behind calls whose success is known. What cannot be followed is named.

mod expand;
mod harmless;
mod lexer;
mod parse;
mod run;

use self::run::Runner;
use super::ipset::IpSets;
use crate::netfilter::Program;
use crate::source::Source;

/// Reads a shell script of iptables, ip6tables and ipset calls.
#[must_use]
pub fn read_iptables_script(source: &Source) -> Program {
    read_iptables_script_with(source, &IpSets::default())
}

/// Reads a script whose rules ask sets of ipset that are filled elsewhere.
#[must_use]
pub fn read_iptables_script_with(source: &Source, sets: &IpSets) -> Program {
    let mut runner = Runner::new(source, sets);
    runner.run();
    runner.finish()
}
