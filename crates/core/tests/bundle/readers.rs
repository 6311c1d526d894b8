//! Small readers of every emitted language, written apart from the emitters: what a file says, as words, without comments.

use segwall_core::emit::{Artifact, Target};

/// The words of a file; a line's or a value's end is a word too, so that nothing can move from one to another.
pub fn words(artifact: &Artifact) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(&artifact.bytes).map_err(|error| error.to_string())?;
    match artifact.target {
        Target::Dnsmasq => dnsmasq(text),
        Target::Kea => kea(text),
        Target::Dhcpd => code(text, '\\'),
        Target::Rsyslog => code(text, '\\'),
        // nft knows no escape in a text.
        Target::Nft => code(text, '\0'),
        Target::Iptables | Target::Ip6tables => code(text, '\\'),
        Target::Interfaces
        | Target::Modules
        | Target::Sysctl
        | Target::Logrotate
        | Target::Openrc
        | Target::Systemd => Ok(lines(text)),
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split_whitespace().map(str::to_owned).chain(["\n".to_owned()]))
        .collect()
}

/// Braces, semicolons, quotes, `#` comments: dhcpd, RainerScript, nft.
fn code(text: &str, escape: char) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = text.chars();
    let end = |word: &mut String, words: &mut Vec<String>| {
        if !word.is_empty() {
            words.push(std::mem::take(word));
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                end(&mut word, &mut words);
                let mut inside = String::new();
                loop {
                    match chars.next().ok_or("a text does not end")? {
                        '"' => break,
                        '\n' => return Err("a line ends inside a text".to_owned()),
                        c if c == escape => inside.push(chars.next().ok_or("an escape does not end")?),
                        c => inside.push(c),
                    }
                }
                words.push(format!("\"{inside}"));
            }
            '#' => {
                end(&mut word, &mut words);
                while !matches!(chars.next(), None | Some('\n')) {}
                words.push("\n".to_owned());
            }
            '\n' | ';' | '{' | '}' | '(' | ')' => {
                end(&mut word, &mut words);
                words.push(c.to_string());
            }
            c if c.is_whitespace() => end(&mut word, &mut words),
            c => word.push(c),
        }
    }
    end(&mut word, &mut words);
    Ok(words)
}

/// `key=value,value`: commas and `#` between quotes are characters.
fn dnsmasq(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        words.push(key.to_owned());
        let mut word = String::new();
        let (mut quotes, mut chars) = (false, value.chars());
        while let Some(c) = chars.next() {
            match c {
                '"' => quotes = !quotes,
                '\\' if quotes => word.push(chars.next().ok_or("an escape does not end")?),
                ',' if !quotes => words.push(std::mem::take(&mut word)),
                '#' if !quotes => return Err(format!("a comment behind a value: {line}")),
                c => word.push(c),
            }
        }
        if quotes {
            return Err(format!("a text does not end: {line}"));
        }
        words.push(word);
        words.push("\n".to_owned());
    }
    Ok(words)
}

fn kea(text: &str) -> Result<Vec<String>, String> {
    let bare: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
    let value: serde_json::Value = serde_json::from_str(&bare).map_err(|error| error.to_string())?;
    let mut words = Vec::new();
    flatten(&value, &mut words);
    Ok(words)
}

fn flatten(value: &serde_json::Value, words: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            words.push("{".to_owned());
            for (key, value) in map {
                words.push(key.clone());
                flatten(value, words);
            }
            words.push("}".to_owned());
        }
        serde_json::Value::Array(list) => {
            words.push("[".to_owned());
            list.iter().for_each(|value| flatten(value, words));
            words.push("]".to_owned());
        }
        serde_json::Value::String(text) => words.push(text.clone()),
        other => words.push(other.to_string()),
    }
}
