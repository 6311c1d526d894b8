//! What a packet costs: packets per CPU second through several rule sets, as ratios within one run.
//!
//! Every rule set gets a router of its own in a network namespace, a sender and a receiver behind it. One pinned thread
//! sends prebuilt frames by a packet socket; on veth the whole way of a packet, forwarding included, happens in the
//! sender's context, so the CPU time of that thread and of its CPU's ksoftirqd is the price. The rule sets take turns
//! in every round; what is printed are medians of the rounds' ratios to `conntrack only`, so that a slower minute of
//! the machine hits all of them alike.
//!
//! Usage: packets [--rounds N] [--packets N] [--json]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use etherparse::PacketBuilder;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_core::emit::nft;
use segwall_core::policy::{self, Context};
use segwall_core::ruleset::{At, lower};
use segwall_core::source::Source;
use segwall_host::netns::Netns;
use segwall_host::nft::Nft;
use segwall_host::packet::PacketSocket;
use segwall_host::rtnl::{Change, Mac, Rtnl, VethEnd};
use segwall_host::{conntrack::Conntrack, exec, pin, sysctl, userns};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Frames handed to the kernel in one system call.
const BATCH: usize = 64;
/// Connections of the measurement on established packets.
const CONNECTIONS: usize = 64;
/// Elements in one transaction; a user namespace holds 5,000 to 6,000.
const PIECE: usize = 4_000;
/// Rules in one call of iptables-restore, for the same reason.
const LINES: usize = 150;
const PORT: u16 = 443;
const SENDER: Mac = [2, 0, 0, 0, 1, 2];
const ROUTER_IN: Mac = [2, 0, 0, 0, 1, 1];
const ROUTER_OUT: Mac = [2, 0, 0, 0, 2, 1];
const RECEIVER: Mac = [2, 0, 0, 0, 2, 2];

/// One router under measurement.
struct Router {
    name: &'static str,
    netns: Netns,
    sender: PacketSocket,
    receiver: PacketSocket,
    receiver_netns: Netns,
    /// New connections: each frame opens one.
    fresh: Vec<Vec<u8>>,
    /// The first frame of each long-lived connection.
    lasting: Vec<Vec<u8>>,
}

/// How a router filters.
enum Rules {
    None,
    Nft(Vec<String>),
    Iptables(String),
}

/// What a generated policy looks like.
struct Shape {
    segments: u32,
    prefix_lengths: u32,
    uplink: bool,
}

fn main() -> Result<()> {
    let (mut rounds, mut packets, mut json) = (9, 40_000, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || -> Result<usize> { Ok(args.next().ok_or("a number is missing")?.parse()?) };
        match arg.as_str() {
            "--rounds" => rounds = number()?,
            "--packets" => packets = number()?,
            "--json" => json = true,
            other => return Err(format!("packets [--rounds N] [--packets N] [--json]; not {other}").into()),
        }
    }
    userns::enter()?;
    pin::to_cpu(0)?;
    let plain = |segments| Shape { segments, prefix_lengths: 1, uplink: false };
    let (out, wan) = (Ipv4Addr::new(10, 0, 1, 9), Ipv4Addr::new(203, 0, 113, 9));
    let accept_all = "table inet bench { chain forward { type filter hook forward priority filter; policy drop; \
                      ct state established accept; accept; }; }";
    let masquerade = "table inet bench { chain forward { type filter hook forward priority filter; policy drop; \
                      ct state established accept; accept; }; chain post { type nat hook postrouting priority srcnat; \
                      oifname \"wan0\" masquerade; }; }";
    let routers = [
        router("plain forwarding", Rules::None, out, packets)?,
        router("conntrack only", Rules::Nft(vec![accept_all.into()]), out, packets)?,
        router("segwall, 5 segments", emitted(&plain(5))?, out, packets)?,
        router("segwall, 1,000 segments", emitted(&plain(1000))?, out, packets)?,
        router(
            "segwall, 1,000, three prefix lengths",
            emitted(&Shape { prefix_lengths: 3, ..plain(1000) })?,
            out,
            packets,
        )?,
        router("segwall, 1,000, nat hook", emitted(&Shape { uplink: true, ..plain(1000) })?, out, packets)?,
        router("segwall, 1,000, masqueraded", emitted(&Shape { uplink: true, ..plain(1000) })?, wan, packets)?,
        router("conntrack and masquerade only", Rules::Nft(vec![masquerade.into()]), wan, packets)?,
        router("tutorial's way, 5 segments", Rules::Iptables(linear(5)), out, packets)?,
        router("tutorial's way, 1,000 segments", Rules::Iptables(linear(1000)), out, packets / 20)?,
    ];
    let mut fresh: Vec<Vec<f64>> = vec![Vec::new(); routers.len()];
    let mut lasting = fresh.clone();
    for round in 0..=rounds {
        for (at, router) in routers.iter().enumerate() {
            let (new, old) = (router.new_flows()?, router.established(packets.min(router.fresh.len() * 4))?);
            // The first round warms caches and connection tables.
            if round > 0 {
                fresh[at].push(new);
                lasting[at].push(old);
            }
        }
    }
    report(&routers, &fresh, &lasting, json);
    Ok(())
}

fn report(routers: &[Router], fresh: &[Vec<f64>], lasting: &[Vec<f64>], json: bool) {
    let ratio = |of: &[Vec<f64>], at: usize| median(of[at].iter().zip(&of[1]).map(|(own, base)| own / base).collect());
    if !json {
        println!("{:38} {:>12} {:>8} {:>12} {:>8}", "", "new flows/s", "ratio", "packets/s", "ratio");
    }
    for (at, router) in routers.iter().enumerate() {
        let (new, new_ratio) = (median(fresh[at].clone()), ratio(fresh, at));
        let (old, old_ratio) = (median(lasting[at].clone()), ratio(lasting, at));
        if json {
            println!(
                "{{\"rules\":\"{}\",\"new_per_cpu_s\":{new:.0},\"new_ratio\":{new_ratio:.3},\
                 \"established_per_cpu_s\":{old:.0},\"established_ratio\":{old_ratio:.3}}}",
                router.name
            );
        } else {
            println!("{:38} {new:>12.0} {new_ratio:>8.2} {old:>12.0} {old_ratio:>8.2}", router.name);
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Router {
    /// First packets of new connections, per CPU second.
    fn new_flows(&self) -> Result<f64> {
        self.netns.run(|| -> Result<()> { Ok(Conntrack::open()?.flush()?) })??;
        let rate = self.send(&self.fresh, self.fresh.len())?;
        Ok(rate)
    }

    /// Packets of established connections, per CPU second.
    fn established(&self, packets: usize) -> Result<f64> {
        self.netns.run(|| -> Result<()> { Ok(Conntrack::open()?.flush()?) })??;
        // Both directions once, so that the connections are established.
        self.sender.send(&self.lasting)?;
        self.receiver.send(&self.answers()?)?;
        let rate = self.send(&self.lasting, packets)?;
        Ok(rate)
    }

    /// The answers to the lasting connections, as the receiver would send them: to whoever the packets came from.
    fn answers(&self) -> Result<Vec<Vec<u8>>> {
        let entries = self.netns.run(|| -> Result<_> { Ok(Conntrack::open()?.list()?) })??;
        let mut answers = Vec::with_capacity(entries.len());
        for entry in entries {
            let (src, dst) = match (entry.reply.src, entry.reply.dst) {
                (std::net::IpAddr::V4(src), std::net::IpAddr::V4(dst)) => (src, dst),
                _ => continue,
            };
            let segwall_host::conntrack::Key::Ports { src: sport, dst: dport } = entry.reply.key else { continue };
            answers.push(frame(RECEIVER, ROUTER_OUT, src, dst, sport, dport)?);
        }
        Ok(answers)
    }

    /// Sends the frames in turn until `count` are sent; how many for each second of CPU time. Every one must arrive.
    fn send(&self, frames: &[Vec<u8>], count: usize) -> Result<f64> {
        let before = self.received()?;
        let started = cpu_ns()?;
        let mut sent = 0;
        while sent < count {
            for batch in frames.chunks(BATCH) {
                self.sender.send(batch)?;
                sent += batch.len();
            }
        }
        // ksoftirqd may still hold a few packets; they are part of the price.
        let mut spins = 0;
        while self.received()? - before < sent as u64 {
            spins += 1;
            if spins > 10_000 {
                let arrived = self.received()? - before;
                return Err(format!("{}: {arrived} of {sent} packets arrived", self.name).into());
            }
            std::thread::yield_now();
        }
        let spent = cpu_ns()? - started;
        Ok(sent as f64 * 1e9 / spent as f64)
    }

    /// Packets that arrived at the receiver's interface so far.
    fn received(&self) -> Result<u64> {
        let table = self.receiver_netns.run(|| fs::read_to_string("/proc/thread-self/net/dev"))??;
        let line = table.lines().find(|line| line.trim_start().starts_with("far:")).ok_or("no interface `far`")?;
        let field =
            line.split_once(':').and_then(|(_, rest)| rest.split_whitespace().nth(1)).ok_or("no packet count")?;
        Ok(field.parse()?)
    }
}

/// CPU time of this thread and of ksoftirqd on its CPU, in nanoseconds.
fn cpu_ns() -> Result<u64> {
    let spent = |path: &str| -> Result<u64> {
        let text = fs::read_to_string(path)?;
        Ok(text.split_whitespace().next().ok_or("an empty schedstat")?.parse()?)
    };
    let mut total = spent("/proc/thread-self/schedstat")?;
    if let Some(pid) = ksoftirqd() {
        total += spent(&format!("/proc/{pid}/schedstat"))?;
    }
    Ok(total)
}

/// The process id of ksoftirqd/0, where it can be seen.
fn ksoftirqd() -> Option<u32> {
    static FOUND: std::sync::OnceLock<Option<u32>> = std::sync::OnceLock::new();
    *FOUND.get_or_init(|| {
        (2..200)
            .find(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "ksoftirqd/0"))
    })
}

/// A router between `s0` (eth0.2 of the generated policy) and the network of `dst`.
fn router(name: &'static str, rules: Rules, dst: Ipv4Addr, packets: usize) -> Result<Router> {
    let (netns, near, far) = (Netns::create()?, Netns::create()?, Netns::create()?);
    let wan = dst.octets()[0] == 203;
    let out_name = if wan { "wan0" } else { "s1" };
    let mut rtnl = netns.run(Rtnl::open)??;
    let end = |name: &str, mac, netns| VethEnd { name: name.to_owned(), mac, netns };
    rtnl.apply(&[
        Change::Veth(end("s0", ROUTER_IN, netns.as_fd()), end("near", SENDER, near.as_fd())),
        Change::Veth(end(out_name, ROUTER_OUT, netns.as_fd()), end("far", RECEIVER, far.as_fd())),
    ])?;
    let (near_link, far_link) = (link(&near, "near")?, link(&far, "far")?);
    let (in_link, out_link) = (link(&netns, "s0")?, link(&netns, out_name)?);
    for (side, index) in [(&near, near_link), (&far, far_link)] {
        side.run(|| -> Result<()> {
            sysctl::set_if_present("net/ipv6/conf/all/disable_ipv6", "1")?;
            Ok(Rtnl::open()?.apply(&[Change::Up(index)])?)
        })??;
    }
    let own = |octets: [u8; 4]| Ipv4Addr::from(octets).into();
    let out_addr = if wan { own([203, 0, 113, 2]) } else { own([10, 0, 1, 1]) };
    rtnl.apply(&[
        Change::Up(in_link),
        Change::Up(out_link),
        Change::Address { link: in_link, addr: own([10, 0, 0, 1]), prefix_len: 24 },
        Change::Address { link: out_link, addr: out_addr, prefix_len: 24 },
        Change::Neighbour { link: out_link, addr: dst.into(), mac: RECEIVER },
    ])?;
    netns.run(|| -> Result<()> {
        sysctl::set("net/ipv4/ip_forward", "1")?;
        sysctl::set("net/ipv4/conf/all/rp_filter", "0")?;
        sysctl::set("net/ipv4/conf/s0/rp_filter", "0")?;
        Ok(())
    })??;
    match rules {
        Rules::None => {}
        Rules::Nft(texts) => {
            let nft = Nft::find()?;
            for text in texts {
                nft.load(&netns, &text)?;
            }
        }
        Rules::Iptables(text) => restore(&netns, &text)?,
    }
    let mut fresh = Vec::with_capacity(packets);
    for at in 0..packets {
        let host = u8::try_from(10 + at % 50).expect("below 60, within the longest prefix");
        let sport = u16::try_from(1024 + at / 50 % 60_000).expect("a port");
        fresh.push(frame(SENDER, ROUTER_IN, Ipv4Addr::new(10, 0, 0, host), dst, sport, PORT)?);
    }
    let lasting = fresh[..CONNECTIONS].to_vec();
    let sender = near.run(|| PacketSocket::open(near_link, 64))??;
    let receiver = far.run(|| PacketSocket::open(far_link, 64))??;
    Ok(Router { name, netns, sender, receiver, receiver_netns: far, fresh, lasting })
}

fn link(netns: &Netns, name: &str) -> Result<u32> {
    let links = netns.run(|| -> Result<_> { Ok(Rtnl::open()?.links()?) })??;
    Ok(links.get(name).ok_or_else(|| format!("no interface {name}"))?.index)
}

/// The smallest UDP packet: 14 bytes of Ethernet, 20 of IPv4, 8 of UDP, 4 of payload.
fn frame(from: Mac, to: Mac, src: Ipv4Addr, dst: Ipv4Addr, sport: u16, dport: u16) -> Result<Vec<u8>> {
    let builder = PacketBuilder::ethernet2(from, to).ipv4(src.octets(), dst.octets(), 64).udp(sport, dport);
    let mut bytes = Vec::with_capacity(builder.size(4));
    builder.write(&mut bytes, b"ping")?;
    Ok(bytes)
}

/// Each segment reaches ten others on three services, the first reaches all.
fn emitted(shape: &Shape) -> Result<Rules> {
    let text = generate(shape);
    let source = Source::new("bench.toml", text);
    let context = Context { today: "2026-01-01".parse()?, timezone: TimeZone::UTC };
    let loaded = policy::load(&source, &context);
    let policy = loaded.policy.ok_or_else(|| format!("the generated policy is wrong: {:?}", loaded.diagnostics))?;
    let ruleset = lower(&policy, &source, &TimeZone::UTC);
    let program = nft::compile(&ruleset, At::Instant(Timestamp::UNIX_EPOCH));
    let mut texts = vec![program.closed_base()];
    texts.extend(program.pieces(PIECE));
    Ok(Rules::Nft(texts))
}

fn generate(shape: &Shape) -> String {
    let mut text = String::from("[gateway]\n");
    if shape.uplink {
        text.push_str(
            "[uplinks.wan]\ninterface = \"wan0\"\naddresses = [\"203.0.113.2/24\"]\ngateways = [\"203.0.113.1\"]\n",
        );
    }
    let n = shape.segments;
    for at in 0..n {
        // The measured pair has the length that is looked up last.
        let longer = if at < 2 { shape.prefix_lengths - 1 } else { at % shape.prefix_lengths };
        let (len, len6) = (24 + longer, 64 + 8 * longer);
        let (high, low) = (at / 256, at % 256);
        let _ = writeln!(
            text,
            "[segments.n{at}]\ninterface = \"s{at}\"\nsubnets = [\"10.{high}.{low}.0/{len}\", \"fd00:0:0:{at:x}::/{len6}\"]\nipv6 = \"none\""
        );
    }
    for at in 0..n {
        let to: Vec<String> = (1..=10.min(n - 1)).map(|step| format!("\"n{}\"", (at + step) % n)).collect();
        let _ = writeln!(
            text,
            "[[accept]]\nfrom = \"n{at}\"\nto = [{}]\nservice = [\"tcp/22\", \"udp/{PORT}\", \"tcp/443\"]",
            to.join(", ")
        );
    }
    if shape.uplink {
        let _ = writeln!(text, "[[accept]]\nfrom = \"segments\"\nto = \"internet\"\nservice = \"udp/{PORT}\"");
    }
    text.push_str("[[accept]]\nfrom = \"n2\"\nto = \"any\"\n");
    text
}

/// The same policy as the tutorial writes it: one rule for each pair and service, told apart by address, in one chain.
fn linear(segments: u32) -> String {
    let mut text = String::from(
        ":INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n",
    );
    let network = |at: u32| format!("10.{}.{}.0/24", at / 256, at % 256);
    // The measured pair comes last, as any pair may.
    for at in (0..segments).rev() {
        for step in (1..=10.min(segments - 1)).rev() {
            for service in ["tcp --dport 22", "tcp --dport 443", "udp --dport 443"] {
                let (src, dst) = (network(at), network((at + step) % segments));
                let _ = writeln!(text, "-A FORWARD -s {src} -d {dst} -p {service} -j ACCEPT");
            }
        }
    }
    text.push_str("-A FORWARD -j DROP\n");
    text
}

fn restore(netns: &Netns, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let program = exec::find("iptables-restore").ok_or("iptables-restore is missing: apt-get install iptables")?;
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with([':', '-'])).collect();
    for rules in lines.chunks(LINES) {
        let mut child = exec::spawn(netns, Command::new(&program).arg("--noflush").stdin(Stdio::piped()))?;
        let piece = format!("*filter\n{}\nCOMMIT\n", rules.join("\n"));
        child.stdin.take().expect("piped").write_all(piece.as_bytes())?;
        if !child.wait()?.success() {
            return Err("iptables-restore refused the linear script".into());
        }
    }
    Ok(())
}
