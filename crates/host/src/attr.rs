//! Netlink attributes: type, length, value, padded to four bytes (`linux/netlink.h`).

/// Set on an attribute that holds attributes.
const NLA_F_NESTED: u16 = 1 << 15;
const NLA_TYPE_MASK: u16 = 0x3fff;
const HEADER_LEN: usize = 4;

/// Writes attributes one behind the other.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Begins with the fixed header of a message.
    #[must_use]
    pub fn after(header: &[u8]) -> Self {
        Self { bytes: header.to_vec() }
    }

    /// An attribute with these bytes.
    pub fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.header(kind, value.len());
        self.bytes.extend_from_slice(value);
        self.pad();
        self
    }

    /// A number of 16 bits in network order, as netfilter has them.
    pub fn put_be16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// A number of 32 bits in network order.
    pub fn put_be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// Attributes inside an attribute.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Writer)) -> &mut Self {
        let mut inner = Writer::default();
        fill(&mut inner);
        self.put(kind | NLA_F_NESTED, &inner.bytes)
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn header(&mut self, kind: u16, value_len: usize) {
        let len = u16::try_from(HEADER_LEN + value_len).expect("our attributes stay far below 64 KiB");
        self.bytes.extend_from_slice(&len.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Reads attributes one behind the other; stops at the first that does not fit.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads what stands in these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let len = usize::from(u16::from_ne_bytes(self.bytes.get(0..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(self.bytes.get(2..4)?.try_into().ok()?) & NLA_TYPE_MASK;
        let value = self.bytes.get(HEADER_LEN..len)?;
        self.bytes = self.bytes.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    }
}

/// A number of 16 bits in network order, if the value is one.
#[must_use]
pub fn be16(value: &[u8]) -> Option<u16> {
    value.try_into().ok().map(u16::from_be_bytes)
}

/// A number of 32 bits in network order, if the value is one.
#[must_use]
pub fn be32(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// A number of 64 bits in network order, if the value is one.
#[must_use]
pub fn be64(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

/// Text up to its NUL; `None` where it is none.
#[must_use]
pub fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value.split(|byte| *byte == 0).next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::after(&[]);
        writer.put(1, b"abc").nest(2, |inner| {
            inner.put_be16(3, 0x1234).put_be32(4, 7);
        });
        let bytes = writer.finish();
        assert_eq!(bytes.len() % 4, 0);
        let outer: Vec<_> = Reader::new(&bytes).collect();
        assert_eq!(outer[0], (1, &b"abc"[..]));
        assert_eq!(outer[1].0, 2);
        let inner: Vec<_> = Reader::new(outer[1].1).collect();
        assert_eq!(be16(inner[0].1), Some(0x1234));
        assert_eq!(be32(inner[1].1), Some(7));
    }

    #[test]
    fn broken_bytes_end_the_reading() {
        assert_eq!(Reader::new(&[200, 0, 1, 0, 9]).count(), 0);
        assert_eq!(Reader::new(&[3, 0, 1, 0]).count(), 0);
        assert_eq!(Reader::new(&[4]).count(), 0);
    }
}
