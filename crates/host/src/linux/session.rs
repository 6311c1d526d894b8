//! Who is asking: found from the process tree and its sockets, not from the environment, which sudo and doas strip.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::unistd::{SysconfVar, getuid, sysconf};

/// Processes above us that are looked at.
const DEPTH_MAX: usize = 64;
/// Programs that serve remote shells, where the kernel's table of listeners does not show their port.
const SERVERS: [&str; 4] = ["sshd", "sshd-session", "sshd-auth", "dropbear"];
const ESTABLISHED: u8 = 1;
const LISTEN: u8 = 10;
/// Nobody logged in (`loginuid`).
const NO_LOGIN: u32 = u32::MAX;

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Session {
    /// Somebody over the network.
    Ssh {
        /// Its other end.
        peer: IpAddr,
        /// The address of the box that it reached.
        local: IpAddr,
        /// The port that it reached.
        port: u16,
        /// When it was opened, milliseconds after the boot, to the hundredth of a second below.
        began_ms: u64,
    },
    /// Somebody at a terminal of the box itself: a screen or a serial line, by its name.
    Console(String),
    /// Nobody at a terminal; or at a pseudo-terminal that leads to no connection, as a terminal multiplexer's: then it is
    /// not known where they sit.
    None,
}

/// The session that this process was called from.
#[must_use]
pub fn find() -> Session {
    Session::of(std::process::id())
}

impl Session {
    /// The one that a process was called from.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        if let Some(found) = remote(pid) {
            return found;
        }
        match Stat::read(pid).and_then(|stat| terminal(stat.tty)) {
            Some(name) if !name.starts_with("pts/") => Self::Console(name),
            _ => Self::None,
        }
    }
}

/// The name of the user who logged in, whoever they are by now.
#[must_use]
pub fn user() -> String {
    let login = fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse().ok());
    name_of(login.filter(|uid| *uid != NO_LOGIN).unwrap_or_else(|| getuid().as_raw()))
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
fn remote(pid: u32) -> Option<Session> {
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
    let (local, port) = socket.local;
    Some(Session::Ssh { peer: socket.peer.0, local, port, began_ms })
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
        ["tcp", "tcp6"]
            .into_iter()
            .flat_map(|name| read(name).lines().filter_map(Self::parse).collect::<Vec<_>>())
            .collect()
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
pub(super) fn address(text: &str) -> Option<IpAddr> {
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
}
