//! Every text of a policy, filled with what ends lines, quotes and blocks: `check` refuses it, or what is emitted says the
//! same as with a harmless text in its place.

use proptest::test_runner::{Config, TestRunner};
use segwall_core::emit::System;

use super::readers::words;
use super::{SYSTEMS, everything, read};

/// A policy with `@` where a text of it goes; `@N` is the N-th.
const POLICY: &str = r#"
[gateway]
trunk = @0
management = [@1]
timezone = @2
[uplinks.wan]
interface = @3
addresses = ["dhcp"]
[segments.@4]
vlan = 10
device = @5
subnets = [@6]
dhcp = { pool = @7, dns = ["gateway", @8], ntp = [@9], domain = @10, lease = @11, options = { 66 = @12, 224 = @13, 252 = @14, 43 = @15 } }
[segments.admin]
interface = "eth2"
subnets = ["10.0.1.0/24"]
[dns]
upstream = [@16]
[hosts.@17]
address = @18
mac = @19
[sets.@20]
in = "admin"
addresses = [@21]
[services]
@22 = ["tcp/8443"]
[[accept]]
from = "admin"
to = "internet"
service = @23
comment = @24
[dhcp]
server = @25
[log]
remote = @26
[[notify]]
webhook = @27
[[notify]]
command = ["/usr/bin/page", @28]
[[notify]]
email = @29
smtp = @30
"#;

const HARMLESS: [&str; 31] = [
    "eth0",
    "admin",
    "Europe/Berlin",
    "eth1",
    "harmseg",
    "harmdev",
    "10.0.0.0/24",
    "10.0.0.100-10.0.0.200",
    "10.0.1.53",
    "10.0.1.123",
    "harmdomain.example",
    "10m",
    "harmtftp",
    "harmown",
    "harmproxy",
    "harmvendor",
    "9.9.9.9",
    "harmhost",
    "10.0.0.5",
    "02:00:00:00:00:05",
    "harmset",
    "10.0.1.7",
    "harmservice",
    "tcp/443",
    "harmless words",
    "dnsmasq",
    "tcp://harmlog.example:514",
    "https://harmhook.example/x",
    "harmarg",
    "noc@harmmail.example",
    "smtps://harmsmtp.example",
];

/// The file's name is a text too: the last of the fields.
const FIELDS: usize = HARMLESS.len() + 1;
/// Fields that take nearly every text. In them it stands between words of its own, so that a word of the files that looks
/// like it is not taken for it.
const FREE: [usize; 7] = [12, 13, 14, 15, 24, 28, FIELDS - 1];

fn toml(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// The policy with one text in place of a harmless one, and its file's name.
fn policy(field: usize, text: &str) -> (String, String) {
    let mut policy = POLICY.to_owned();
    // From the last on: `@1` begins `@10`.
    for (number, harmless) in HARMLESS.iter().enumerate().rev() {
        policy = policy.replace(&format!("@{number}"), &toml(if number == field { text } else { harmless }));
    }
    let file = if field == HARMLESS.len() { text } else { "harmless.toml" };
    (file.to_owned(), policy)
}

fn hexadecimal(text: &str, between: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(between)
}

/// What each file says, with the text under test in every form it may take replaced by one word.
fn meaning(field: usize, text: &str) -> Result<Vec<(String, Vec<String>)>, String> {
    let (file, policy) = policy(field, text);
    let sound = read(&file, &policy)?;
    let forms = [format!("\"{text}"), text.to_owned(), hexadecimal(text, ":"), hexadecimal(text, "").to_uppercase()];
    let text = if field == HARMLESS.len() { shown(text) } else { text.to_owned() };
    let mut all = Vec::new();
    for system in SYSTEMS {
        for artifact in everything(&sound, system).artifacts {
            let found = words(&artifact).unwrap_or_else(|why| panic!("{} with {text:?}: {why}", artifact.path));
            let same = found.into_iter().map(|word| match () {
                () if forms.contains(&word) => "TEXT".to_owned(),
                () => word.replace(&text, "TEXT"),
            });
            all.push((artifact.path.clone(), same.collect()));
        }
    }
    Ok(all)
}

/// A file's name in a comment: its last part, without what would end a comment or a text.
fn shown(name: &str) -> String {
    let safe = |c: char| if matches!(c, ' '..='~') && !matches!(c, '"' | '\'' | '\\') { c } else { '_' };
    name.rsplit('/').next().unwrap_or_default().chars().map(safe).collect()
}

/// Whether the policy was accepted; then it must say the same.
fn harmless_or_refused(field: usize, text: &str) -> bool {
    let free = |text: &str| if FREE.contains(&field) { format!("zq{text}qz") } else { text.to_owned() };
    let Ok(got) = meaning(field, &free(text)) else { return false };
    let harmless = free(HARMLESS.get(field).copied().unwrap_or("harmless.toml"));
    let wanted = meaning(field, &harmless).expect("the harmless policy is sound");
    for ((path, got), (_, wanted)) in got.iter().zip(&wanted) {
        let at = got.iter().zip(wanted).position(|(a, b)| a != b);
        assert!(
            got == wanted,
            "field {field} with {text:?} changes {path} at word {at:?}: {:?} instead of {:?}",
            at.map(|at| &got[at]),
            at.map(|at| &wanted[at])
        );
    }
    true
}

const HOSTILE: [&str; 30] = [
    "x\ny",
    "x\r\ny",
    "\n}\n",
    "x\0y",
    "x\u{85}y",
    "x\u{2028}y",
    "\"",
    "x\"; y \"z",
    "'",
    "x'y",
    ";",
    "x; y",
    "$(reboot)",
    "`reboot`",
    "${IFS}",
    "$x",
    "{",
    "}",
    "x } y {",
    "#",
    "x # y",
    "//",
    "/* x */",
    "\\",
    "x\\",
    "\\\"",
    "a,b",
    "=",
    "x=y",
    "ä€😀",
];

#[test]
fn no_text_of_a_policy_says_more_than_itself() {
    let mut accepted = 0;
    for field in 0..FIELDS {
        for text in HOSTILE {
            accepted += usize::from(harmless_or_refused(field, text));
        }
    }
    // Options, the comment, an argument of a command and the file's name take nearly everything.
    assert!(accepted > 100, "only {accepted} were accepted: the test has lost its object");
}

#[test]
fn no_random_text_says_more_than_itself() {
    let cases = if std::env::var_os("SEGWALL_FULL").is_some() { 2_000 } else { 200 };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let texts = "[a-z0-9\"'\\\\;,#={}()$`/ \n\t\u{0}\u{1}:.äß-]{1,24}";
    let outcome = runner.run(&(0..FIELDS, texts), |(field, text)| {
        // A name that is also a word of the files would be replaced in them everywhere.
        if text.len() > 6 || FREE.contains(&field) {
            harmless_or_refused(field, &text);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn the_readers_would_notice() {
    let spoil = |from: &str, to: &str, path: &str| {
        let sound = read("x.toml", &policy(0, HARMLESS[0]).1).expect("sound");
        let bundle = everything(&sound, System::Alpine);
        let mut artifact = bundle.artifacts.into_iter().find(|artifact| artifact.path == path).expect("emitted");
        let before = words(&artifact);
        let text = String::from_utf8(artifact.bytes).expect("text");
        let spoilt = text.replacen(from, to, 1);
        assert_ne!(text, spoilt, "{path} holds {from}");
        artifact.bytes = spoilt.into_bytes();
        assert_ne!(before, words(&artifact), "{path}");
    };
    spoil("\"harmtftp\"", "\"harm\ntftp\"", "/etc/segwall/dnsmasq.conf");
    spoil("\"harmtftp\"", "\"harmtftp\",x", "/etc/segwall/dnsmasq.conf");
    spoil("harmhost", "harmhost\", \"x", "/etc/segwall/kea-dhcp4.conf");
    spoil("harmhost", "harmhost; }", "/etc/segwall/dhcpd.conf");
    spoil("harmlog.example", "harmlog.example\" x=\"", "/etc/rsyslog.d/segwall.conf");
    spoil("harmdev", "harmdev\n    up reboot", "/etc/network/interfaces.d/segwall");
}
