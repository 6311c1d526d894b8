//! Traffic control: filters at a device's door, which may drop and redirect packets before and after netfilter.

use std::collections::BTreeSet;

use super::links::{Link, text};
use crate::attr::Reader;
use crate::netlink::{NetlinkError, Socket};

/// `linux/rtnetlink.h`, `linux/pkt_sched.h`.
const RTM_GETQDISC: u16 = 38;
const RTM_GETTFILTER: u16 = 46;
const TCMSG_LEN: usize = 20;
const TCA_KIND: u16 = 1;
const TC_H_MAJOR: u32 = 0xffff_0000;
const TC_H_INGRESS: u32 = 0xffff_0000;
/// Where `clsact` keeps its filters, beside the handle itself (`TC_H_MIN_INGRESS`, `TC_H_MIN_EGRESS`).
const TC_H_CLSACT: [u32; 2] = [0xffff_fff2, 0xffff_fff3];

/// A place filters hang at: device and parent.
type Place = (i32, u32);

/// A sentence for each device with filters.
pub fn filters(socket: &mut Socket, links: &[Link]) -> Vec<String> {
    match places(socket) {
        Ok(places) => {
            let mut found = BTreeSet::new();
            let mut unasked = Vec::new();
            for place in places {
                match kinds(socket, place) {
                    Ok(kinds) => found.extend(kinds.into_iter().map(|kind| (place.0, kind))),
                    Err(error) => {
                        unasked.push(format!("cannot ask for the tc filters of interface {}: {error}", place.0))
                    }
                }
            }
            let name = |index: i32| links.iter().find(|link| link.index == index).map_or("", |link| link.name.as_str());
            let words = found.iter().map(|(index, kind)| format!("tc has filters of kind {kind} on {}", name(*index)));
            words.chain(unasked).collect()
        }
        Err(error) => vec![format!("cannot ask for traffic control: {error}")],
    }
}

/// Everywhere filters can hang: at each queueing discipline, and at both doors of `clsact`.
fn places(socket: &mut Socket) -> Result<BTreeSet<Place>, NetlinkError> {
    let mut places = BTreeSet::new();
    socket.dump(RTM_GETQDISC, vec![0; TCMSG_LEN], |body| {
        let Some((device, handle)) = number(body, 4).zip(number(body, 8)) else { return };
        let device = i32::from_ne_bytes(device.to_ne_bytes());
        let handle = handle & TC_H_MAJOR;
        // Handle 0 is a discipline that the kernel put there by itself: it has no filters.
        if handle != 0 {
            places.insert((device, handle));
        }
        if handle == TC_H_INGRESS {
            places.extend(TC_H_CLSACT.map(|parent| (device, parent)));
        }
    })?;
    Ok(places)
}

/// The kinds of filters at a place.
fn kinds(socket: &mut Socket, (device, parent): Place) -> Result<BTreeSet<String>, NetlinkError> {
    let mut request = vec![0; TCMSG_LEN];
    request[4..8].copy_from_slice(&device.to_ne_bytes());
    request[12..16].copy_from_slice(&parent.to_ne_bytes());
    let mut kinds = BTreeSet::new();
    socket.dump(RTM_GETTFILTER, request, |body| {
        let attributes = body.get(TCMSG_LEN..).unwrap_or_default();
        kinds.extend(Reader::new(attributes).find(|(kind, _)| *kind == TCA_KIND).map(|(_, name)| text(name)));
    })?;
    Ok(kinds)
}

fn number(body: &[u8], at: usize) -> Option<u32> {
    body.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}
