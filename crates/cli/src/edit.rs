//! Changes of a policy file that keep everything else of it: comments, order, spaces.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use jiff::civil::Date;
use segwall_core::policy::write_service;
use segwall_core::review::Narrower;
use similar::TextDiff;
use toml_edit::{Array, DocumentMut, Item, Value};

/// A policy that writes its tables in a way we do not edit.
pub type Refusal = String;

fn parse(text: &str) -> Result<DocumentMut, Refusal> {
    text.parse().map_err(|error: toml_edit::TomlError| format!("the policy cannot be edited: {}", error.message()))
}

/// Has a segment learn until the end of a day, or no more.
pub fn learn(text: &str, segment: &str, until: Option<Date>) -> Result<String, Refusal> {
    let mut document = parse(text)?;
    let table = document
        .get_mut("segments")
        .and_then(|segments| segments.get_mut(segment))
        .and_then(Item::as_table_like_mut)
        .ok_or_else(|| format!("there is no segment `{segment}` to be edited"))?;
    match until {
        None => drop(table.remove("learn_until")),
        Some(day) => {
            let day: toml_edit::Datetime =
                day.to_string().parse().map_err(|_| "the day cannot be written".to_owned())?;
            table.insert("learn_until", Item::Value(Value::from(day)));
        }
    }
    Ok(document.to_string())
}

/// Gives an accept, counted from 0 in the file's order, what would have been enough.
pub fn narrow(text: &str, accept: usize, to: &Narrower) -> Result<String, Refusal> {
    let mut document = parse(text)?;
    let table = document
        .get_mut("accept")
        .and_then(Item::as_array_of_tables_mut)
        .and_then(|tables| tables.get_mut(accept))
        .ok_or("rules that are no [[accept]] of their own are not edited")?;
    let services = to.services.as_ref().map(|list| list.iter().map(write_service).collect::<Vec<_>>());
    for (key, list) in [("service", &services), ("to", &to.to), ("from", &to.from)] {
        let Some(list) = list else { continue };
        let mut value = match list.as_slice() {
            [one] => Value::from(one.as_str()),
            many => Value::Array(many.iter().map(String::as_str).collect::<Array>()),
        };
        // A comment behind the old value stays.
        if let Some(old) = table.get(key).and_then(Item::as_value) {
            *value.decor_mut() = old.decor().clone();
        }
        match table.get_mut(key) {
            Some(item) => *item = Item::Value(value),
            None => drop(table.insert(key, Item::Value(value))),
        }
    }
    Ok(document.to_string())
}

/// What changes, as a unified diff.
pub fn diff(name: &str, before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    diff.unified_diff().context_radius(2).header(name, &format!("{name} (proposed)")).to_string()
}

/// Puts the new text in the old one's place, whole or not at all, with its mode and owner; a link stays a link. Where the
/// file is not what was read any more, it stays as it is.
pub fn write(path: &Path, before: &str, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let old = fs::metadata(&path)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(name);
    let put = || {
        // Nobody reads it before it has the owner and the mode of the old one: a policy may hold secrets.
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        fchown(&file, Some(old.uid()), Some(old.gid()))?;
        file.set_permissions(old.permissions())?;
        file.sync_all()?;
        if fs::read(&path)? != before.as_bytes() {
            return Err(io::Error::other("somebody changed it in the meantime; look at it, and run this again"));
        }
        fs::rename(&beside, &path)?;
        File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    put().inspect_err(|_| drop(fs::remove_file(&beside)))
}

#[cfg(test)]
mod tests {
    use segwall_core::policy::{Ports, Service};

    use super::*;

    const TEXT: &str = "# The office\n[segments.office] # with people\nvlan = 10\n\n[[accept]]\nfrom = \"office\"\n\
        to = \"server\" # all of them?\n\n# second\n[[accept]]\nfrom = \"a\"\nto = \"b\"\n";

    #[test]
    fn a_segment_learns_and_learns_no_more() {
        let on = learn(TEXT, "office", Some(jiff::civil::date(2026, 12, 1))).unwrap();
        assert!(on.contains("vlan = 10\nlearn_until = 2026-12-01\n"), "{on}");
        assert_eq!(learn(&on, "office", None).unwrap(), TEXT);
        assert!(learn(TEXT, "nobody", None).is_err() && learn("a = [", "office", None).is_err());
        let inline = "segments = { office = { vlan = 10 } }\n";
        let on = learn(inline, "office", Some(jiff::civil::date(2026, 12, 1))).unwrap();
        assert_eq!(on, "segments = { office = { vlan = 10 , learn_until = 2026-12-01 } }\n");
    }

    #[test]
    fn a_rule_is_narrowed_and_its_comments_stay() {
        let port = segwall_packetset::PortRange::single(1433);
        let narrower = Narrower {
            services: Some(vec![Service { proto: 6, ports: Ports::Range(port) }]),
            to: Some(vec!["db".to_owned(), "server/10.2.0.6".to_owned()]),
            from: None,
        };
        let text = narrow(TEXT, 0, &narrower).unwrap();
        assert!(text.contains("to = [\"db\", \"server/10.2.0.6\"] # all of them?\nservice = \"tcp/1433\"\n"), "{text}");
        assert!(text.contains("# second\n[[accept]]\nfrom = \"a\"\nto = \"b\"\n"));
        assert!(narrow(TEXT, 2, &narrower).is_err());
        let shown = diff("p.toml", TEXT, &text);
        assert!(
            shown.contains("-to = \"server\" # all of them?\n+to = [") && !shown.contains("from = \"a\""),
            "{shown}"
        );
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("p.toml"), dir.path().join("link.toml"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, "old", "new").unwrap();
        assert!(write(&link, "old", "newer").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
