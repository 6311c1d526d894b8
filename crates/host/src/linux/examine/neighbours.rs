//! Whether somebody else has an address of the box: asked once by ARP, as a host does before it takes one (RFC 5227).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant};

use segwall_core::doctor::Duplicate;
use segwall_core::plan::{Link, Wanted};

use crate::packet::PacketSocket;
use crate::rtnl::Rtnl;

/// Answers come within this time, or not at all.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(10);
/// Frames that a busy segment may send in the meantime.
const FRAMES: usize = 1_024;
/// Ethernet and IPv4, a question; an answer differs in the last byte.
const QUESTION: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];
const ARP: [u8; 2] = [8, 6];
/// The shortest frame that Ethernet takes.
const FRAME_BYTES_MIN: usize = 60;

/// Everybody who answers; `None` when nobody could be asked.
pub(super) fn duplicates(wanted: &Wanted, links: &BTreeMap<String, Link>) -> Option<Vec<Duplicate>> {
    let known = Rtnl::open().ok()?.links().ok()?;
    let mut asked = Vec::new();
    for (name, addr, _) in &wanted.addresses {
        let IpAddr::V4(v4) = addr else { continue };
        let ready = links
            .get(name)
            .is_some_and(|link| link.up && link.carrier && link.addresses.iter().any(|own| own.0 == *addr));
        let Some((link, mac)) = known.get(name).filter(|_| ready).and_then(|link| Some((link.index, link.mac?))) else {
            continue;
        };
        let socket = PacketSocket::open(link, FRAMES).ok()?;
        socket.send(&[question(mac, *v4)]).ok()?;
        asked.push((name, *v4, mac, socket));
    }
    let mut found: Vec<Duplicate> = Vec::new();
    let begun = Instant::now();
    while !asked.is_empty() && begun.elapsed() < PATIENCE {
        thread::sleep(PAUSE);
        for (name, addr, own, socket) in &mut asked {
            socket.receive(|frame| {
                if let Some(mac) = answer(frame, *addr).filter(|mac| mac != own) {
                    let one = Duplicate { link: (*name).clone(), addr: IpAddr::V4(*addr), mac };
                    if !found.contains(&one) {
                        found.push(one);
                    }
                }
            });
        }
    }
    Some(found)
}

/// Who has this address? Asked without one of our own, so that nobody takes it for an announcement.
fn question(mac: [u8; 6], addr: Ipv4Addr) -> Vec<u8> {
    let mut frame = [&[0xff; 6][..], &mac, &ARP, &QUESTION, &mac, &[0; 4], &[0; 6], &addr.octets()].concat();
    frame.resize(FRAME_BYTES_MIN, 0);
    frame
}

/// Who says in a frame that this address is theirs: an answer, or an announcement.
fn answer(frame: &[u8], addr: Ipv4Addr) -> Option<[u8; 6]> {
    let (head, body) = (frame.get(12..20)?, frame.get(20..32)?);
    let is_arp = head[..2] == ARP && head[2..8] == QUESTION[..6];
    let sender: [u8; 6] = body.get(2..8)?.try_into().ok()?;
    (is_arp && body.get(8..12)? == addr.octets()).then_some(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_from_questions() {
        let addr = Ipv4Addr::new(192, 168, 20, 1);
        let (us, them) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9]);
        let asked = question(us, addr);
        assert_eq!(answer(&asked, addr), None, "who asks has no address yet");
        let mut answered = [&us[..], &them, &ARP, &QUESTION, &them, &addr.octets(), &us, &addr.octets()].concat();
        answered[21] = 2;
        assert_eq!(answer(&answered, addr), Some(them));
        assert_eq!(answer(&answered, Ipv4Addr::new(192, 168, 20, 2)), None);
        for len in 0..answered.len() {
            let _ = answer(&answered[..len], addr);
        }
    }
}
