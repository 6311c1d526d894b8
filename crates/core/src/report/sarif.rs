//! Findings as SARIF 2.1.0 (OASIS), which code hosts and editors read.
//!
//! One run of one tool: every code that was found is a rule with its page, every finding a result with its place, the other
//! places that matter, and the packet that shows it among its properties.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::diag::{Code, Diagnostic, Severity};
use crate::source::{Source, Span};

/// Where the format's own schema stands.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// A finding in its file.
#[derive(Debug, Clone)]
pub struct Located<'f> {
    /// The file.
    pub source: &'f Source,
    /// The finding.
    pub diagnostic: &'f Diagnostic,
    /// The packet that shows it, as JSON output has it.
    pub witness: Option<Value>,
}

/// What is said of a code, besides its findings.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// In a few words.
    pub title: &'a str,
    /// Its page, as Markdown.
    pub page: &'a str,
}

/// The whole log. `about` knows every code.
#[must_use]
pub fn sarif<'a>(version: &str, found: &[Located<'_>], about: &dyn Fn(Code) -> Option<About<'a>>) -> Value {
    let codes: BTreeSet<Code> = found.iter().map(|one| one.diagnostic.code).collect();
    let codes: Vec<Code> = codes.into_iter().collect();
    let rules: Vec<Value> = codes.iter().map(|code| rule(*code, about(*code), found)).collect();
    let results: Vec<Value> = found.iter().map(|one| result(one, &codes)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "segwall", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: Code, about: Option<About<'_>>, found: &[Located<'_>]) -> Value {
    let mut rule = json!({ "id": code.0 });
    if let Some(About { title, page }) = about {
        rule["shortDescription"] = json!({ "text": title });
        rule["help"] = json!({ "text": page, "markdown": page });
    }
    let worst = found.iter().filter(|one| one.diagnostic.code == code).map(|one| one.diagnostic.severity).min();
    if let Some(severity) = worst {
        rule["defaultConfiguration"] = json!({ "level": level(severity) });
    }
    rule
}

fn result(one: &Located<'_>, codes: &[Code]) -> Value {
    let Located { source, diagnostic, witness } = one;
    let index = codes.binary_search(&diagnostic.code).expect("the codes are those of the findings");
    let mut text = diagnostic.message.clone();
    if !diagnostic.label.is_empty() {
        text = format!("{text} ({})", diagnostic.label);
    }
    let mut result = json!({
        "ruleId": diagnostic.code.0,
        "ruleIndex": index,
        "level": level(diagnostic.severity),
        "message": { "text": text },
        "locations": [{ "physicalLocation": place(source, diagnostic.span) }],
    });
    if !diagnostic.labels.is_empty() {
        let related = diagnostic.labels.iter().enumerate().map(|(number, label)| {
            json!({
                "id": number + 1,
                "physicalLocation": place(source, label.span),
                "message": { "text": label.text },
            })
        });
        result["relatedLocations"] = related.collect();
    }
    let mut properties = serde_json::Map::new();
    if let Some(help) = &diagnostic.help {
        properties.insert("help".to_owned(), json!(help));
    }
    if let Some(witness) = witness {
        properties.insert("witness".to_owned(), witness.clone());
    }
    if !properties.is_empty() {
        result["properties"] = Value::Object(properties);
    }
    result
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn place(source: &Source, span: Span) -> Value {
    let (start, end) = (source.position(span.start), source.position(span.end.max(span.start)));
    json!({
        "artifactLocation": { "uri": uri(source.name()) },
        "region": {
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        },
    })
}

/// A file's name as a reference (RFC 3986): what may not stand there is written by its bytes.
fn uri(name: &str) -> String {
    let mut uri = if name.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in name.bytes() {
        // A colon in the first part of a relative name would end a scheme.
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~') {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_references() {
        assert_eq!(uri("rules.v4"), "rules.v4");
        assert_eq!(uri("/etc/iptables/rules.v4"), "file:///etc/iptables/rules.v4");
        assert_eq!(uri("a b:ü"), "a%20b%3A%C3%BC");
        assert_eq!(uri("<stdin>"), "%3Cstdin%3E");
    }

    #[test]
    fn a_finding_is_a_result_with_its_places() {
        let source = Source::new("x", "aé b\nc\n");
        let diagnostic = Diagnostic::warning(Code("SW0901"), Span::new(4..5), "wrong")
            .label("here")
            .also(Span::new(6..7), "and there")
            .help("mend it");
        let found = [Located { source: &source, diagnostic: &diagnostic, witness: Some(json!({ "proto": "tcp" })) }];
        let log = sarif("1.0", &found, &|_| Some(About { title: "a title", page: "a page" }));
        let result = &log["runs"][0]["results"][0];
        assert_eq!(result["message"]["text"], "wrong (here)");
        assert_eq!(result["ruleIndex"], 0);
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert_eq!((&region["startLine"], &region["startColumn"]), (&json!(1), &json!(4)));
        assert_eq!(result["relatedLocations"][0]["message"]["text"], "and there");
        assert_eq!(result["properties"], json!({ "help": "mend it", "witness": { "proto": "tcp" } }));
        assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][0]["help"]["text"], "a page");
    }
}
