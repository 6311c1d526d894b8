//! The only crate that touches the machine: namespaces, netlink, packet sockets, child processes.
//!
//! Small safe wrappers, synchronous, for a process with one thread. A socket belongs to the namespace it was opened in
//! and stays there, so one process holds sockets in many namespaces: enter, open, leave.
//!
//! What the lab uses leaves nothing behind: namespaces are held by file descriptors only, and children die with us. What
//! outlives us is the box itself, in [`linux`]: its files, interfaces, rules and services, and the watchdog of an apply.

pub mod apply;
pub mod attr;
pub mod confine;
pub mod conntrack;
pub mod dnsmasq;
pub mod error;
pub mod exec;
pub mod files;
pub mod linux;
pub mod local;
pub mod netlink;
pub mod netns;
pub mod nf_tables;
pub mod nflog;
pub mod nft;
pub mod others;
pub mod packet;
pub mod pin;
pub mod pipe;
pub mod prove;
pub mod rawip;
pub mod reach;
mod ring;
pub mod rtnl;
pub mod rtnl_dump;
pub mod sim;
pub mod stream;
pub mod sysctl;
pub mod userns;
pub mod watch;
