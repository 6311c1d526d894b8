//! Links between the documents lead somewhere.

use std::collections::BTreeSet;

use crate::tree::{File, files, none, root};

#[test]
fn links_in_documents_lead_somewhere() {
    let mut faults = Vec::new();
    let mut seen = 0;
    for file in files().iter().filter(|file| file.path.ends_with(".md")) {
        for link in links(&file.text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let path = if target.is_empty() { file.path.clone() } else { joined(folder, target) };
            if !root().join(&path).exists() {
                faults.push(format!("{}: {link}: there is no {path}", file.path));
            } else if !anchor.is_empty()
                && let Some(page) = files().iter().find(|page| page.path == path)
                && !anchors(page).contains(anchor)
            {
                faults.push(format!("{}: {link}: {path} has no such heading", file.path));
            }
        }
    }
    assert!(seen > 5, "only {seen} links found: are they still read?");
    none("links that lead nowhere", faults);
}

/// What stands in `](…)`, outside of code.
fn links(text: &str) -> Vec<&str> {
    let mut in_code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            let parts = line.split("](").skip(1);
            found.extend(parts.filter_map(|part| part.split([')', ' ']).next()).filter(|link| !link.is_empty()));
        }
    }
    found
}

/// A relative path from a folder, `..` taken away.
fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Headings as GitHub names them.
fn anchors(page: &File) -> BTreeSet<String> {
    page.text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
                    _ => None,
                })
                .collect()
        })
        .collect()
}

#[test]
fn links_are_found() {
    assert_eq!(links("a [b](c.md) and [d](../e.md#f \"t\")\n```\n[x](y)\n```\n"), ["c.md", "../e.md#f"]);
    assert_eq!(joined("docs/adr", "../policy.md"), "docs/policy.md");
}
