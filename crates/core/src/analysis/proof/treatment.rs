//! What a program does with a packet, in terms that somebody who sends it can see.

use super::nat;

/// What becomes of a refutation's packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It passes.
    Pass,
    /// It does not pass; its sender may be told.
    Stop,
    /// It does not pass, and nobody is told.
    Silence,
    /// Its sender gets a TCP reset.
    Reset,
    /// Its sender is told by ICMP that it is administratively prohibited.
    Prohibited,
    /// Its sender is told by ICMP in another way.
    OtherMessage,
    /// It passes and is written down.
    Written,
    /// It passes and is not written down.
    Unwritten,
    /// It passes within another limit, or none: more than one packet shows it.
    Limit,
    /// It is sent on to this destination.
    To(nat::Target),
    /// It is not sent on to this destination.
    NotTo(nat::Target),
    /// Its source stays as it is.
    OwnSource,
    /// It gets the address of the interface it leaves by for its source.
    Masqueraded,
    /// Its source or destination is translated in a way that no policy asks for.
    Translated,
}
