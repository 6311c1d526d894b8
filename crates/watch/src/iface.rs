//! Names of interfaces, as values that can be copied and shown.

use std::fmt;

/// Bytes of an interface's name, without the zero at its end (`IFNAMSIZ` of linux/if.h, less one).
pub const IFACE_BYTES_MAX: usize = 15;

/// An interface's name. Bytes that could do something to a terminal are held as `?`, so it can be shown anywhere.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Iface {
    bytes: [u8; IFACE_BYTES_MAX],
    len: u8,
}

impl Iface {
    /// No interface: the box itself is that end.
    pub const NONE: Self = Self { bytes: [0; IFACE_BYTES_MAX], len: 0 };

    /// A name; what is longer than a name can be is cut.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        let len = name.len().min(IFACE_BYTES_MAX);
        let mut bytes = [0; IFACE_BYTES_MAX];
        for (to, from) in bytes.iter_mut().zip(name) {
            *to = if from.is_ascii_graphic() { *from } else { b'?' };
        }
        Self { bytes, len: u8::try_from(len).expect("at most 15") }
    }

    /// One whose name is not known yet: nobody's, no policy names it.
    #[must_use]
    pub fn unknown() -> Self {
        Self::new(b"?")
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.len == 0
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("only ASCII was put in")
    }
}

impl fmt::Debug for Iface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Iface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_interfaces_do_nothing_to_a_terminal() {
        assert_eq!(Iface::new(b"eth0.10").as_str(), "eth0.10");
        assert_eq!(Iface::new(b"a\x1b[31m\xff").as_str(), "a?[31m?");
        assert_eq!(Iface::new(b"0123456789abcdefgh").as_str(), "0123456789abcde");
        assert!(Iface::new(b"").is_none());
        assert_eq!(Iface::new(b""), Iface::NONE);
    }
}
