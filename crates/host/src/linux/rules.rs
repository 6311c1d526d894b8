//! Replaces our table in the kernel, in one transaction, and cuts what the new rules forbid.

use std::fmt::Write;

use segwall_core::emit::nft::{Program, TABLE};
use serde_json::Value;

use super::Linux;
use super::closing::{self, Closing};
use crate::apply::{Compiled, HostError, Store, Verdict};
use crate::netns::Netns;
use crate::nft::{Nft, NftError};

/// Kinds of objects in a table, in an order in which they can be deleted.
const KINDS: [(&str, &str); 10] = [
    ("chain", "chain"),
    ("map", "map"),
    ("set", "set"),
    ("flowtable", "flowtable"),
    ("counter", "counter"),
    ("quota", "quota"),
    ("limit", "limit"),
    ("secmark", "secmark"),
    ("synproxy", "synproxy"),
    ("ct helper", "ct helper"),
];

/// For a box whose own rules cannot be had: SSH, what is part of a connection, what IPv6 and DHCP need to have an address.
const CLOSED: &str = r#"table inet segwall {
    chain input {
        type filter hook input priority filter; policy drop;
        iifname "lo" accept
        ct state established,related accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
        udp sport 67 udp dport 68 accept
        tcp dport 22 accept
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
    }
}
"#;

impl Linux {
    /// See [`crate::apply::Host::load`].
    pub(super) fn replace_rules(&mut self, from: Option<&Compiled>, to: Option<&Compiled>) -> Result<usize, HostError> {
        let Some(to) = to else {
            let text = format!("{}{}", closing::gone(), table_gone());
            self.nft_load(&text).map_err(|error| HostError::new(format!("remove the table inet {TABLE}"), error))?;
            return Ok(0);
        };
        let closing = Closing::find(self, from, to)?;
        let held = self.quarantine_script(&to.program)?;
        let doing = || format!("load the rules of generation {}", to.number);
        let loaded = self.in_some_way(from, to, &closing.table(), &held).map_err(|error| match error {
            Way::Host(error) => error,
            Way::Nft(error) => HostError::new(doing(), error),
        });
        let cut = loaded.and_then(|()| closing.cut());
        // Whatever came of it: a table that drops what it should not is worse than one that is gone a moment early.
        let opened = self.tidy();
        let cut = cut?;
        opened.map(|()| cut)
    }

    /// In place where the kernel holds what we think it does: counters, limits and what was learned live on. Else whole,
    /// over what is there; else anew.
    /// `held`: who is in quarantine, in every case in the same transaction.
    fn in_some_way(&mut self, from: Option<&Compiled>, to: &Compiled, closing: &str, held: &str) -> Result<(), Way> {
        let has_table = self.has_table(TABLE)?;
        if let Some(from) = from.filter(|_| has_table)
            && self.by_itself(from)? == Verdict::Proved
        {
            match self.nft_load(&format!("{closing}{}{held}", to.program.update_from(&from.program))) {
                Err(NftError::Refused(_)) => {}
                other => return Ok(other?),
            }
        }
        if has_table {
            match self.nft_load(&format!("{closing}{}{held}", self.over_what_is_there(&to.program)?)) {
                // Somebody may have hung a chain elsewhere under a name of ours: that no text of ours mends.
                Ok(()) if self.by_itself(to)? == Verdict::Proved => return Ok(()),
                Ok(()) | Err(NftError::Refused(_)) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Ok(self.nft_load(&format!("{closing}{}{}{held}", table_gone(), to.program.script()))?)
    }

    /// The whole text, and no object left that is not in it.
    fn over_what_is_there(&self, program: &Program) -> Result<String, HostError> {
        let json = self
            .nft_list(&["-j", "-t", "list", "table", "inet", TABLE])
            .map_err(|error| HostError::new(format!("list the table inet {TABLE}"), error))?;
        let listed: Value = serde_json::from_str(&json)
            .map_err(|error| HostError::new(format!("understand what nft lists of the table inet {TABLE}"), error))?;
        let surplus = surplus(&listed, program);
        let mut text = String::new();
        // Nothing can be deleted that a rule still names.
        for (kind, name) in surplus.iter().filter(|(kind, _)| *kind == "chain") {
            let _ = writeln!(text, "flush {kind} inet {TABLE} {name}");
        }
        text.push_str(&program.script());
        for (kind, name) in &surplus {
            let _ = writeln!(text, "delete {kind} inet {TABLE} {name}");
        }
        Ok(text)
    }

    /// See [`crate::apply::Host::close`].
    pub(super) fn close_box(&mut self, unless_loaded: bool) -> Result<(), HostError> {
        if unless_loaded && self.has_table(TABLE)? {
            return Ok(());
        }
        let text = format!("{}{}{CLOSED}", closing::gone(), table_gone());
        self.nft_load(&text).map_err(|error| HostError::new("close the box but for SSH", error))
    }

    /// Removes the closing table, where an interrupted load left it.
    ///
    /// # Errors
    /// When nft refuses.
    pub fn tidy(&mut self) -> Result<(), HostError> {
        self.nft_load(&closing::gone())
            .map_err(|error| HostError::new(format!("remove the table inet {}", closing::TABLE), error))
    }

    /// How many open connections these rules would cut.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn count_forbidden(&mut self, to: &Compiled) -> Result<usize, HostError> {
        let confirmed = Store::confirmed(self)?;
        let from = confirmed.map(|number| Store::compiled(self, number)).transpose()?;
        Closing::find(self, from.as_ref(), to).map(|closing| closing.len())
    }

    /// Whether the kernel has a table of this name in family inet.
    pub(super) fn has_table(&self, name: &str) -> Result<bool, HostError> {
        let list = self
            .nft_list(&["list", "tables", "inet"])
            .map_err(|error| HostError::new("list the kernel's tables", error))?;
        let line = format!("table inet {name}");
        Ok(list.lines().any(|seen| seen.trim() == line))
    }

    pub(super) fn nft_load(&self, text: &str) -> Result<(), NftError> {
        let here = here()?;
        Nft::find()?.load(&here, text)
    }

    pub(super) fn nft_list(&self, args: &[&str]) -> Result<String, NftError> {
        let here = here()?;
        Nft::find()?.list(&here, args)
    }
}

/// Why no way led there.
enum Way {
    Host(HostError),
    Nft(NftError),
}

impl From<HostError> for Way {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

impl From<NftError> for Way {
    fn from(error: NftError) -> Self {
        Self::Nft(error)
    }
}

fn here() -> Result<Netns, NftError> {
    Netns::current().map_err(|error| NftError::Refused(error.to_string()))
}

/// Adding first makes it no fault when there is none.
fn table_gone() -> String {
    format!("add table inet {TABLE}\ndelete table inet {TABLE}\n")
}

/// Objects of our table that a program has not: kind and name, in an order in which they can be deleted.
fn surplus<'a>(listed: &'a Value, program: &Program) -> Vec<(&'static str, &'a str)> {
    let objects = || listed["nftables"].as_array().into_iter().flatten();
    let is_known = |kind: &str, name: &str| match kind {
        "chain" => program.chains.iter().any(|chain| chain.name == name),
        "set" => program.sets.iter().any(|set| set.name == name),
        "counter" => program.counters.iter().any(|counter| counter == name),
        "limit" => program.limits.iter().any(|limit| limit.name == name),
        _ => false,
    };
    // nft 1.0.6 takes no strange names back; such an object needs the whole table to go.
    let is_plain =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    let mut found = Vec::new();
    for (json, kind) in KINDS {
        let names = objects().filter_map(|object| object.get(json)?.get("name")?.as_str());
        found.extend(names.filter(|name| is_plain(name) && !is_known(kind, name)).map(|name| (kind, name)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_found() {
        let listed: Value = serde_json::from_str(
            r#"{"nftables": [{"table": {"name": "segwall"}}, {"set": {"name": "s"}}, {"chain": {"name": "forward"}},
                {"chain": {"name": "theirs"}}, {"counter": {"name": "c"}}, {"set": {"name": "odd name"}}]}"#,
        )
        .expect("JSON");
        let chain = segwall_core::emit::nft::Chain { name: "forward".to_owned(), base: None, rules: Vec::new() };
        let program = Program {
            names: Vec::new(),
            counters: vec!["c".to_owned()],
            limits: Vec::new(),
            sets: Vec::new(),
            chains: vec![chain],
            file: String::new(),
            valid_until: None,
        };
        assert_eq!(surplus(&listed, &program), [("chain", "theirs"), ("set", "s")]);
    }
}
