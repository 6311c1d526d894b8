//! What others set up on the box: their files, services and tables; and their tables retired and brought back.

use std::time::Duration;

use segwall_core::emit::nft::TABLE;
use segwall_core::plan::{DIRS, FILES, ForeignTable, SERVICES, Seen};

use super::Linux;
use super::closing;
use super::run::{self, Overdue};
use crate::apply::HostError;
use crate::exec;

/// Tables that iptables makes in nftables (iptables-nft's `xtables_ipv4`).
const OF_IPTABLES: [&str; 5] = ["filter", "nat", "mangle", "raw", "security"];
const SAVE: Duration = Duration::from_secs(30);
/// A table's text beyond this is not kept, so it is not taken over either.
const TEXT_BYTES_MAX: usize = 16 << 20;

impl Linux {
    pub(super) fn others_traces(&mut self) -> Result<Seen, HostError> {
        let mut seen = Seen::default();
        let mut paths: Vec<String> = FILES.map(str::to_owned).into();
        for dir in DIRS {
            paths.extend(self.root.list(dir)?.into_iter().map(|name| format!("{dir}/{name}")));
        }
        for path in paths {
            // A directory, a socket: not what is looked for.
            if let Ok(Some(file)) = self.root.read(&path) {
                seen.files.insert(path, file);
            }
        }
        for name in SERVICES {
            let state = self.init.state(&self.root, name)?;
            if state.installed {
                seen.services.insert(name.to_owned(), state);
            }
        }
        let list =
            self.nft_list(&["list", "tables"]).map_err(|error| HostError::new("list the kernel's tables", error))?;
        for line in list.lines() {
            let mut words = line.split_whitespace().skip(1);
            let (Some(family), Some(name)) = (words.next(), words.next()) else { continue };
            if family == "inet" && [TABLE, closing::TABLE].contains(&name) {
                continue;
            }
            seen.tables.push(self.kept(family, name)?);
        }
        Ok(seen)
    }

    /// A table with what brings it back. iptables' own are kept as it says them: nft cannot say all of their matches.
    fn kept(&self, family: &str, name: &str) -> Result<ForeignTable, HostError> {
        let doing = || format!("keep a copy of table {family} {name}");
        let save = match family {
            "ip" => Some("iptables-save"),
            "ip6" => Some("ip6tables-save"),
            _ => None,
        };
        let save = save.filter(|program| OF_IPTABLES.contains(&name) && exec::find(program).is_some());
        let text = match save {
            Some(program) => {
                let ran = run::output(program, &["-c", "-t", name], SAVE)?;
                ran.ok_or_else(|| HostError::new(doing(), format!("{program} failed")))?
            }
            None => self.nft_list(&["list", "table", family, name]).map_err(|error| HostError::new(doing(), error))?,
        };
        if text.len() > TEXT_BYTES_MAX {
            return Err(HostError::new(doing(), format!("it is larger than {} MiB", TEXT_BYTES_MAX >> 20)));
        }
        Ok(ForeignTable { family: family.to_owned(), name: name.to_owned(), iptables: save.is_some(), text })
    }

    /// Why the copy of a table that is to go would not bring it back, asked of the program that would have to: `None` when
    /// it would.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn cannot_come_back(&self, table: &ForeignTable) -> Result<Option<String>, HostError> {
        let (family, name) = (&table.family, &table.name);
        let (program, args, text): (_, &[&str], _) = match (table.iptables, family.as_str()) {
            (true, "ip6") => ("ip6tables-restore", &["--test"], table.text.clone()),
            (true, _) => ("iptables-restore", &["--test"], table.text.clone()),
            (false, _) => {
                let anew = format!("add table {family} {name}\ndelete table {family} {name}\n{}", table.text);
                ("nft", &["-c", "-f", "-"], anew)
            }
        };
        let ran = run::run_with(program, args, &text, SAVE, Overdue::Kill)?;
        Ok((!ran.ok()).then(|| {
            let why = run::sentence(program, args, &ran, SAVE);
            format!("table {family} {name} could not be brought back, were it retired: {why}; retire it by hand")
        }))
    }

    /// Brings a table of others back, or deletes it.
    pub(super) fn table(&mut self, table: &ForeignTable, present: bool) -> Result<(), HostError> {
        let (family, name) = (&table.family, &table.name);
        let gone = format!("add table {family} {name}\ndelete table {family} {name}\n");
        if !present {
            return self
                .nft_load(&gone)
                .map_err(|error| HostError::new(format!("delete table {family} {name}"), error));
        }
        let doing = || format!("bring table {family} {name} back");
        if !table.iptables {
            return self.nft_load(&format!("{gone}{}", table.text)).map_err(|error| HostError::new(doing(), error));
        }
        let program = if family == "ip6" { "ip6tables-restore" } else { "iptables-restore" };
        let ran = run::run_with(program, &["-c"], &table.text, SAVE, Overdue::Kill)?;
        if ran.ok() { Ok(()) } else { Err(HostError::new(doing(), run::sentence(program, &["-c"], &ran, SAVE))) }
    }
}
