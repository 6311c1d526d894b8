//! One indivisible step of a plan, and its inverse.

use std::fmt;
use std::net::IpAddr;

use segwall_packetset::AddrRange;
use serde::{Deserialize, Serialize};

/// A file as it lies on the box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Its permissions.
    pub mode: u32,
    /// What it holds.
    #[serde(with = "bytes")]
    pub bytes: Vec<u8>,
}

/// A state of one thing, to be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A file of ours, whole.
    File {
        /// Its path.
        path: String,
        /// As it was; `None`: there was none.
        from: Option<FileState>,
        /// As it is to be; `None`: there is to be none.
        to: Option<FileState>,
    },
    /// Our marked lines in a file of somebody else.
    Block {
        /// The file.
        path: String,
        /// Our lines as they were; `None`: there were none.
        from: Option<String>,
        /// Our lines as they are to be.
        to: Option<String>,
    },
    /// A module of the kernel is loaded. Nothing undoes it, and it does no harm.
    Module {
        /// Its name.
        name: String,
    },
    /// A VLAN device.
    Vlan {
        /// Its name.
        name: String,
        /// The interface that carries it.
        trunk: String,
        /// 1 to 4094.
        id: u16,
        /// Whether it is to be there.
        present: bool,
    },
    /// An interface is up, or down.
    Up {
        /// Its name.
        link: String,
        /// Which of them.
        up: bool,
    },
    /// An address of the box.
    Address {
        /// The interface it is on.
        link: String,
        /// The address.
        addr: IpAddr,
        /// Its prefix length.
        prefix_len: u8,
        /// Whether it is to be there.
        present: bool,
    },
    /// A route of the main table.
    Route {
        /// To which network.
        to: AddrRangeText,
        /// The next hop.
        via: IpAddr,
        /// The interface it leads out by.
        link: String,
        /// Whether it is to be there.
        present: bool,
    },
    /// An interface whose addresses others give (DHCP, router advertisements) is brought up by ifup, or down.
    Ifup {
        /// Its name.
        link: String,
        /// Which of them.
        up: bool,
    },
    /// A kernel setting, as a path below `/proc/sys`.
    Sysctl {
        /// Its path.
        key: String,
        /// Its value before.
        from: String,
        /// Its value after.
        to: String,
    },
    /// The rule set in the kernel, by generation; `None`: no table of ours.
    Rules {
        /// As it was.
        from: Option<u64>,
        /// As it is to be.
        to: Option<u64>,
    },
    /// A table of somebody else in the kernel.
    Table {
        /// The table, and what brings it back.
        table: super::ForeignTable,
        /// Whether it is to be there.
        present: bool,
    },
    /// A service starts at boot, or not.
    Enabled {
        /// Its name.
        service: String,
        /// Whether it is to.
        enabled: bool,
    },
    /// A service runs, or not.
    Running {
        /// Its name.
        service: String,
        /// Whether it is to.
        running: bool,
    },
    /// A running service reads its files again.
    Renew {
        /// Its name.
        service: String,
    },
}

/// A network, as `ADDRESS/LENGTH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AddrRangeText(pub AddrRange);

impl From<AddrRangeText> for String {
    fn from(text: AddrRangeText) -> Self {
        text.0.to_string()
    }
}

impl TryFrom<String> for AddrRangeText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("`{text}` is no network"))
    }
}

impl Change {
    /// What undoes it.
    #[must_use]
    pub fn inverse(&self) -> Self {
        match self.clone() {
            Self::File { path, from, to } => Self::File { path, from: to, to: from },
            Self::Block { path, from, to } => Self::Block { path, from: to, to: from },
            Self::Vlan { name, trunk, id, present } => Self::Vlan { name, trunk, id, present: !present },
            Self::Up { link, up } => Self::Up { link, up: !up },
            Self::Address { link, addr, prefix_len, present } => {
                Self::Address { link, addr, prefix_len, present: !present }
            }
            Self::Route { to, via, link, present } => Self::Route { to, via, link, present: !present },
            Self::Ifup { link, up } => Self::Ifup { link, up: !up },
            Self::Sysctl { key, from, to } => Self::Sysctl { key, from: to, to: from },
            Self::Rules { from, to } => Self::Rules { from: to, to: from },
            Self::Table { table, present } => Self::Table { table, present: !present },
            Self::Enabled { service, enabled } => Self::Enabled { service, enabled: !enabled },
            Self::Running { service, running } => Self::Running { service, running: !running },
            same @ (Self::Module { .. } | Self::Renew { .. }) => same,
        }
    }

    /// Whether it switches forwarding on: only after the rules are in and proved.
    #[must_use]
    pub fn opens(&self) -> bool {
        matches!(self, Self::Sysctl { key, to, .. } if (key == super::FORWARD_V4 || key == super::FORWARD_V6) && to != "0")
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let switch = |on: bool, yes, no| if on { yes } else { no };
        match self {
            Self::File { path, from: None, .. } => write!(f, "write {path}"),
            Self::File { path, to: None, .. } => write!(f, "remove {path}"),
            Self::File { path, .. } => write!(f, "rewrite {path}"),
            Self::Block { path, from: None, .. } => write!(f, "add our lines to {path}"),
            Self::Block { path, to: None, .. } => write!(f, "remove our lines from {path}"),
            Self::Block { path, .. } => write!(f, "change our lines in {path}"),
            Self::Module { name } => write!(f, "load the kernel module {name}"),
            Self::Vlan { name, trunk, id, present } => {
                write!(f, "{} {name}, VLAN {id} on {trunk}", switch(*present, "make", "remove"))
            }
            Self::Up { link, up } => write!(f, "bring {link} {}", switch(*up, "up", "down")),
            Self::Address { link, addr, prefix_len, present } => {
                let (verb, word) = if *present { ("give", "to") } else { ("take", "from") };
                write!(f, "{verb} {addr}/{prefix_len} {word} {link}")
            }
            Self::Route { to, via, link, present } => {
                write!(f, "{} the route to {} by {via} on {link}", switch(*present, "add", "remove"), to.0)
            }
            Self::Ifup { link, up } => write!(f, "{} {link}", switch(*up, "ifup", "ifdown")),
            Self::Sysctl { key, from, to } => {
                write!(f, "set {} to {} (was {})", key.replace('/', "."), to.trim(), from.trim())
            }
            Self::Rules { from: None, to: Some(to) } => write!(f, "load the rules of generation {to}"),
            Self::Rules { from: Some(from), to: Some(to) } => {
                write!(f, "load the rules of generation {to} over those of {from}")
            }
            Self::Rules { to: None, .. } => f.write_str("remove our table"),
            Self::Table { table, present } => {
                write!(f, "{} table {} {}", switch(*present, "bring back", "delete"), table.family, table.name)
            }
            Self::Enabled { service, enabled } => {
                write!(f, "{} {service} at boot", switch(*enabled, "start", "do not start"))
            }
            Self::Running { service, running } => write!(f, "{} {service}", switch(*running, "start", "stop")),
            Self::Renew { service } => write!(f, "let {service} read its files again"),
        }
    }
}

/// What apply would do, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The steps.
    pub changes: Vec<Change>,
}

impl Plan {
    /// The plan that leads back: inverses in the opposite order. Services read their files again at the end, when the files
    /// are what they were.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let inverses = || self.changes.iter().rev().map(Change::inverse);
        let is_renewal = |change: &Change| matches!(change, Change::Renew { .. });
        let first = inverses().filter(|change| !is_renewal(change));
        Self { changes: first.chain(inverses().filter(is_renewal)).collect() }
    }
}

/// Contents in JSON: as text where they are UTF-8, else in hexadecimal.
mod bytes {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Shape {
        Text(String),
        Hex(String),
    }

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Shape::Text(text.to_owned()),
            Err(_) => Shape::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
        .serialize(to)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<u8>, D::Error> {
        match Shape::deserialize(from)? {
            Shape::Text(text) => Ok(text.into_bytes()),
            Shape::Hex(text) => {
                let pairs = text.as_bytes().chunks(2);
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
                pairs.map(|pair| byte(pair).ok_or_else(|| D::Error::custom("not hexadecimal"))).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_reads_files_when_they_are_back() {
        let file = |to: &str| FileState { mode: 0o644, bytes: to.as_bytes().to_vec() };
        let plan = Plan {
            changes: vec![
                Change::File { path: "/etc/x".to_owned(), from: Some(file("a")), to: Some(file("b")) },
                Change::Rules { from: Some(1), to: Some(2) },
                Change::Renew { service: "x".to_owned() },
            ],
        };
        let back = plan.inverse();
        assert_eq!(back.changes[0], Change::Rules { from: Some(2), to: Some(1) });
        assert_eq!(back.changes[2], Change::Renew { service: "x".to_owned() });
        assert_eq!(back.inverse().changes.len(), 3);
    }

    #[test]
    fn contents_survive_the_journal() {
        for bytes in [b"text\n".to_vec(), vec![0xff, 0, 1]] {
            let state = FileState { mode: 0o600, bytes };
            let json = serde_json::to_string(&state).expect("serialises");
            assert_eq!(serde_json::from_str::<FileState>(&json).expect("reads"), state);
        }
    }
}
