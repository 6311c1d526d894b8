//! Extensions of iptables: their names and options, and how each is understood.

use super::Version;
use super::match_list::MATCHES;
use super::target_list::TARGETS;

/// An extension.
#[derive(Debug)]
pub(super) struct Module {
    pub name: &'static str,
    /// Where only one of the two programs has it.
    pub only: Option<Version>,
    /// Tables it may stand in; all where there are none.
    pub tables: &'static [&'static str],
    pub options: &'static [Opt],
    pub how: How,
}

/// A long option of an extension.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opt {
    pub name: &'static str,
    /// The name it is known by where it is another's alias.
    pub means: &'static str,
    pub args: Args,
    /// Whether `!` may stand before it.
    pub negatable: bool,
}

/// What follows an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Args {
    None,
    One,
    Two,
    /// One that may be left out.
    Maybe,
}

/// How an extension is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    // Matches.
    Addrtype,
    Comment,
    Conntrack,
    Dccp,
    Hashlimit,
    Hops,
    Icmp,
    Iprange,
    Limit,
    Mac,
    Mark,
    Multiport,
    Pkttype,
    Recent,
    Sctp,
    Set,
    Tcp,
    Time,
    Udp,
    // Targets.
    Connmark,
    Ct,
    Dnat,
    HopsTarget,
    Log,
    MarkTarget,
    Masquerade,
    Netmap,
    Nflog,
    Nfqueue,
    Notrack,
    Redirect,
    Reject,
    SetTarget,
    Snat,
    Ulog,
    /// Without a consequence for what is accepted.
    Nothing,
    /// Sets a mark that is not modelled.
    ForgetMark,
    // Both.
    /// The model has no words for it.
    Unknown(&'static str),
}

impl Opt {
    const fn new(name: &'static str, args: Args, negatable: bool) -> Self {
        Self { name, means: name, args, negatable }
    }

    /// The same as another option.
    pub const fn means(mut self, name: &'static str) -> Self {
        self.means = name;
        self
    }
}

/// `[!] --name`
pub(super) const fn n0(name: &'static str) -> Opt {
    Opt::new(name, Args::None, true)
}

/// `[!] --name value`
pub(super) const fn n1(name: &'static str) -> Opt {
    Opt::new(name, Args::One, true)
}

/// `[!] --name value value`
pub(super) const fn n2(name: &'static str) -> Opt {
    Opt::new(name, Args::Two, true)
}

/// `--name`
pub(super) const fn p0(name: &'static str) -> Opt {
    Opt::new(name, Args::None, false)
}

/// `--name value`
pub(super) const fn p1(name: &'static str) -> Opt {
    Opt::new(name, Args::One, false)
}

/// `--name value value`
pub(super) const fn p2(name: &'static str) -> Opt {
    Opt::new(name, Args::Two, false)
}

/// `--name [value]`
pub(super) const fn pm(name: &'static str) -> Opt {
    Opt::new(name, Args::Maybe, false)
}

impl Module {
    pub(super) const fn new(name: &'static str, how: How, options: &'static [Opt]) -> Self {
        Self { name, only: None, tables: &[], options, how }
    }

    pub(super) const fn only(mut self, version: Version) -> Self {
        self.only = Some(version);
        self
    }

    pub(super) const fn tables(mut self, tables: &'static [&'static str]) -> Self {
        self.tables = tables;
        self
    }
}

fn find(list: &'static [Module], name: &str, version: Version) -> Option<&'static Module> {
    list.iter().find(|module| module.name == name && module.only.is_none_or(|only| only == version))
}

/// A match extension by its name.
pub(super) fn match_named(name: &str, version: Version) -> Option<&'static Module> {
    let name = match name {
        "icmpv6" | "ipv6-icmp" => "icmp6",
        "ipv6-mh" => "mh",
        name => name,
    };
    find(MATCHES, name, version)
}

/// A target extension by its name.
pub(super) fn target_named(name: &str, version: Version) -> Option<&'static Module> {
    find(TARGETS, name, version)
}

/// The match extension that a protocol brings along.
pub(super) fn match_of_protocol(protocol: u8, version: Version) -> Option<&'static Module> {
    let name = match protocol {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        50 => "esp",
        51 => "ah",
        58 => "icmp6",
        108 => "ipcomp",
        132 => "sctp",
        135 => "mh",
        _ => return None,
    };
    find(MATCHES, name, version)
}
