//! `ip -j addr`, `ip -j -d addr`: which addresses an interface has.

use segwall_packetset::Family;
use serde_json::Value;

use super::notes::Notes;
use super::{Interfaces, Stanza};
use crate::policy::InterfaceAddress;
use crate::source::{Source, Span};

/// Reads it. Any text gives an answer, and notes.
#[must_use]
pub fn read_addresses(source: &Source) -> Interfaces {
    let mut notes = Notes::default();
    let text = source.text();
    let whole = Span::new(0..0);
    let list = match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(list)) => list,
        Ok(_) => {
            notes.not_understood(whole, "not what `ip -j addr` prints: a list of interfaces".to_owned());
            Vec::new()
        }
        Err(error) => {
            notes.not_understood(whole, format!("not what `ip -j addr` prints: {error}"));
            Vec::new()
        }
    };
    let mut at = 0;
    let mut stanzas = Vec::new();
    for link in &list {
        let Some(name) = link.get("ifname").and_then(Value::as_str) else { continue };
        // Where it stands: names follow each other as the list does.
        let key = format!("\"{name}\"");
        let found = text.get(at..).and_then(|rest| rest.find(&key)).map(|offset| at + offset);
        let span = found.map_or(whole, |start| Span::new(start..start + key.len()));
        // A name that is written otherwise is not found: nothing behind it is looked for again.
        at = found.map_or(text.len(), |start| start + key.len());
        if segwall_packetset::interface(name).is_none() {
            notes.not_understood(span, "a name that no interface can have".to_owned());
            continue;
        }
        stanzas.push(stanza(link, name, span));
    }
    Interfaces { stanzas, notes: notes.list }
}

fn stanza(link: &Value, name: &str, span: Span) -> Stanza {
    let info = link.get("linkinfo");
    let is_vlan = info.and_then(|info| info.get("info_kind")).is_some_and(|kind| kind == "vlan");
    let id = info.and_then(|info| info.get("info_data")).and_then(|data| data.get("id")).and_then(Value::as_u64);
    let mut stanza = Stanza {
        name: name.to_owned(),
        family: None,
        dhcp: false,
        ra: false,
        addresses: Vec::new(),
        gateways: Vec::new(),
        routes: Vec::new(),
        raw_device: link.get("link").and_then(Value::as_str).map(str::to_owned),
        vlan_id: id.filter(|_| is_vlan).and_then(|id| u16::try_from(id).ok()),
        comment: None,
        span,
    };
    for one in link.get("addr_info").and_then(Value::as_array).into_iter().flatten() {
        let addr = one.get("local").and_then(Value::as_str).and_then(|text| text.parse().ok());
        let length = one.get("prefixlen").and_then(Value::as_u64).and_then(|length| u8::try_from(length).ok());
        let Some((addr, prefix_len)) = addr.zip(length) else { continue };
        let family = Family::of(addr);
        if prefix_len > family.bits() || one.get("scope").is_some_and(|scope| scope == "host") {
            continue;
        }
        // An address that was leased, or announced, comes again by itself.
        if one.get("dynamic").is_some_and(|dynamic| dynamic == true) {
            match family {
                Family::V4 => stanza.dhcp = true,
                Family::V6 => stanza.ra = true,
            }
            continue;
        }
        stanza.addresses.push(InterfaceAddress { addr, prefix_len });
    }
    stanza
}
