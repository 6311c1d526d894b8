//! The options of iptables itself, and how a long option is found by its beginning, as `getopt_long` does it.

use super::modules::{Args, Opt};

/// A long option of iptables itself, and the letter that means the same.
const LONG: &[(&str, char)] = &[
    ("append", 'A'),
    ("delete", 'D'),
    ("check", 'C'),
    ("insert", 'I'),
    ("replace", 'R'),
    ("list", 'L'),
    ("list-rules", 'S'),
    ("flush", 'F'),
    ("zero", 'Z'),
    ("new-chain", 'N'),
    ("delete-chain", 'X'),
    ("rename-chain", 'E'),
    ("policy", 'P'),
    ("source", 's'),
    ("destination", 'd'),
    ("src", 's'),
    ("dst", 'd'),
    ("protocol", 'p'),
    ("in-interface", 'i'),
    ("jump", 'j'),
    ("table", 't'),
    ("match", 'm'),
    ("numeric", 'n'),
    ("out-interface", 'o'),
    ("verbose", 'v'),
    ("wait", 'w'),
    ("wait-interval", 'W'),
    ("exact", 'x'),
    ("fragments", 'f'),
    ("version", 'V'),
    ("help", 'h'),
    ("line-numbers", '0'),
    ("modprobe", 'M'),
    ("set-counters", 'c'),
    ("goto", 'g'),
    ("ipv4", '4'),
    ("ipv6", '6'),
];

/// What follows a letter; `None`: there is no such option.
pub(super) fn args_of(letter: char) -> Option<Args> {
    match letter {
        'A' | 'D' | 'C' | 'I' | 'R' | 'N' | 'E' | 'P' | 's' | 'd' | 'p' | 'i' | 'o' | 'j' | 'g' | 't' | 'm' | 'M'
        | 'c' => Some(Args::One),
        'L' | 'S' | 'F' | 'Z' | 'X' | 'w' | 'W' | 'h' => Some(Args::Maybe),
        'n' | 'v' | 'x' | 'f' | 'V' | '0' | '4' | '6' => Some(Args::None),
        _ => None,
    }
}

/// Where a long option was found.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    /// One of iptables itself.
    Base(char),
    /// One of the extension at this place in the list that was searched.
    Of(usize, &'static Opt),
}

/// Why a long option was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    Unknown,
    /// It begins two options.
    Ambiguous(&'static str, &'static str),
}

/// Looks an option up: in full, else by its beginning, in iptables itself and then in the extensions in their order.
pub(super) fn find(name: &str, extensions: &[&'static [Opt]]) -> Result<Found, Missing> {
    if let Some((_, letter)) = LONG.iter().find(|(long, _)| *long == name) {
        return Ok(Found::Base(*letter));
    }
    for (at, options) in extensions.iter().enumerate() {
        if let Some(opt) = options.iter().find(|opt| opt.name == name) {
            return Ok(Found::Of(at, opt));
        }
    }
    let base =
        LONG.iter().filter(|(long, _)| long.starts_with(name)).map(|(long, letter)| (*long, Found::Base(*letter)));
    let others = extensions.iter().enumerate().flat_map(|(at, options)| {
        options.iter().filter(|opt| opt.name.starts_with(name)).map(move |opt| (opt.name, Found::Of(at, opt)))
    });
    let mut found: Option<(&'static str, Found)> = None;
    for (long, now) in base.chain(others) {
        match found {
            None => found = Some((long, now)),
            Some((_, before)) if same(before, now) => {}
            Some((first, _)) => return Err(Missing::Ambiguous(first, long)),
        }
    }
    found.map(|(_, found)| found).ok_or(Missing::Unknown)
}

fn same(a: Found, b: Found) -> bool {
    match (a, b) {
        (Found::Base(a), Found::Base(b)) => a == b,
        (Found::Of(at, a), Found::Of(other, b)) => at == other && a.means == b.means,
        (Found::Base(_), Found::Of(..)) | (Found::Of(..), Found::Base(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netfilter::iptables::Version;
    use crate::netfilter::iptables::modules::match_named;

    #[test]
    fn options_are_found_by_their_beginning() {
        let tcp = match_named("tcp", Version::V4).expect("there").options;
        let name = |name: &str| match find(name, &[tcp]) {
            Ok(Found::Base(letter)) => letter.to_string(),
            Ok(Found::Of(_, opt)) => opt.means.to_owned(),
            Err(missing) => format!("{missing:?}"),
        };
        assert_eq!(name("dpo"), "destination-port");
        assert_eq!(name("destination"), "d");
        assert_eq!(name("dest"), "Ambiguous(\"destination\", \"destination-port\")");
        assert_eq!(name("proto"), "p");
        assert_eq!(name("nothing"), "Unknown");
        assert_eq!(name("l"), "Ambiguous(\"list\", \"list-rules\")");
    }
}
