//! The box's own time and time zone, which core is handed.

use jiff::Timestamp;
use jiff::tz::TimeZone;

const LOCALTIME: &str = "/etc/localtime";

/// The day it is, in the box's own time zone.
pub fn today() -> jiff::civil::Date {
    timezone().to_datetime(now()).date()
}

/// The present.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// An instant to the second, for machines.
pub fn second(at: Timestamp) -> String {
    at.round(jiff::Unit::Second).unwrap_or(at).to_string()
}

/// The box's time zone: `TZ`, else `/etc/localtime`, else UTC. Zones by name come from the data compiled in.
pub fn timezone() -> TimeZone {
    std::env::var("TZ").ok().and_then(|name| named(&name)).or_else(local).unwrap_or(TimeZone::UTC)
}

/// The box's time zone as a text that means the same elsewhere: its name, or the rule at the end of a copied zone file.
pub fn timezone_text() -> String {
    let zone = timezone();
    if let Some(name) = zone.iana_name() {
        return name.to_owned();
    }
    let rule = std::env::var("TZ").ok().filter(|text| named(text).is_some()).or_else(|| {
        // A TZif file ends with its rule between two line ends (RFC 8536, section 3.3).
        let bytes = std::fs::read(LOCALTIME).ok()?;
        let text = String::from_utf8_lossy(bytes.strip_suffix(b"\n")?).into_owned();
        text.rsplit('\n').next().map(str::to_owned)
    });
    rule.filter(|rule| named(rule).is_some()).unwrap_or_else(|| "UTC".to_owned())
}

fn named(text: &str) -> Option<TimeZone> {
    let name = text.strip_prefix(':').unwrap_or(text);
    let name = name.split_once("/zoneinfo/").map_or(name, |(_, name)| name);
    if name.is_empty() {
        return None;
    }
    TimeZone::get(name).or_else(|_| TimeZone::posix(name)).ok()
}

fn local() -> Option<TimeZone> {
    // Mostly a link into the zone data, and then its name is known; Alpine may have a copy instead.
    let by_name = std::fs::canonicalize(LOCALTIME).ok().and_then(|path| {
        let (_, name) = path.to_str()?.split_once("/zoneinfo/")?;
        TimeZone::get(name).ok()
    });
    by_name.or_else(|| TimeZone::tzif("local", &std::fs::read(LOCALTIME).ok()?).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_known_by_name_path_and_posix_text() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for text in ["Europe/Berlin", ":Europe/Berlin", "/usr/share/zoneinfo/Europe/Berlin"] {
            assert_eq!(named(text), Some(berlin.clone()), "{text}");
        }
        assert!(named("CET-1CEST,M3.5.0,M10.5.0/3").is_some());
        assert_eq!(named(""), None);
        assert_eq!(named("Middle/Earth"), None);
    }
}
