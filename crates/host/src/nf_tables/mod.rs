//! What nf_tables has counted, and what its sets hold, straight by netlink (`linux/netfilter/nf_tables.h`): a listing by
//! `nft` of 5,000 counters takes longer than the second after which they are read again.

mod changes;
mod read;

use std::collections::BTreeMap;

use netlink_sys::protocols::NETLINK_NETFILTER;
use thiserror::Error;

use crate::attr::Writer;
use crate::netlink::{NetlinkError, Socket};

pub use changes::Changes;
pub use read::{Count, Element, fields};

const SUBSYS: u16 = 10 << 8;
const NFT_MSG_GETSETELEM: u16 = SUBSYS | 13;
const NFT_MSG_GETOBJ: u16 = SUBSYS | 19;

const NFTA_OBJ_TABLE: u16 = 1;
const NFTA_OBJ_TYPE: u16 = 3;
const NFT_OBJECT_COUNTER: u32 = 1;

const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
const NFTA_SET_ELEM_LIST_SET: u16 = 2;

const NFPROTO_INET: u8 = 1;

/// A set is read again this often when somebody changed it meanwhile.
const READS_MAX: usize = 5;
/// Elements of a set, or counters of a table, that are read at most; ours hold fewer.
pub const OBJECTS_MAX: usize = 1_048_576;

/// The rules' counters could not be read.
#[derive(Debug, Error)]
pub enum NfTablesError {
    /// No socket.
    #[error("cannot talk to nf_tables; is it missing in this kernel?")]
    Open(#[source] NetlinkError),
    /// Counters were not read.
    #[error("cannot read the counters of the table inet {table}")]
    Counters {
        /// The table.
        table: String,
        /// What the kernel said.
        source: NetlinkError,
    },
    /// Elements were not read.
    #[error("cannot read the elements of the set {set} in the table inet {table}")]
    Elements {
        /// The table.
        table: String,
        /// The set.
        set: String,
        /// What the kernel said.
        source: NetlinkError,
    },
    /// There are more than anybody would read.
    #[error("the table inet {table} holds more than {OBJECTS_MAX} counters or elements; they are not read")]
    TooMany {
        /// The table.
        table: String,
    },
    /// It changed all the time.
    #[error("the table inet {table} changes too fast to be read; wait until whoever loads rules is done")]
    Unsteady {
        /// The table.
        table: String,
    },
}

impl NfTablesError {
    /// Whether there is no such table or set.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Counters { source, .. } | Self::Elements { source, .. } => {
                source.refused_with() == Some(libc::ENOENT)
            }
            Self::Open(_) | Self::TooMany { .. } | Self::Unsteady { .. } => false,
        }
    }
}

/// A socket to nf_tables of the namespace it was opened in.
#[derive(Debug)]
pub struct NfTables {
    socket: Socket,
}

impl NfTables {
    /// Opens it in the current namespace.
    ///
    /// # Errors
    /// When the kernel has no nf_tables.
    pub fn open() -> Result<Self, NfTablesError> {
        Socket::open(NETLINK_NETFILTER).map(|socket| Self { socket }).map_err(NfTablesError::Open)
    }

    /// Every named counter of a table of the family `inet`; none of a table that is not there.
    ///
    /// # Errors
    /// See [`NfTablesError`].
    pub fn counters(&mut self, table: &str) -> Result<BTreeMap<String, Count>, NfTablesError> {
        let mut attrs = Writer::after(&[NFPROTO_INET, 0, 0, 0]);
        attrs.put(NFTA_OBJ_TABLE, &terminated(table)).put_be32(NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
        let body = attrs.finish();
        for _ in 0..READS_MAX {
            let mut found = BTreeMap::new();
            let mut over = false;
            let whole = self
                .socket
                .dump_checked(NFT_MSG_GETOBJ, body.clone(), |body| {
                    if let Some((name, count)) = read::counter(body, table) {
                        over |= found.len() >= OBJECTS_MAX;
                        if !over {
                            found.insert(name.to_owned(), count);
                        }
                    }
                })
                .map_err(|source| NfTablesError::Counters { table: table.to_owned(), source })?;
            if over {
                return Err(NfTablesError::TooMany { table: table.to_owned() });
            }
            if whole {
                return Ok(found);
            }
        }
        Err(NfTablesError::Unsteady { table: table.to_owned() })
    }

    /// Every element of a set of a table of the family `inet`.
    ///
    /// # Errors
    /// See [`NfTablesError`].
    pub fn elements(&mut self, table: &str, set: &str) -> Result<Vec<Element>, NfTablesError> {
        let mut attrs = Writer::after(&[NFPROTO_INET, 0, 0, 0]);
        attrs.put(NFTA_SET_ELEM_LIST_TABLE, &terminated(table)).put(NFTA_SET_ELEM_LIST_SET, &terminated(set));
        let body = attrs.finish();
        for _ in 0..READS_MAX {
            let mut found = Vec::new();
            let mut over = false;
            let whole = self
                .socket
                .dump_checked(NFT_MSG_GETSETELEM, body.clone(), |body| {
                    read::elements(body, |element| {
                        over |= found.len() >= OBJECTS_MAX;
                        if !over {
                            found.push(element);
                        }
                    });
                })
                .map_err(|source| NfTablesError::Elements { table: table.to_owned(), set: set.to_owned(), source })?;
            if over {
                return Err(NfTablesError::TooMany { table: table.to_owned() });
            }
            if whole {
                return Ok(found);
            }
        }
        Err(NfTablesError::Unsteady { table: table.to_owned() })
    }
}

fn terminated(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}
