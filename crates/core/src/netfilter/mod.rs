//! What a kernel runs: tables, chains, rules and sets, read from the kernel or from files, and what they mean.

pub mod iptables;
pub mod meaning;
mod model;
mod nft;
mod script;

pub use iptables::{
    IpSets, read_ipset_save, read_iptables_save, read_iptables_save_with, read_iptables_script,
    read_iptables_script_with,
};
pub use model::{
    Action, Base, Chain, ChainKind, Content, Element, Hook, Key, Log, Match, Nat, NatKind, Note, NoteKind, Program,
    Rate, Reject, Rule, Set, Step, Table, TableFamily, Unknown, Values, Verdicts,
};
pub use nft::{NftJsonError, place_nft_rules, read_nft_json};
pub use script::{Call, Change, Script};
