//! Counters and elements, from the kernel's attributes.

use crate::attr::{Reader, be32, be64, text};

const NFGENMSG_LEN: usize = 4;

const NFTA_OBJ_TABLE: u16 = 1;
const NFTA_OBJ_NAME: u16 = 2;
const NFTA_OBJ_DATA: u16 = 4;
const NFTA_COUNTER_BYTES: u16 = 1;
const NFTA_COUNTER_PACKETS: u16 = 2;

const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_FLAGS: u16 = 3;
const NFTA_SET_ELEM_TIMEOUT: u16 = 4;
const NFTA_SET_ELEM_EXPIRATION: u16 = 5;
const NFTA_SET_ELEM_EXPR: u16 = 7;
const NFTA_SET_ELEM_KEY_END: u16 = 10;
const NFTA_SET_ELEM_EXPRESSIONS: u16 = 11;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFT_SET_ELEM_INTERVAL_END: u32 = 1;

/// Fields of a key are padded to this many bytes.
const KEY_STEP: usize = 4;

/// What a counter has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes, from the IP header on.
    pub bytes: u64,
}

/// An element of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its fields one behind the other, each padded to four bytes: numbers in network order, interface names with NULs.
    /// See [`fields`].
    pub key: Vec<u8>,
    /// The last key of a range, in sets of several fields.
    pub key_end: Option<Vec<u8>>,
    /// In sets of ranges of one field: this is the first key that the range before it does not hold.
    pub ends_range: bool,
    /// How long it is kept after it was put in or last refreshed, in milliseconds; `None`: always, or as its set says.
    pub timeout_ms: Option<u64>,
    /// How long it is kept from now on, in milliseconds.
    pub expires_ms: Option<u64>,
    /// What it counted, where it counts.
    pub count: Option<Count>,
}

/// A key's fields of these lengths in bytes; `None` where the key is too short.
#[must_use]
pub fn fields<'a>(key: &'a [u8], lens: &[usize]) -> Option<Vec<&'a [u8]>> {
    let mut rest = key;
    let mut list = Vec::with_capacity(lens.len());
    for len in lens {
        list.push(rest.get(..*len)?);
        rest = rest.get(len.next_multiple_of(KEY_STEP)..).unwrap_or(&[]);
    }
    Some(list)
}

/// A counter's name and count, where it is one of this table.
pub(super) fn counter<'a>(body: &'a [u8], table: &str) -> Option<(&'a str, Count)> {
    let (mut name, mut count, mut is_ours) = (None, None, false);
    for (kind, value) in Reader::new(body.get(NFGENMSG_LEN..)?) {
        match kind {
            NFTA_OBJ_TABLE => is_ours = text(value) == Some(table),
            NFTA_OBJ_NAME => name = text(value),
            NFTA_OBJ_DATA => count = counted(value),
            _ => {}
        }
    }
    Some((name?, count?)).filter(|_| is_ours)
}

fn counted(value: &[u8]) -> Option<Count> {
    let number = |wanted| inside(value, wanted).and_then(be64);
    Some(Count { packets: number(NFTA_COUNTER_PACKETS)?, bytes: number(NFTA_COUNTER_BYTES)? })
}

fn inside(value: &[u8], wanted: u16) -> Option<&[u8]> {
    Reader::new(value).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// The elements of one message of the kernel; there are many messages to a set.
pub(super) fn elements(body: &[u8], mut each: impl FnMut(Element)) {
    let Some(attributes) = body.get(NFGENMSG_LEN..) else { return };
    let Some(list) = inside(attributes, NFTA_SET_ELEM_LIST_ELEMENTS) else { return };
    for (kind, value) in Reader::new(list) {
        if kind == NFTA_LIST_ELEM
            && let Some(element) = element(value)
        {
            each(element);
        }
    }
}

/// `None` for the element of everything else (`*`), which has no key.
fn element(value: &[u8]) -> Option<Element> {
    let (mut key, mut key_end, mut flags) = (None, None, 0);
    let (mut timeout_ms, mut expires_ms, mut count) = (None, None, None);
    for (kind, value) in Reader::new(value) {
        match kind {
            NFTA_SET_ELEM_KEY => key = inside(value, NFTA_DATA_VALUE),
            NFTA_SET_ELEM_KEY_END => key_end = inside(value, NFTA_DATA_VALUE),
            NFTA_SET_ELEM_FLAGS => flags = be32(value)?,
            NFTA_SET_ELEM_TIMEOUT => timeout_ms = be64(value),
            NFTA_SET_ELEM_EXPIRATION => expires_ms = be64(value),
            NFTA_SET_ELEM_EXPR => count = count.or_else(|| counting(value)),
            // More than one expression: the first that counts.
            NFTA_SET_ELEM_EXPRESSIONS => {
                count = count.or_else(|| Reader::new(value).find_map(|(_, expression)| counting(expression)));
            }
            _ => {}
        }
    }
    Some(Element {
        key: key?.to_vec(),
        key_end: key_end.map(<[u8]>::to_vec),
        ends_range: flags & NFT_SET_ELEM_INTERVAL_END != 0,
        timeout_ms,
        expires_ms,
        count,
    })
}

fn counting(expression: &[u8]) -> Option<Count> {
    let is_counter = inside(expression, NFTA_EXPR_NAME).and_then(text) == Some("counter");
    inside(expression, NFTA_EXPR_DATA).filter(|_| is_counter).and_then(counted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::Writer;

    #[test]
    fn keys_fall_into_their_fields() {
        let mut key = b"eth0.10\0\0\0\0\0\0\0\0\0".to_vec();
        key.extend([6, 0, 0, 0, 0, 53, 0, 0]);
        let list = fields(&key, &[16, 1, 2]).unwrap();
        assert_eq!(text(list[0]), Some("eth0.10"));
        assert_eq!((list[1], list[2]), (&[6][..], &[0, 53][..]));
        assert_eq!(fields(&key[..20], &[16, 1, 2]), None);
    }

    #[test]
    fn broken_elements_do_no_harm() {
        let mut attrs = Writer::after(&[1, 0, 0, 0]);
        attrs.nest(NFTA_SET_ELEM_LIST_ELEMENTS, |list| {
            list.nest(NFTA_LIST_ELEM, |element| {
                element.nest(NFTA_SET_ELEM_KEY, |key| {
                    key.put(NFTA_DATA_VALUE, &[192, 0, 2, 7]);
                });
                element.put(NFTA_SET_ELEM_EXPIRATION, &5u64.to_be_bytes());
                element.nest(NFTA_SET_ELEM_EXPR, |expression| {
                    expression.put(NFTA_EXPR_NAME, b"counter\0").nest(NFTA_EXPR_DATA, |data| {
                        data.put(NFTA_COUNTER_BYTES, &99u64.to_be_bytes());
                        data.put(NFTA_COUNTER_PACKETS, &3u64.to_be_bytes());
                    });
                });
            });
        });
        let body = attrs.finish();
        let mut found = Vec::new();
        elements(&body, |element| found.push(element));
        assert_eq!((found[0].expires_ms, found[0].count), (Some(5), Some(Count { packets: 3, bytes: 99 })));
        for len in 0..body.len() {
            elements(&body[..len], |_| {});
            counter(&body[..len], "segwall");
        }
    }
}
