//! How many logged packets a second one reader takes, what each costs, and from which rate on some are lost.
//!
//! ```text
//! nflog_rate [PER_SECOND...]   3 seconds at each rate; as root of the machine, in namespaces made for it
//! ```
//!
//! A second thread sends through a veth pair to a rule that logs and drops; the kernel's own work is done on its account,
//! so a rate that it cannot send is said, not guessed.

use std::env;
use std::error::Error;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{UsageWho, getrusage};
use segwall_host::netns::Netns;
use segwall_host::nft::Nft;
use segwall_host::packet::PacketSocket;
use segwall_host::rtnl::{Change, Rtnl, VethEnd};
use segwall_host::sysctl;
use segwall_host::watch::PacketLog;

const SECONDS: f64 = 3.0;
const BURST: usize = 64;
const READS: usize = 64;
const GROUP: u16 = 100;
const NEAR: [u8; 6] = [2, 0, 0, 0, 0, 1];
const FAR: [u8; 6] = [2, 0, 0, 0, 0, 2];
const RULES: &str = "table inet t { chain i { type filter hook input priority 0; \
    log prefix \"segwall drop unnamed \" group 100 snaplen 96 queue-threshold 256 drop; }\n}";

fn main() -> Result<(), Box<dyn Error>> {
    let mut rates: Vec<u64> = env::args().skip(1).map(|word| word.parse()).collect::<Result<_, _>>()?;
    if rates.is_empty() {
        rates = vec![50_000, 100_000, 200_000, 400_000, 1_000_000];
    }
    for rate in rates {
        measure(rate)?;
    }
    Ok(())
}

fn measure(rate: u64) -> Result<(), Box<dyn Error>> {
    let (sender, receiver) = (Netns::create()?, Netns::create()?);
    for netns in [&sender, &receiver] {
        netns.run(|| sysctl::set_if_present("net/ipv6/conf/default/disable_ipv6", "1"))??;
    }
    let end = |name: &str, mac, netns| VethEnd { name: name.to_owned(), mac, netns };
    let wire = Change::Veth(end("near", NEAR, sender.as_fd()), end("far", FAR, receiver.as_fd()));
    Rtnl::open()?.apply(&[wire])?;
    let far = &mut receiver.run(Rtnl::open)??;
    let link = far.links()?["far"].index;
    let to = Ipv4Addr::new(192, 0, 2, 1);
    far.apply(&[Change::Address { link, addr: to.into(), prefix_len: 24 }, Change::Up(link)])?;
    let near = &mut sender.run(Rtnl::open)??;
    let link = near.links()?["near"].index;
    near.apply(&[Change::Up(link)])?;
    Nft::find()?.load(&receiver, RULES)?;
    let mut log = receiver.run(|| PacketLog::open(&[GROUP]))??;

    let (sent, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let sending = {
        let (sent, stop) = (Arc::clone(&sent), Arc::clone(&stop));
        thread::spawn(move || match sender.run(|| PacketSocket::open(link, 16)) {
            Ok(Ok(socket)) => send(&socket, to, rate, &sent, &stop),
            other => eprintln!("the sender: {:?}", other.err()),
        })
    };
    let before = cpu()?;
    let begun = Instant::now();
    let mut seen = 0u64;
    let mut bytes = 0usize;
    while begun.elapsed().as_secs_f64() < SECONDS {
        read(&mut log, &mut seen, &mut bytes)?;
    }
    let took = begun.elapsed().as_secs_f64();
    let used = cpu()? - before;
    stop.store(true, Ordering::Relaxed);
    sending.join().map_err(|_| "the sender failed")?;
    let until = Instant::now();
    while until.elapsed() < Duration::from_millis(300) {
        read(&mut log, &mut seen, &mut bytes)?;
    }
    let (sent, losses) = (sent.load(Ordering::Relaxed), log.losses());
    println!(
        "{rate:>8}/s asked, {:>8.0}/s sent: {seen} of {sent} read, {} lost, {} overruns; reader {:.1} % of a core, {:.0} ns a packet",
        sent as f64 / took,
        sent - seen,
        losses.overruns,
        100.0 * used / took,
        1e9 * used / seen as f64,
    );
    // Lost at the end is only known when the next packet comes.
    if losses.packets > sent - seen {
        return Err(format!("{} counted as lost, {} are missing", losses.packets, sent - seen).into());
    }
    Ok(())
}

fn read(log: &mut PacketLog, seen: &mut u64, bytes: &mut usize) -> Result<(), Box<dyn Error>> {
    let timeout = PollTimeout::try_from(Duration::from_millis(100))?;
    poll(&mut [PollFd::new(log.as_fd(), PollFlags::POLLIN)], timeout)?;
    log.receive(READS, |logged| {
        *seen += 1;
        *bytes += logged.payload.len();
    })?;
    Ok(())
}

fn cpu() -> nix::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_THREAD)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// Datagrams without a checksum, which UDP over IPv4 allows (RFC 768).
fn send(socket: &PacketSocket, to: Ipv4Addr, rate: u64, sent: &AtomicU64, stop: &AtomicBool) {
    let frame = |port: u16| {
        let mut ip = vec![0x45, 0, 0, 78, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 10];
        ip.extend(to.octets());
        let sum: u32 = ip.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let check = !(((sum & 0xffff) + (sum >> 16)) as u16);
        ip[10..12].copy_from_slice(&check.to_be_bytes());
        let [high, low] = port.to_be_bytes();
        ip.extend([156, 64, high, low, 0, 58, 0, 0]);
        ip.resize(78, 7);
        [&FAR[..], &NEAR[..], &[8, 0], &ip].concat()
    };
    let frames: Vec<Vec<u8>> = (1000..).take(BURST).map(frame).collect();
    let begun = Instant::now();
    let mut count = 0u64;
    while !stop.load(Ordering::Relaxed) {
        let due = (begun.elapsed().as_secs_f64() * rate as f64) as u64;
        if count + BURST as u64 > due {
            thread::sleep(Duration::from_micros(100));
            continue;
        }
        if let Err(error) = socket.send(&frames) {
            eprintln!("the sender: {error}");
            return;
        }
        count += BURST as u64;
        sent.store(count, Ordering::Relaxed);
    }
}
