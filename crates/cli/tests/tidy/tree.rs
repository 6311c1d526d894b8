//! The files of the repository.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// One text file: its path from the root, with `/`, and its text.
pub struct File {
    pub path: String,
    pub text: String,
}

/// Folders that are made, not written.
const MADE: &[&str] = &["target", ".git", "node_modules"];

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is above its crates")
}

/// Every text file, read once.
pub fn files() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = Vec::new();
        walk(&root(), "", &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(files.len() > 50, "only {} files found: is this the repository?", files.len());
        files
    })
}

fn walk(dir: &Path, prefix: &str, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(dir).expect("a folder of the repository") {
        let entry = entry.expect("readable");
        let name = entry.file_name().into_string().expect("file names are UTF-8");
        let kind = entry.file_type().expect("known");
        // The fuzzer's inputs are what no person would write.
        if MADE.contains(&name.as_str()) || (prefix == "fuzz" && name == "corpus") {
            continue;
        }
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if kind.is_dir() {
            walk(&entry.path(), &path, files);
        } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
            files.push(File { path, text }); // what is not UTF-8 is a test's input
        }
    }
}

impl File {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Rust that ends up in a program or library: no tests, benches, examples, fuzzers.
    pub fn is_product(&self) -> bool {
        self.is_rust() && self.path.starts_with("crates/") && self.path.contains("/src/")
    }

    /// Lines with their numbers, without unit tests at the end of the file and without comment lines.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..)
            .zip(self.text.lines())
            .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The crate it belongs to.
    pub fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }
}

/// Fails with every fault found, a line each.
pub fn none(what: &str, faults: Vec<String>) {
    assert!(faults.is_empty(), "{what}:\n  {}\n", faults.join("\n  "));
}
