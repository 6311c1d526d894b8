//! Sends at a rate: small UDP packets from one host to another's ports, as frames on a link.
//!
//! ```text
//! flood LINK MAC FROM TO PER_SECOND SECONDS   prints how many were sent
//! ```
//!
//! For measurements (`benches/nflog`). Without a checksum, which UDP over IPv4 allows (RFC 768). A rate that it cannot send
//! is seen in what it prints.

use std::env;
use std::error::Error;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use segwall_host::packet::PacketSocket;
use segwall_host::rtnl::Rtnl;

const BURST: usize = 64;
const PORTS: std::ops::Range<u16> = 1_000..61_000;
const LEN: u8 = 78;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [link, mac, from, to, rate, seconds] = words.as_slice() else {
        return Err("usage: flood LINK MAC FROM TO PER_SECOND SECONDS".into());
    };
    let (rate, seconds): (f64, f64) = (rate.parse()?, seconds.parse()?);
    let links = Rtnl::open()?.links()?;
    let link = links.get(link.as_str()).ok_or("there is no such link")?;
    let mac: Vec<u8> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>()?;
    let (from, to): (Ipv4Addr, Ipv4Addr) = (from.parse()?, to.parse()?);
    let socket = PacketSocket::open(link.index, 16)?;
    let frames: Vec<Vec<u8>> = PORTS.map(|port| frame(&mac, from, to, port)).collect();
    let begun = Instant::now();
    let mut sent = 0usize;
    while begun.elapsed().as_secs_f64() < seconds {
        if (sent + BURST) as f64 > begun.elapsed().as_secs_f64() * rate {
            thread::sleep(Duration::from_micros(50));
            continue;
        }
        let at = sent % (frames.len() / BURST * BURST);
        socket.send(&frames[at..at + BURST])?;
        sent += BURST;
    }
    println!("{sent}");
    Ok(())
}

fn frame(mac: &[u8], from: Ipv4Addr, to: Ipv4Addr, port: u16) -> Vec<u8> {
    let mut ip = vec![0x45, 0, 0, LEN, 0, 0, 0, 0, 64, 17, 0, 0];
    ip.extend(from.octets().into_iter().chain(to.octets()));
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let check = !(((sum & 0xffff) + (sum >> 16)) as u16);
    ip[10..12].copy_from_slice(&check.to_be_bytes());
    let [high, low] = port.to_be_bytes();
    ip.extend([156, 64, high, low, 0, LEN - 20, 0, 0]);
    ip.resize(usize::from(LEN), 7);
    [mac, &[2, 0, 0, 0, 0, 9], &[8, 0], &ip].concat()
}
