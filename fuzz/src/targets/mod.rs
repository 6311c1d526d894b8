//! What is done with every input. The fuzzer runs these, and a plain test runs them over the corpus that is kept.
//!
//! Whatever the bytes are: no panic, no place outside the text, and a space that never grows past its budget. Beyond
//! that, whatever was read has to be consistent: a packet that is neither accepted nor dropped does not exist, and
//! nothing is left open without a reason being named.

mod files;
mod iptables;
mod klog;
mod meaning;
mod nft;
mod places;
mod policy;

/// Something that reads, and is tried with any bytes.
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// What is done with an input. A fault is a panic.
    pub run: fn(&[u8]),
    /// Words of its language, which the fuzzer puts where they do not belong.
    pub words: &'static [&'static str],
}

/// Every reader.
pub const ALL: &[Target] = &[
    Target { name: "policy", run: policy::run, words: policy::WORDS },
    Target { name: "nft_json", run: nft::run, words: nft::WORDS },
    Target { name: "iptables_save", run: iptables::save, words: iptables::WORDS },
    Target { name: "iptables_script", run: iptables::script, words: iptables::SCRIPT_WORDS },
    Target { name: "ipset_save", run: iptables::sets, words: iptables::SET_WORDS },
    Target { name: "interfaces", run: files::interfaces, words: files::INTERFACES_WORDS },
    Target { name: "dhcpd", run: files::dhcpd, words: files::DHCPD_WORDS },
    Target { name: "ip_addr", run: files::addresses, words: files::ADDRESSES_WORDS },
    Target { name: "import", run: files::import, words: files::IMPORT_WORDS },
    Target { name: "klog", run: klog::run, words: klog::WORDS },
];

/// The target of this name.
#[must_use]
pub fn named(name: &str) -> &'static Target {
    ALL.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no target is named {name}"))
}
