//! `[[accept]]`, `[[drop]]`, `[[reject]]` and `[[expect]]`.

use jiff::civil::Date;
use segwall_packetset::{AddrRange, CtState, Family, Flow, Header, Place, proto};
use toml::de::DeValue;

use super::codes;
use super::ends::{self, Ends};
use super::env::{BOTH_FAMILIES, Env, family_bit};
use super::faults::Faults;
use super::keys::{self, Keys};
use super::last_day::last_day;
use super::literals::{days, hours, limit};
use super::model::{End, Expect, Limit, Ports, Rule, Schedule, Service, Verdict, Zone};
use super::reader::{Table, Text, span_of, text_of, texts_of};
use super::service_text::write_service;
use crate::diag::Diagnostic;
use crate::source::Span;

/// Reads all rules, in the file's order.
pub(super) fn read_all<'d>(top: &Table<'d>, env: &Env<'d>, today: Date, faults: &mut Faults<'_>) -> Vec<Rule> {
    let kinds: [(Verdict, &Keys); 3] =
        [(Verdict::Accept, &keys::ACCEPT), (Verdict::Drop, &keys::DROP), (Verdict::Reject, &keys::REJECT)];
    let mut rules = Vec::new();
    for (verdict, keys) in kinds {
        for table in top.tables(verdict.word(), keys, faults) {
            rules.extend(read(verdict, &table, env, today, faults));
        }
    }
    rules.sort_by_key(|rule| rule.span);
    rules
}

fn read(verdict: Verdict, table: &Table<'_>, env: &Env<'_>, today: Date, faults: &mut Faults<'_>) -> Option<Rule> {
    let from = side("from", table, env, faults);
    let to = side("to", table, env, faults);
    let services = services(table, env, faults);
    let limit = read_limit(verdict, table, faults);
    let schedule = read_schedule(table, faults);
    let expires = last_day("expires", table, faults).map(|(day, span)| not_over(day, today, span, faults));
    let log = table.boolean("log", false, faults);
    let comment = table.text("comment", faults).map(|text| text.text.to_owned());
    let (from, to, services) = (from?, to?, services?);
    if !any_to_gateway(&from, &to, faults) {
        return None;
    }
    if env.networks.complete && env.uplinks_whole {
        can_match(table, &from, &to, services.as_deref(), env, faults);
    }
    let (from, to) = (from.list, to.list);
    let learning = false;
    Some(Rule { verdict, from, to, services, log, limit, schedule, expires, comment, learning, span: table.span })
}

/// `from` or `to`.
fn side(key: &str, table: &Table<'_>, env: &Env<'_>, faults: &mut Faults<'_>) -> Option<Ends> {
    let help = match key {
        "from" => "who opens connections: a segment, host, set, group, internet, segments, any or gateway",
        _ => "towards whom: a segment, host, set, group, internet, segments, any or gateway",
    };
    let value = table.require(key, help, faults)?;
    let texts = texts_of(value, key, "the name of an end", faults)?;
    ends::resolve(&texts, env, faults)
}

/// `service`: outer `None` when broken, inner `None` when not given.
fn services(table: &Table<'_>, env: &Env<'_>, faults: &mut Faults<'_>) -> Option<Option<Vec<Service>>> {
    let Some(value) = table.get("service") else { return Some(None) };
    let texts = match value.get_ref() {
        DeValue::Integer(_) => {
            let number = &faults.text[value.span()];
            let help = format!("a service names its protocol: \"tcp/{number}\" or \"udp/{number}\"");
            faults.error(
                codes::WRONG_TYPE,
                span_of(value),
                "`service` must be a text or a list of them",
                "this is a number",
                help,
            );
            return None;
        }
        _ => texts_of(value, "service", "a service such as \"ssh\" or \"tcp/443\"", faults)?,
    };
    env.services.resolve(&texts, faults).map(Some)
}

fn any_to_gateway(from: &Ends, to: &Ends, faults: &mut Faults<'_>) -> bool {
    let gateway = to.list.iter().find(|end| end.zone == Zone::Gateway);
    let (Some(any), Some(gateway)) = (from.any, gateway) else { return true };
    faults.push(
        Diagnostic::error(codes::ANY_TO_GATEWAY, any, "`any` includes the internet, which would open the box to it")
            .also(gateway.span, "to the box")
            .help("write from = \"segments\" for all segments; to open it to the internet too, from = [\"segments\", \"internet\"]"),
    );
    false
}

fn read_limit(verdict: Verdict, table: &Table<'_>, faults: &mut Faults<'_>) -> Option<Limit> {
    if verdict != Verdict::Accept {
        for key in ["limit", "limit_by"] {
            if table.has(key) {
                let message = format!("`{key}` belongs to accept only");
                let help = "an accept with a limit covers what is within it; what is over is dropped by default";
                faults.error(codes::LIMIT_NOT_ACCEPT, table.key_span(key), message, "", help);
                return None;
            }
        }
        return None;
    }
    let by_source = table.word("limit_by", &[("source", true)], faults);
    match table.get("limit") {
        Some(value) => {
            let text = text_of(value, "limit", "a text such as \"200/second\"", faults)?;
            limit(text, by_source.unwrap_or(false), faults)
        }
        None => {
            if table.has("limit_by") {
                let span = table.key_span("limit_by");
                faults.error(codes::LIMIT_BY_ALONE, span, "`limit_by` without `limit`", "", "add limit = \"N/second\"");
            }
            None
        }
    }
}

fn read_schedule(table: &Table<'_>, faults: &mut Faults<'_>) -> Option<Schedule> {
    let schedule = table.table("schedule", &keys::SCHEDULE, faults)?;
    if !schedule.has("days") && !schedule.has("hours") {
        let help = "such as schedule = { days = \"mon-fri\", hours = \"08:00-18:00\" }";
        faults.error(codes::BAD_SCHEDULE, schedule.span, "a schedule needs `days` or `hours`", "", help);
        return None;
    }
    let days = match schedule.get("days") {
        Some(_) => schedule.text("days", faults).and_then(|text| days(text, faults)),
        None => Some([true; 7]),
    };
    let hours = match schedule.get("hours") {
        Some(_) => schedule.text("hours", faults).and_then(|text| hours(text, faults)),
        None => Some((0, 24 * 60)),
    };
    let (days, (from_minute, to_minute)) = (days?, hours?);
    Some(Schedule { days, from_minute, to_minute })
}

/// A rule that is over is one still, and said to be over.
fn not_over(day: Date, today: Date, span: Span, faults: &mut Faults<'_>) -> Date {
    if day < today {
        faults.push(
            Diagnostic::warning(codes::EXPIRED, span, format!("this rule was valid until {day}"))
                .label("over")
                .help("it covers nothing any more: take it out, or give it another day"),
        );
    }
    day
}

/// The address families of one side.
fn side_families(list: &[End], env: &Env<'_>) -> u8 {
    list.iter().fold(0, |bits, end| bits | end_families(end, env))
}

fn end_families(end: &End, env: &Env<'_>) -> u8 {
    let of_zone = env.families.of_zone(end.zone);
    match &end.addresses {
        None => of_zone,
        Some(ranges) => of_zone & ranges.iter().fold(0, |bits, range: &AddrRange| bits | family_bit(range.family())),
    }
}

fn service_families(services: Option<&[Service]>) -> u8 {
    let of = |service: &Service| match service.proto {
        proto::ICMP => family_bit(Family::V4),
        proto::ICMPV6 => family_bit(Family::V6),
        _ => BOTH_FAMILIES,
    };
    services.map_or(BOTH_FAMILIES, |list| list.iter().fold(0, |bits, service| bits | of(service)))
}

fn name_families(bits: u8) -> &'static str {
    match bits {
        0 => "neither IPv4 nor IPv6",
        1 => "only IPv4",
        2 => "only IPv6",
        _ => "IPv4 and IPv6",
    }
}

/// Warns of a rule that no packet can match, and of ICMP that opens no connection.
fn can_match(
    table: &Table<'_>,
    from: &Ends,
    to: &Ends,
    services: Option<&[Service]>,
    env: &Env<'_>,
    faults: &mut Faults<'_>,
) {
    let never = |span: Span, why: String, help: &str| {
        Diagnostic::warning(codes::NEVER_MATCHES, span, why).label("can never match").help(help)
    };
    for (key, ends) in [("from", from), ("to", to)] {
        if ends.list.iter().all(|end| end.zone == Zone::Internet) && env.uplinks.is_empty() {
            let why = "there is no internet without an uplink".to_owned();
            faults.push(never(value_span(table, key), why, "add [uplinks.NAME], or take the rule out"));
            return;
        }
    }
    let on_box = |ends: &Ends| ends.list.iter().all(|end| end.zone == Zone::Gateway);
    if on_box(from) && on_box(to) {
        let why = "what the box sends to itself passes no rule".to_owned();
        faults.push(never(table.span, why, "it is always accepted; take the rule out"));
        return;
    }
    let sides = (side_families(&from.list, env), side_families(&to.list, env));
    if sides.0 & sides.1 == 0 {
        let why = format!("`from` has {}, `to` has {}", name_families(sides.0), name_families(sides.1));
        faults.push(never(table.span, why, "a connection is within one address family"));
        return;
    }
    if sides.0 & sides.1 & service_families(services) == 0 {
        let why = format!(
            "between `from` and `to` there is {}, the service is for {}",
            name_families(sides.0 & sides.1),
            name_families(service_families(services)),
        );
        let help = "icmp is for IPv4 and icmpv6 for IPv6; icmp/NAME, such as icmp/echo-request, means both";
        faults.push(never(value_span(table, "service"), why, help));
        return;
    }
    never_opens(table, services, faults);
}

/// Connection tracking lets only requests open a connection.
fn never_opens(table: &Table<'_>, services: Option<&[Service]>, faults: &mut Faults<'_>) {
    let Some(services) = services else { return };
    let dead = services.iter().find(|service| !opens(service));
    let Some(dead) = dead else { return };
    faults.push(
        Diagnostic::warning(
            codes::NEVER_OPENS,
            value_span(table, "service"),
            format!("{} never opens a connection", write_service(dead)),
        )
        .help("answers and errors of accepted connections pass by themselves, and neighbour discovery needs no rule; echo requests are `ping`"),
    );
}

fn opens(service: &Service) -> bool {
    let Ports::Icmp { kind, code } = service.ports else { return true };
    let addr = match service.proto {
        proto::ICMP => std::net::IpAddr::from([192, 0, 2, 1]),
        _ => std::net::IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
    };
    let flow = Flow {
        input: Place::Elsewhere,
        output: Place::Elsewhere,
        proto: service.proto,
        src: addr,
        dst: addr,
        header: Header::Icmp { kind, code: code.unwrap_or(0) },
        sent: None,
    };
    flow.first_state() == CtState::New
}

fn value_span(table: &Table<'_>, key: &str) -> Span {
    table.get(key).map_or(table.span, span_of)
}

/// Reads the claims.
pub(super) fn read_expects<'d>(top: &Table<'d>, env: &Env<'d>, faults: &mut Faults<'_>) -> Vec<Expect> {
    let tables = top.tables("expect", &keys::EXPECT, faults);
    tables.iter().filter_map(|table| expect(table, env, faults)).collect()
}

fn expect(table: &Table<'_>, env: &Env<'_>, faults: &mut Faults<'_>) -> Option<Expect> {
    let from = side("from", table, env, faults);
    let to = side("to", table, env, faults);
    let services = services(table, env, faults);
    let verdict = table.require("verdict", "verdict = \"accept\" or verdict = \"drop\"", faults);
    let verdict = verdict.and_then(|value| text_of(value, "verdict", "\"accept\" or \"drop\"", faults));
    let verdict = verdict.and_then(|text| claimed(text, faults));
    let (from, to, services) = (from?, to?, services?);
    if !any_to_gateway(&from, &to, faults) {
        return None;
    }
    Some(Expect { from: from.list, to: to.list, services, verdict: verdict?, span: table.span })
}

fn claimed(text: Text<'_>, faults: &mut Faults<'_>) -> Option<Verdict> {
    match text.text {
        "accept" => Some(Verdict::Accept),
        "drop" => Some(Verdict::Drop),
        "reject" => {
            let help = "write \"drop\": a reject counts as not accepted";
            faults.error(codes::EXPECT_REJECT, text.span, "a claim is \"accept\" or \"drop\"", "", help);
            None
        }
        _ => {
            faults.unknown_word(text, "verdict", &["accept", "drop"]);
            None
        }
    }
}
