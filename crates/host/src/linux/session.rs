//! Who is asking: found from the process tree and its sockets, not from the environment, which sudo and doas strip.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::unistd::{SysconfVar, geteuid, getuid, sysconf};

use crate::apply::Who;

/// Processes above us that are looked at.
const DEPTH_MAX: usize = 64;
/// Programs that serve remote shells, where the kernel's table of listeners does not show their port.
const SERVERS: [&str; 4] = ["sshd", "sshd-session", "sshd-auth", "dropbear"];
const ESTABLISHED: u8 = 1;
const LISTEN: u8 = 10;
/// Nobody logged in (`loginuid`).
const NO_LOGIN: u32 = u32::MAX;

/// A remote shell that we were called from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its other end.
    pub peer: IpAddr,
    /// Its port.
    pub peer_port: u16,
    /// The address of the box that it reached.
    pub local: IpAddr,
    /// The port that it reached.
    pub local_port: u16,
    /// When it began, milliseconds since the boot: to the hundredth of a second.
    pub began_ms: u64,
}

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Session {
    /// Somebody over the network.
    Remote(Remote),
    /// Somebody at a terminal of the box itself: a screen or a serial line, by its name.
    Console(String),
    /// Somebody at a pseudo-terminal that leads to no connection: a terminal multiplexer, or a window. Where they sit is
    /// not known.
    Terminal(String),
    /// Nobody at a terminal.
    None,
}

impl Session {
    /// The one that this process was called from.
    #[must_use]
    pub fn find() -> Self {
        Self::of(std::process::id())
    }

    /// The one that a process was called from.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        if let Some(remote) = remote(pid) {
            return Self::Remote(remote);
        }
        match Stat::read(pid).and_then(|stat| terminal(stat.tty)) {
            Some(name) if name.starts_with("pts/") => Self::Terminal(name),
            Some(name) => Self::Console(name),
            None => Self::None,
        }
    }

    /// Whether it may confirm what was applied at `applied_ms` after the boot, from the console `console` where it was
    /// one: over the network only by a connection that was opened since, so that it is known that one can be.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn may_confirm(&self, applied_ms: u64, console: Option<&str>) -> Result<(), String> {
        match self {
            Self::Remote(remote) if remote.began_ms > applied_ms => Ok(()),
            Self::Remote(_) => Err(
                "this connection was opened before the apply, so it does not show that one can be opened now; \
                 log in anew and confirm from there"
                    .to_owned(),
            ),
            Self::Console(name) if console == Some(name) => Ok(()),
            Self::Console(name) => match console {
                Some(other) => Err(format!("it was applied at the console {other}; confirm there, not at {name}")),
                None => Err("it was applied over the network; log in over the network and confirm from there".to_owned()),
            },
            Self::Terminal(_) | Self::None => {
                Err("it is not known where you are; log in over the network and confirm from there".to_owned())
            }
        }
    }

    /// Who and from where, for the record.
    #[must_use]
    pub fn who(&self) -> Who {
        let login = fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse().ok());
        let uid = login.filter(|uid| *uid != NO_LOGIN).unwrap_or_else(|| getuid().as_raw());
        let name = name_of(uid);
        let user = if geteuid().as_raw() == uid || login.is_some() { name } else { format!("{name} as root") };
        let via = match self {
            Self::Remote(remote) => format!("ssh from {}", remote.peer),
            Self::Console(name) | Self::Terminal(name) => name.clone(),
            Self::None => "no terminal".to_owned(),
        };
        Who { user, via }
    }
}

/// A user's name by number, without the system's name service.
fn name_of(uid: u32) -> String {
    let list = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| format!("uid {uid}"))
}

/// What `/proc/PID/stat` says.
struct Stat {
    name: String,
    parent: u32,
    tty: u32,
    began_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name may hold blanks and brackets; the last closing one ends it.
    fn parse(text: &str) -> Option<Self> {
        let (head, rest) = text.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let tty: i32 = fields.get(4)?.parse().ok()?;
        Some(Self {
            name,
            parent: fields.get(1)?.parse().ok()?,
            tty: u32::from_ne_bytes(tty.to_ne_bytes()),
            began_ticks: fields.get(19)?.parse().ok()?,
        })
    }

    fn began_ms(&self) -> u64 {
        let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().and_then(|ticks| u64::try_from(ticks).ok());
        self.began_ticks.saturating_mul(1000) / per_second.filter(|ticks| *ticks > 0).unwrap_or(100)
    }
}

/// The nearest ancestor that owns a connection to a port that somebody listens at. Above it others may own the same one;
/// the first of them began when the connection did.
fn remote(pid: u32) -> Option<Remote> {
    let table = Socket::table();
    let listening: BTreeSet<u16> =
        table.iter().filter(|socket| socket.state == LISTEN).map(|socket| socket.local.1).collect();
    let mut found: Option<(&Socket, u64)> = None;
    let mut pid = Stat::read(pid)?.parent;
    for _ in 0..DEPTH_MAX {
        let Some(stat) = Stat::read(pid) else { break };
        let owned = sockets(pid);
        let serves = |socket: &&Socket| {
            socket.state == ESTABLISHED
                && owned.contains(&socket.inode)
                && (listening.contains(&socket.local.1) || SERVERS.contains(&stat.name.as_str()))
        };
        match &mut found {
            None => found = table.iter().find(serves).map(|socket| (socket, stat.began_ms())),
            Some((socket, began_ms)) if owned.contains(&socket.inode) => *began_ms = stat.began_ms(),
            Some(_) => break,
        }
        if stat.parent <= 1 {
            break;
        }
        pid = stat.parent;
    }
    let (socket, began_ms) = found?;
    let ((peer, peer_port), (local, local_port)) = (socket.peer, socket.local);
    Some(Remote { peer, peer_port, local, local_port, began_ms })
}

/// Inodes of the sockets a process has open; none where we may not look.
fn sockets(pid: u32) -> BTreeSet<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return BTreeSet::new() };
    let inode = |target: std::path::PathBuf| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    entries.flatten().filter_map(|entry| inode(fs::read_link(entry.path()).ok()?)).collect()
}

/// A TCP socket of the kernel's table.
#[derive(Debug, PartialEq, Eq)]
struct Socket {
    local: (IpAddr, u16),
    peer: (IpAddr, u16),
    state: u8,
    inode: u64,
}

impl Socket {
    fn table() -> Vec<Self> {
        let read = |name| fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default();
        ["tcp", "tcp6"].into_iter().flat_map(|name| read(name).lines().filter_map(Self::parse).collect::<Vec<_>>()).collect()
    }

    /// `NUMBER: LOCAL:PORT PEER:PORT STATE QUEUES TIMER RETRANSMITS UID TIMEOUT INODE …`
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let end = |text: &str| {
            let (addr, port) = text.split_once(':')?;
            Some((address(addr)?, u16::from_str_radix(port, 16).ok()?))
        };
        Some(Self {
            local: end(fields.get(1)?)?,
            peer: end(fields.get(2)?)?,
            state: u8::from_str_radix(fields.get(3)?, 16).ok()?,
            inode: fields.get(9)?.parse().ok()?,
        })
    }
}

/// Words of 32 bits in the machine's order, in hexadecimal. An IPv4 address that IPv6 wraps is told as what it is.
fn address(text: &str) -> Option<IpAddr> {
    let words: Option<Vec<[u8; 4]>> = text
        .as_bytes()
        .chunks(8)
        .map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok().map(u32::to_ne_bytes))
        .collect();
    match *words? {
        [v4] => Some(IpAddr::V4(Ipv4Addr::from(v4))),
        [a, b, c, d] => {
            let bytes: [u8; 16] = [a, b, c, d].concat().try_into().ok()?;
            let v6 = Ipv6Addr::from(bytes);
            Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
        }
        _ => None,
    }
}

/// A terminal's name by its device number, as in `/dev`.
fn terminal(device: u32) -> Option<String> {
    /// `UNIX98_PTY_SLAVE_MAJOR` and the seven behind it.
    const PTS: std::ops::RangeInclusive<u32> = 136..=143;
    const PTS_EACH: u32 = 256;
    if device == 0 {
        return None;
    }
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
    if PTS.contains(&major) {
        return Some(format!("pts/{}", (major - PTS.start()) * PTS_EACH + minor));
    }
    let text = fs::read_to_string(format!("/sys/dev/char/{major}:{minor}/uevent")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("DEVNAME=").map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = Stat::parse(
            "42 (a) b (c)) S 7 42 42 34816 42 0 0 0 0 0 0 0 0 0 20 0 1 0 1234 0 0 18446744073709551615 0 0 0",
        )
        .expect("a stat line");
        assert_eq!((stat.name.as_str(), stat.parent, stat.began_ticks), ("a) b (c)", 7, 1234));
        assert_eq!(terminal(stat.tty).as_deref(), Some("pts/0"));
        assert_eq!(terminal(0), None);
    }

    #[test]
    fn sockets_are_read_in_both_families() {
        let v4 = "   1: 0A0200C0:0016 6414A8C0:D431 01 00000000:00000000 00:00000000 00000000     0        0 777 1";
        let socket = Socket::parse(v4).expect("a socket");
        if cfg!(target_endian = "little") {
            assert_eq!(socket.local, ("192.0.2.10".parse().expect("one"), 22));
            assert_eq!(socket.peer, ("192.168.20.100".parse().expect("one"), 0xd431));
        }
        assert_eq!((socket.state, socket.inode), (ESTABLISHED, 777));
        if cfg!(target_endian = "little") {
            assert_eq!(address("0000000000000000FFFF00000A0200C0"), "192.0.2.10".parse().ok());
        }
        assert_eq!(Socket::parse("  sl  local_address rem_address   st"), None);
    }

    #[test]
    fn only_who_came_since_may_confirm() {
        let remote = |began_ms| {
            let end = IpAddr::V4(Ipv4Addr::LOCALHOST);
            Session::Remote(Remote { peer: end, peer_port: 1, local: end, local_port: 22, began_ms })
        };
        assert!(remote(1001).may_confirm(1000, None).is_ok());
        assert!(remote(1000).may_confirm(1000, None).is_err());
        let console = Session::Console("tty1".to_owned());
        assert!(console.may_confirm(1000, Some("tty1")).is_ok());
        assert!(console.may_confirm(1000, Some("tty2")).is_err());
        assert!(console.may_confirm(1000, None).is_err());
        assert!(Session::None.may_confirm(1000, None).is_err());
    }
}
