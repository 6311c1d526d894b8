//! Why a lab could not be built or used.

use segwall_host::conntrack::ConntrackError;
use segwall_host::dnsmasq::DnsmasqError;
use segwall_host::exec::ExecError;
use segwall_host::netns::NetnsError;
use segwall_host::nflog::NflogError;
use segwall_host::nft::NftError;
use segwall_host::packet::PacketError;
use segwall_host::rawip::RawIpError;
use segwall_host::rtnl::RtnlError;
use segwall_host::sysctl::SysctlError;
use segwall_host::userns::UsernsError;
use thiserror::Error;

/// A lab could not be built or used. Every one of these means that the box or its kernel refused something.
#[derive(Debug, Error)]
pub enum LabError {
    /// No namespaces.
    #[error(transparent)]
    Userns(#[from] UsernsError),
    /// A network namespace.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// An interface, address or route.
    #[error(transparent)]
    Rtnl(#[from] RtnlError),
    /// A kernel setting.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// A packet socket.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// A raw socket.
    #[error(transparent)]
    RawIp(#[from] RawIpError),
    /// The log of packets that reached the box.
    #[error(transparent)]
    Nflog(#[from] NflogError),
    /// Connection tracking.
    #[error(transparent)]
    Conntrack(#[from] ConntrackError),
    /// The ruleset could not be loaded.
    #[error(transparent)]
    Nft(#[from] NftError),
    /// A command.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The DHCP server.
    #[error(transparent)]
    Dnsmasq(#[from] DnsmasqError),
    /// A host of the lab could not listen.
    #[error("a host of the lab cannot listen")]
    Listen(#[source] std::io::Error),
    /// An interface is not there, or has no hardware address.
    #[error("there is no interface {device} with a hardware address")]
    Missing {
        /// Its name.
        device: String,
    },
    /// The gateway does not receive for an address of its own.
    #[error("the kernel does not take {addr} for the gateway's own; is IPv6 switched off?")]
    Address {
        /// The address.
        addr: std::net::IpAddr,
    },
    /// Packets that must arrive do not.
    #[error(
        "{missing} of {sent} packets that must arrive did not, from {from}, {attempts} times; the lab itself does not work here"
    )]
    Sentinel {
        /// Who sent them.
        from: String,
        /// How many did not arrive.
        missing: usize,
        /// How many were sent.
        sent: usize,
        /// How often it was tried.
        attempts: usize,
    },
    /// No such zone.
    #[error("the lab has no host `{name}`; it has: {known}")]
    UnknownHost {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}
