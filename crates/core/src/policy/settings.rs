//! `[gateway]`, `[dns]`, `[dhcp]`, `[alerts]`, `[[notify]]`.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use toml::de::DeValue;

use super::codes;
use super::env::Env;
use super::faults::{Faults, shorten};
use super::keys;
use super::literals::{address, duration_s, is_domain};
use super::log::{host_and_port, remote};
use super::model::{Alerts, DhcpKind, DhcpServer, Dns, Gateway, Notify, SegmentId};
use super::names::Kind;
use super::reader::{Table, Text, text_of, texts_of};
use super::segment_dhcp::{LEASE_S_MAX, LEASE_S_MIN};
use super::wiring::interface_name;

/// The port of SSH where `ssh_port` names no other.
const SSH_PORT: u16 = 22;

/// Lease time where neither the server nor the segment names one: 12 hours.
const LEASE_S_DEFAULT: u32 = 12 * 3_600;

/// Of a host that scans, unless said.
const QUARANTINE_S: u32 = 3_600;
/// A machine that decided alone does not decide for ever.
const QUARANTINE_S_MAX: u64 = 7 * 86_400;

/// A year: longer windows than this are slips.
const WITHIN_S_MAX: u64 = 366 * 86_400;

/// `[gateway]`, but for its segments, whose names are not known yet.
pub(super) fn gateway(table: Option<&Table<'_>>, faults: &mut Faults<'_>) -> Gateway {
    let mut gateway =
        Gateway { trunk: None, management: Vec::new(), timezone: None, ssh_port: SSH_PORT, output_drop: false };
    let Some(table) = table else { return gateway };
    gateway.trunk = table.text("trunk", faults).and_then(|text| interface_name(text, faults)).map(str::to_owned);
    gateway.timezone = table.text("timezone", faults).and_then(|text| timezone(text, faults));
    if let Some(port) = table.integer("ssh_port", 1..=u64::from(u16::MAX), faults) {
        gateway.ssh_port = u16::try_from(port.value).expect("within the range asked for");
    }
    gateway.output_drop = table.word("output", &[("accept", false), ("drop", true)], faults).unwrap_or(false);
    gateway
}

pub(super) fn management(table: Option<&Table<'_>>, env: &Env<'_>, faults: &mut Faults<'_>) -> Vec<SegmentId> {
    let texts = table.and_then(|table| table.texts("management", faults)).unwrap_or_default();
    let mut segments: Vec<SegmentId> = Vec::new();
    for text in texts {
        if let Some(index) = env.names.expect(text, Kind::Segment, faults) {
            segments.push(Env::segment_id(index));
        }
    }
    segments.sort_unstable();
    segments.dedup();
    segments
}

fn timezone(text: Text<'_>, faults: &mut Faults<'_>) -> Option<TimeZone> {
    let zones = TimeZoneDatabase::bundled();
    if let Ok(zone) = zones.get(text.text) {
        return Some(zone);
    }
    let names: Vec<String> = zones.available().map(|name| name.as_str().to_owned()).collect();
    let message = format!("there is no time zone `{}`", shorten(text.text));
    let wanted = text.text.to_ascii_lowercase();
    let by_city = names
        .iter()
        .find(|name| name.rsplit('/').next().is_some_and(|city| city.to_ascii_lowercase() == wanted.replace(' ', "_")));
    let help = match by_city.map(String::as_str).or_else(|| faults.nearest(text.text, names.iter().map(String::as_str)))
    {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "a name of the IANA database, such as \"Europe/Berlin\" or \"UTC\"".to_owned(),
    };
    faults.error(codes::BAD_TIMEZONE, text.span, message, "", help);
    None
}

pub(super) fn dns(top: &Table<'_>, faults: &mut Faults<'_>) -> Dns {
    let Some(table) = top.table("dns", &keys::DNS, faults) else { return Dns::default() };
    let texts = table.texts("upstream", faults).unwrap_or_default();
    Dns { upstream: texts.into_iter().filter_map(|text| address(text, faults)).collect() }
}

pub(super) fn dhcp(top: &Table<'_>, faults: &mut Faults<'_>) -> DhcpServer {
    let mut server = DhcpServer { kind: DhcpKind::Dnsmasq, lease_s: LEASE_S_DEFAULT };
    let Some(table) = top.table("dhcp", &keys::DHCP, faults) else { return server };
    let words = [
        ("dnsmasq", DhcpKind::Dnsmasq),
        ("kea", DhcpKind::Kea),
        ("isc-dhcpd", DhcpKind::IscDhcpd),
        ("none", DhcpKind::None),
    ];
    server.kind = table.word("server", &words, faults).unwrap_or(server.kind);
    let lease =
        table.text("lease", faults).and_then(|text| duration_s(text, "lease", LEASE_S_MIN..=LEASE_S_MAX, faults));
    server.lease_s = lease.unwrap_or(server.lease_s);
    server
}

pub(super) fn alerts(top: &Table<'_>, faults: &mut Faults<'_>) -> Alerts {
    let Some(table) = top.table("alerts", &keys::ALERTS, faults) else { return Alerts::default() };
    let drops = table.table("drops", &keys::ALERT_DROPS, faults).and_then(|drops| {
        let more_than = drops.require("more_than", "how many drops are usual", faults);
        let within = drops.require("within", "the window, such as \"1m\"", faults);
        let more_than =
            more_than.and_then(|value| super::reader::integer_of(value, "more_than", 0..=u64::from(u32::MAX), faults));
        let within = within.and_then(|value| text_of(value, "within", "a duration such as \"1m\"", faults));
        let within = within.and_then(|text| duration_s(text, "within", 1..=WITHIN_S_MAX, faults));
        Some((more_than?.value, within?))
    });
    let scans = table.boolean("scans", false, faults);
    Alerts { drops, scans, quarantine_s: on_alert(&table, scans, faults) }
}

/// `on_alert`, and for how long.
fn on_alert(table: &Table<'_>, scans: bool, faults: &mut Faults<'_>) -> Option<u32> {
    let is_wanted = table.word("on_alert", &[("quarantine", true)], faults).unwrap_or(false);
    let time = table.get("quarantine_for");
    for (key, lacks, help) in [
        ("on_alert", is_wanted && !scans, "add scans = true: a scan is the alert that is acted on"),
        ("quarantine_for", time.is_some() && !table.has("on_alert"), "add on_alert = \"quarantine\""),
    ] {
        if lacks {
            faults.error(
                codes::NOTHING_TO_ACT_ON,
                table.key_span(key),
                format!("`{key}` has nothing to act on"),
                "",
                help,
            );
            return None;
        }
    }
    let seconds = match time {
        Some(value) => {
            let text = text_of(value, "quarantine_for", "a duration such as \"1h\"", faults)?;
            duration_s(text, "quarantine_for", 1..=QUARANTINE_S_MAX, faults)?
        }
        None => QUARANTINE_S,
    };
    is_wanted.then_some(seconds)
}

pub(super) fn notify(top: &Table<'_>, faults: &mut Faults<'_>) -> Vec<Notify> {
    let tables = top.tables("notify", &keys::NOTIFY, faults);
    tables.iter().filter_map(|table| notifier(table, faults)).collect()
}

fn notifier(table: &Table<'_>, faults: &mut Faults<'_>) -> Option<Notify> {
    let kinds: Vec<&str> =
        ["email", "webhook", "syslog", "command"].into_iter().filter(|kind| table.has(kind)).collect();
    let [kind] = kinds.as_slice() else {
        let span = kinds.get(1).map_or(table.span, |second| table.key_span(second));
        let message = if kinds.is_empty() { "a notify names nobody" } else { "a notify tells one way only" };
        faults.error(
            codes::BAD_NOTIFY,
            span,
            message,
            "",
            "exactly one of email, webhook, syslog, command in each [[notify]]",
        );
        return None;
    };
    if *kind != "email" && table.has("smtp") {
        faults.error(codes::BAD_NOTIFY, table.key_span("smtp"), "`smtp` goes with `email` only", "", "leave it out");
        return None;
    }
    match *kind {
        "email" => email(table, faults),
        "webhook" => {
            let text = table.text("webhook", faults)?;
            url(text, &["https", "http"], faults).map(|url| Notify::Webhook(url.to_owned()))
        }
        "syslog" => {
            let text = table.text("syslog", faults)?;
            if text.text == "local" {
                return Some(Notify::Syslog(text.text.to_owned()));
            }
            remote(text, faults).map(|_| Notify::Syslog(text.text.to_owned()))
        }
        _ => command(table, faults),
    }
}

fn email(table: &Table<'_>, faults: &mut Faults<'_>) -> Option<Notify> {
    let to = table.text("email", faults);
    let smtp = table.require("smtp", "the mail server, such as smtp = \"smtps://mail.example.org\"", faults);
    let smtp = smtp.and_then(|value| text_of(value, "smtp", "a URL such as \"smtps://mail.example.org\"", faults));
    let smtp = smtp.and_then(|text| url(text, &["smtps", "smtp"], faults));
    let to = to.filter(|text| {
        let good = text.text.split_once('@').is_some_and(|(user, domain)| {
            !user.is_empty() && is_domain(domain) && !user.contains(|c: char| c.is_whitespace() || "<>,;\"".contains(c))
        });
        if !good {
            let message = format!("`{}` is not a mail address", shorten(text.text));
            faults.error(codes::BAD_URL, text.span, message, "", "such as \"noc@example.org\"");
        }
        good
    });
    Some(Notify::Email { to: to?.text.to_owned(), smtp: smtp?.to_owned() })
}

fn command(table: &Table<'_>, faults: &mut Faults<'_>) -> Option<Notify> {
    let value = table.get("command")?;
    let texts = texts_of(value, "command", "a program or one of its arguments", faults)?;
    let program = texts[0];
    if !program.text.starts_with('/') {
        let help = match value.get_ref() {
            DeValue::Array(_) => "write the program's whole path",
            _ => "a list of the program's whole path and its arguments: [\"/usr/local/bin/page\", \"--now\"]",
        };
        let message = format!("`{}` is not the path of a program", shorten(program.text));
        faults.error(codes::BAD_NOTIFY, program.span, message, "", help);
        return None;
    }
    Some(Notify::Command(texts.into_iter().map(|text| text.text.to_owned()).collect()))
}

/// A URL with one of some schemes and a host; what else stands in it is its server's business.
fn url<'d>(text: Text<'d>, schemes: &[&str], faults: &mut Faults<'_>) -> Option<&'d str> {
    let host_of = |rest: &'d str| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    };
    let good = text.text.split_once("://").is_some_and(|(scheme, rest)| {
        schemes.contains(&scheme) && host_and_port(host_of(rest)).is_some() && !rest.contains(char::is_whitespace)
    });
    if good {
        return Some(text.text);
    }
    let message = format!("`{}` is not a URL of {}", shorten(text.text), schemes.join(" or "));
    faults.error(codes::BAD_URL, text.span, message, "", format!("such as \"{}://host.example.org\"", schemes[0]));
    None
}
