//! What stands before `IN=`: a time, a host, who says it, and the rule's prefix.

use super::stamp::Stamps;
use crate::event::At;

/// The line is another program's.
#[derive(Debug)]
pub struct NotKernel;

/// What stands before a packet.
pub struct Head<'a> {
    /// When it was said.
    pub at: Option<At>,
    /// The rule's prefix.
    pub prefix: &'a [u8],
}

/// Reads it.
pub fn read<'a>(text: &'a [u8], stamps: &mut Stamps) -> Result<Head<'a>, NotKernel> {
    let rest = after_level(text);
    let (at, rest) = match stamps.read(rest) {
        Some((at, rest)) => (Some(at), after_tag(rest)?),
        None => match memchr::memmem::find(rest, b"kernel: ") {
            // A time that is not known here: what the kernel said is still clear.
            Some(tag) if !is_said_by_another(&rest[..tag]) => (None, &rest[tag + b"kernel: ".len()..]),
            Some(_) => return Err(NotKernel),
            None if is_said_by_another(rest) => return Err(NotKernel),
            None => (None, rest),
        },
    };
    match stamps.since_boot(after_level(rest)) {
        Some((since_boot, prefix)) => Ok(Head { at: at.or(Some(since_boot)), prefix }),
        None => Ok(Head { at, prefix: after_level(rest) }),
    }
}

/// `<4>` of printk and syslog, and the version of RFC 5424 behind it (`<4>1 `).
fn after_level(text: &[u8]) -> &[u8] {
    let Some(inside) = text.strip_prefix(b"<") else { return text };
    let digits = inside.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    match inside.get(digits) {
        Some(b'>') if digits > 0 => {
            let rest = &inside[digits + 1..];
            rest.strip_prefix(b"1 ").unwrap_or(rest)
        }
        _ => text,
    }
}

/// Behind `HOST kernel: `. RFC 5424 has `HOST kernel - - - ` there, dmesg has nothing.
fn after_tag(text: &[u8]) -> Result<&[u8], NotKernel> {
    if text.starts_with(b"[") || text.is_empty() {
        return Ok(text);
    }
    let Some(space) = memchr::memchr(b' ', text) else { return bare(text) };
    let said = &text[space + 1..];
    // The host may be missing: `kernel: …`.
    for tag in [text, said] {
        if let Some(after) = tag.strip_prefix(b"kernel") {
            if let Some(after) = after.strip_prefix(b": ").or_else(|| after.strip_prefix(b":")) {
                return Ok(after);
            }
            if let Some(after) = after.strip_prefix(b" - - - ").or_else(|| after.strip_prefix(b" - - ")) {
                return Ok(after);
            }
            // `kernel[0]: `, and `kernel[123.456]: ` of some old syslogds.
            if let Some(inside) = after.strip_prefix(b"[")
                && let Some(end) = memchr::memmem::find(&inside[..inside.len().min(20)], b"]: ")
                && inside[..end].iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b' '))
            {
                return Ok(&inside[end + 3..]);
            }
        }
    }
    bare(text)
}

/// A time with the message right behind it, as dmesg prints it: nobody's tag is in it.
fn bare(text: &[u8]) -> Result<&[u8], NotKernel> {
    if is_said_by_another(text) { Err(NotKernel) } else { Ok(text) }
}

/// Whether it has a tag such as `sshd[123]: `, `HOST dnsmasq: `, or is longer than any prefix (127 bytes in nft).
fn is_said_by_another(text: &[u8]) -> bool {
    const PREFIX_BYTES_MAX: usize = 128;
    if text.len() > PREFIX_BYTES_MAX || memchr::memmem::find(text, b"]: ").is_some() {
        return true;
    }
    // `host program: `: two words, the second ends in a colon that more text follows.
    let mut words = text.split(|byte| *byte == b' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let more = words.next().is_some_and(|word| !word.is_empty());
    more && !first.is_empty() && !first.ends_with(b":") && second.ends_with(b":")
}
