//! The JSON Schema of the policy file, for editors. The types here describe what is typed, key by key; the reader reads
//! it with its own words for faults. `keys.rs` ties the two together: a test compares every key.

#![allow(dead_code, reason = "the types are described, never made")]

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::keys::DURATION_PATTERN;

/// The schema of `segwall.toml`.
#[must_use]
pub fn schema() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File>().to_value();
    without_null(&mut schema);
    schema
}

/// TOML has no null: what may be left out is simply not required.
fn without_null(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| !(key == "default" && value.is_null()));
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(variants)) = map.get_mut("anyOf") {
                variants.retain(|variant| variant.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = variants.as_slice() {
                    let only = only.clone();
                    map.remove("anyOf");
                    map.extend(only);
                }
            }
            map.values_mut().for_each(without_null);
        }
        Value::Array(list) => list.iter_mut().for_each(without_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A table whose keys are names.
struct Named<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("NamesOf{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let of_each = generator.subschema_for::<T>();
        json_schema!({
            "type": "object",
            "patternProperties": { "^[a-z][a-z0-9_-]{0,30}$": of_each },
            "additionalProperties": false,
        })
    }
}

/// One, or a list of at least one.
struct OneOrList<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for OneOrList<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrListOf{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let of_each = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [of_each, { "type": "array", "items": of_each, "minItems": 1 }] })
    }
}

/// DHCP options by their number.
struct Options;

impl JsonSchema for Options {
    fn schema_name() -> Cow<'static, str> {
        "Options".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "patternProperties": { "^[1-9][0-9]{0,2}$": { "type": ["string", "integer"] } },
            "additionalProperties": false,
        })
    }
}

/// A day: a TOML date, without quotes.
struct Day;

impl JsonSchema for Day {
    fn schema_name() -> Cow<'static, str> {
        "Day".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" })
    }
}

/// One address, IPv4 or IPv6
#[derive(JsonSchema)]
#[schemars(extend("examples" = ["192.168.30.10", "fd00:30::10"]))]
struct Address(#[schemars(regex(pattern = r"^[0-9a-fA-F:.]+$"))] String);

/// A network with its prefix length
#[derive(JsonSchema)]
#[schemars(extend("examples" = ["192.168.10.0/24", "fd00:10::/64"]))]
struct Network(#[schemars(regex(pattern = r"^[0-9a-fA-F:.]+/[0-9]{1,3}$"))] String);

/// An address, a network or a range of addresses
#[derive(JsonSchema)]
#[schemars(extend("examples" = ["192.168.20.5", "192.168.20.16/28", "192.168.20.40-192.168.20.49"]))]
struct Addresses(#[schemars(regex(pattern = r"^[0-9a-fA-F:.]+([/-][0-9a-fA-F:.]+)?$"))] String);

/// An interface's name as `ip link` shows it
#[derive(JsonSchema)]
#[schemars(extend("examples" = ["eth0", "enp3s0"]))]
struct Interface(#[schemars(regex(pattern = r"^[A-Za-z0-9_.-]{1,15}$"))] String);

/// A time such as 90s, 10m, 12h, 1h30m or 7d
#[derive(JsonSchema)]
struct Duration(#[schemars(regex(pattern = DURATION_PATTERN))] String);

/// An end of a rule: a segment, host, set or group; `zone/ADDRESS[/LEN]`; or internet (all uplinks), segments (every
/// segment), any (both), gateway (this box)
#[derive(JsonSchema)]
#[schemars(extend("examples" = ["internal", "internet", "segments", "any", "gateway", "internet/8.8.8.8"]))]
struct End(String);

/// A service: a built-in or own name, protocol/port, protocol/first-last, icmp/TYPE, a protocol
#[derive(JsonSchema)]
#[schemars(extend("examples" = ["ssh", "https", "dns", "tcp/8443", "tcp/8000-8100", "icmp/echo-request", "esp"]))]
struct ServiceText(String);

/// How many connections: N/second, N/minute, N/hour or N/day, and perhaps `burst N` (5 unless said)
#[derive(JsonSchema)]
#[schemars(extend("examples" = ["200/second", "200/second burst 400"]))]
struct LimitText(#[schemars(regex(pattern = r"^ *[0-9]+/(second|minute|hour|day)( +burst +[0-9]+)? *$"))] String);

/// Who answers: gateway (this box), a host's name or an address
#[derive(JsonSchema)]
#[schemars(extend("examples" = ["gateway", "resolver", "9.9.9.9"]))]
struct Server(String);

/// Segwall's policy: the segments of a network and who may talk to whom
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "Segwall policy")]
struct File {
    gateway: Option<GatewayTable>,
    /// Interfaces towards providers; together they are the zone `internet`
    uplinks: Option<Named<UplinkTable>>,
    /// Broadcast domains behind this box
    segments: Option<Named<SegmentTable>>,
    dns: Option<DnsTable>,
    /// Named addresses in segments
    hosts: Option<Named<HostTable>>,
    /// Named lists of addresses in one zone
    sets: Option<Named<SetTable>>,
    /// Services of your own, beside the built-in ones
    services: Option<Named<OneOrList<ServiceText>>>,
    /// Named lists of segments, hosts, sets and groups
    groups: Option<Named<OneOrList<End>>>,
    /// Connections that may be opened
    accept: Option<Vec<AcceptTable>>,
    /// Connections that may not, whatever accepts say; the sender is not told
    drop: Option<Vec<DropTable>>,
    /// Connections that may not, whatever accepts say; the sender is told
    reject: Option<Vec<RejectTable>>,
    /// Port forwards from the internet to a host
    forward: Option<Vec<ForwardTable>>,
    quarantine: Option<QuarantineTable>,
    dhcp: Option<DhcpTable>,
    log: Option<LogTable>,
    alerts: Option<AlertsTable>,
    /// What nobody is told of
    silence: Option<Vec<SilenceTable>>,
    /// Whom alerts go to
    notify: Option<Vec<NotifyTable>>,
    /// Claims that `segwall check` must prove
    expect: Option<Vec<ExpectTable>>,
}

/// This box
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct GatewayTable {
    /// The interface that carries the tagged segments
    trunk: Option<Interface>,
    /// Segments that must always be able to open SSH to the box; adds no rule
    management: Option<OneOrList<String>>,
    /// For schedules and expiry; the box's own unless said
    #[schemars(extend("examples" = ["Europe/Berlin", "UTC"]))]
    timezone: Option<String>,
    /// The port of the box's SSH server; 22 unless said
    #[schemars(range(min = 1, max = 65535))]
    ssh_port: Option<u32>,
    /// `drop`: what the box itself sends needs an accept
    output: Option<Output>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Output {
    Accept,
    Drop,
}

/// An interface towards a provider
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct UplinkTable {
    /// An untagged interface
    interface: Option<Interface>,
    /// A VLAN on a trunk
    #[schemars(range(min = 1, max = 4094))]
    vlan: Option<u16>,
    /// The interface that carries the VLAN; the gateway's trunk unless said
    trunk: Option<Interface>,
    /// The name of the VLAN's interface; TRUNK.VLAN unless said
    device: Option<Interface>,
    /// false for a device made elsewhere: bond, bridge, PPPoE, WireGuard
    managed: Option<bool>,
    /// `dhcp` for IPv4, `ra` for IPv6, or static addresses with their prefix length
    #[schemars(extend("examples" = [["dhcp", "ra"], ["203.0.113.2/24"]]))]
    addresses: Option<OneOrList<String>>,
    /// The provider's routers, for static addresses
    gateways: Option<OneOrList<Address>>,
    /// Masquerade private IPv4 sources; true unless said
    nat: Option<bool>,
}

/// One broadcast domain: its interface, networks and DHCP
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SegmentTable {
    /// A VLAN on a trunk
    #[schemars(range(min = 1, max = 4094))]
    vlan: Option<u16>,
    /// An untagged interface of its own
    interface: Option<Interface>,
    /// The interface that carries the VLAN; the gateway's trunk unless said
    trunk: Option<Interface>,
    /// The name of the VLAN's interface; TRUNK.VLAN unless said
    device: Option<Interface>,
    /// false for a device made elsewhere: bond, bridge, PPPoE, WireGuard
    managed: Option<bool>,
    /// The networks on its wire, IPv4 and IPv6
    subnets: OneOrList<Network>,
    /// The box's addresses in the subnets; the first host of each unless said
    gateway: Option<OneOrList<Address>>,
    /// Networks behind routers in it
    routes: Option<Vec<RouteTable>>,
    /// How hosts get IPv6 addresses; slaac unless said, where there is a /64
    ipv6: Option<Ipv6>,
    dhcp: Option<SegmentDhcpTable>,
    /// The last day on which what nothing names is accepted and written down, to and from this segment
    learn_until: Option<Day>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Ipv6 {
    Slaac,
    Dhcpv6,
    None,
}

/// A network behind a segment
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RouteTable {
    /// The network
    to: Network,
    /// The next hop, a neighbour in the segment
    via: Address,
}

/// What the segment's hosts are given
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SegmentDhcpTable {
    /// IPv4 addresses to give out
    #[schemars(extend("examples" = ["192.168.10.100-192.168.10.200"]))]
    pool: Option<Addresses>,
    /// Resolvers
    dns: Option<OneOrList<Server>>,
    /// Time servers
    ntp: Option<OneOrList<Server>>,
    /// The hosts' domain
    domain: Option<String>,
    /// Further DHCP options by number
    options: Option<Options>,
    /// Lease time, where it differs from [dhcp]
    lease: Option<Duration>,
}

/// The box as resolver, for those who are given dns = ["gateway"]
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct DnsTable {
    /// Whom the box asks
    upstream: Option<OneOrList<Address>>,
}

/// A named address; its segment follows from the address
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct HostTable {
    /// Its address
    address: Option<Address>,
    /// Its addresses, where it has several
    addresses: Option<OneOrList<Address>>,
    /// Its hardware address: makes it a DHCP reservation
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$"))]
    mac: Option<String>,
}

/// A named list of addresses in one zone
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SetTable {
    /// The zone: a segment, internet or gateway
    #[schemars(rename = "in")]
    zone: String,
    /// Its addresses
    addresses: OneOrList<Addresses>,
}

/// When a rule holds, in the policy's time zone
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ScheduleTable {
    /// Days the window begins on
    #[schemars(extend("examples" = ["mon-fri", "sat,sun", "daily"]))]
    days: Option<String>,
    /// From when to when; over midnight where the end is before the beginning
    #[schemars(regex(pattern = r"^ *[0-9]{2}:[0-9]{2} *- *[0-9]{2}:[0-9]{2} *$"), extend("examples" = ["08:00-18:00", "22:00-06:00"]))]
    hours: Option<String>,
}

/// Connections that may be opened
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct AcceptTable {
    /// Who opens them
    from: OneOrList<End>,
    /// Towards whom
    to: OneOrList<End>,
    /// On which services; every protocol unless said
    service: Option<OneOrList<ServiceText>>,
    /// Write each down; false unless said
    log: Option<bool>,
    /// No more than so many
    limit: Option<LimitText>,
    /// `source`: the limit is for each source address instead of for the rule
    limit_by: Option<LimitBy>,
    schedule: Option<ScheduleTable>,
    /// The last valid day
    expires: Option<Day>,
    /// For people
    comment: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum LimitBy {
    Source,
}

/// Connections that may not be opened
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct DropTable {
    /// Who opens them
    from: OneOrList<End>,
    /// Towards whom
    to: OneOrList<End>,
    /// On which services; every protocol unless said
    service: Option<OneOrList<ServiceText>>,
    /// Write each down; false unless said
    log: Option<bool>,
    schedule: Option<ScheduleTable>,
    /// The last valid day
    expires: Option<Day>,
    /// For people
    comment: Option<String>,
}

/// Connections that are refused
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RejectTable {
    /// Who opens them
    from: OneOrList<End>,
    /// Towards whom
    to: OneOrList<End>,
    /// On which services; every protocol unless said
    service: Option<OneOrList<ServiceText>>,
    /// Write each down; false unless said
    log: Option<bool>,
    schedule: Option<ScheduleTable>,
    /// The last valid day
    expires: Option<Day>,
    /// For people
    comment: Option<String>,
}

/// A port forward: translates and accepts what comes to the uplink's address
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ForwardTable {
    /// What is forwarded
    #[schemars(extend("examples" = ["tcp/443"]))]
    port: OneOrList<ServiceText>,
    /// To which host, or address in a segment
    #[schemars(extend("examples" = ["web", "192.168.10.10"]))]
    to: OneOrList<String>,
    /// On which uplinks; all unless said
    on: Option<OneOrList<String>>,
    /// From which part of the internet; all of it unless said
    from: Option<OneOrList<End>>,
    /// The port at the host, where it differs
    #[schemars(range(min = 1, max = 65535))]
    to_port: Option<u32>,
    /// Segments that may reach the host reach it by the uplink's address too; true unless said
    hairpin: Option<bool>,
    /// Write each down; false unless said
    log: Option<bool>,
    /// For people
    comment: Option<String>,
}

/// A claim that `segwall check` must prove, or show a flow that breaks it
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ExpectTable {
    /// Who opens connections
    from: OneOrList<End>,
    /// Towards whom
    to: OneOrList<End>,
    /// On which services; every protocol unless said
    service: Option<OneOrList<ServiceText>>,
    /// What must happen to all of them; drop holds where they are rejected, too
    verdict: Claim,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Claim {
    Accept,
    Drop,
}

/// The DHCP server of all segments
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct DhcpTable {
    /// Which server; dnsmasq unless said
    server: Option<DhcpServerName>,
    /// Lease time; 12h unless said
    lease: Option<Duration>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum DhcpServerName {
    Dnsmasq,
    Kea,
    IscDhcpd,
    None,
}

/// What a host in quarantine keeps: `segwall quarantine`
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct QuarantineTable {
    /// Whom it may still exchange packets with, as far as rules accept it: hosts and sets, such as a page that tells it why
    #[schemars(extend("examples" = [["notice"]]))]
    allow: Option<OneOrList<End>>,
}

/// What is written down
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LogTable {
    drops: Option<LogDropsTable>,
    /// Where a copy goes: udp://, tcp:// or tls://
    #[schemars(regex(pattern = r"^(udp|tcp|tls)://.+$"), extend("examples" = ["tls://192.168.100.10:6514"]))]
    remote: Option<String>,
    tls: Option<LogTlsTable>,
}

/// Files for TLS to a collector, that of `remote` and those of [[notify]]: PEM, below /etc or /usr, read at each connection
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LogTlsTable {
    /// Whose signature under the collector's certificate is believed; whom the system believes unless said
    #[schemars(regex(pattern = r"^/(etc|usr)/.+$"), extend("examples" = ["/etc/segwall/collector-ca.pem"]))]
    ca: Option<String>,
    /// The box's own certificate, where the collector asks for one. Goes with `key`
    #[schemars(regex(pattern = r"^/(etc|usr)/.+$"), extend("examples" = ["/etc/segwall/gateway.pem"]))]
    certificate: Option<String>,
    /// The private key to it, without a password; the group `segwall` must be able to read it
    #[schemars(regex(pattern = r"^/(etc|usr)/.+$"), extend("examples" = ["/etc/segwall/gateway.key"]))]
    key: Option<String>,
}

/// How many drops are written down; counters are exact without a limit
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LogDropsTable {
    /// 20/second burst 20 unless said
    limit: Option<LimitText>,
}

/// When to raise an alarm
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct AlertsTable {
    drops: Option<AlertDropsTable>,
    /// Port scans; false unless said
    scans: Option<bool>,
    /// What is done about a host of a segment that scans; nothing unless said. Goes with `scans`
    on_alert: Option<OnAlert>,
    /// How long it stays in quarantine; 1h unless said
    quarantine_for: Option<Duration>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum OnAlert {
    Quarantine,
}

/// More drops than usual
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct AlertDropsTable {
    /// So many are usual
    #[schemars(range(min = 0, max = 4294967295_u32))]
    more_than: u64,
    /// Within this time
    within: Duration,
}

/// What nobody is told of, and what is not acted on: a kind of alert, what is about somebody, or both
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SilenceTable {
    /// Kinds of alerts, as `segwall alerts` lists them; `scan` and `drops` are all that begin so. Any kind unless said
    kind: Option<OneOrList<AlertKind>>,
    /// About these; about anybody and anything unless said
    from: Option<OneOrList<End>>,
    /// The last day; for good unless said
    until: Option<Day>,
    /// Why
    comment: Option<String>,
}

/// What an alert is about
struct AlertKind;

impl JsonSchema for AlertKind {
    fn schema_name() -> Cow<'static, str> {
        "AlertKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": super::silences::ALERT_KINDS })
    }
}

/// Whom alerts go to: exactly one of email, webhook, syslog, command
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NotifyTable {
    /// A mail address; needs `smtp`
    email: Option<String>,
    /// The mail server
    #[schemars(regex(pattern = r"^smtps?://.+$"), extend("examples" = ["smtps://mail.example.org"]))]
    smtp: Option<String>,
    /// A URL that gets a POST
    #[schemars(regex(pattern = r"^https?://.+$"))]
    webhook: Option<String>,
    /// `local`, or udp://, tcp://, tls://
    #[schemars(regex(pattern = r"^(local|(udp|tcp|tls)://.+)$"))]
    syslog: Option<String>,
    /// A program's whole path and its arguments
    command: Option<OneOrList<String>>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::keys::{self, Keys};
    use super::*;
    use crate::policy::{Context, load};
    use crate::source::Source;

    const OFFICE: &str = include_str!("../../../../examples/office.toml");

    /// A policy as JSON, dates as texts.
    fn json(text: &str) -> Value {
        fn of(value: toml::Value) -> Value {
            match value {
                toml::Value::String(text) => Value::String(text),
                toml::Value::Integer(number) => Value::from(number),
                toml::Value::Float(number) => Value::from(number),
                toml::Value::Boolean(given) => Value::Bool(given),
                toml::Value::Datetime(at) => Value::String(at.to_string()),
                toml::Value::Array(list) => Value::Array(list.into_iter().map(of).collect()),
                toml::Value::Table(table) => {
                    Value::Object(table.into_iter().map(|(key, value)| (key, of(value))).collect())
                }
            }
        }
        of(toml::Value::Table(text.parse().expect("valid TOML")))
    }

    fn faults(text: &str) -> Vec<String> {
        let validator = jsonschema::validator_for(&schema()).expect("a valid schema");
        validator.iter_errors(&json(text)).map(|fault| fault.to_string()).collect()
    }

    fn loads(text: &str) -> bool {
        let context = Context { today: jiff::civil::date(2026, 11, 22), timezone: jiff::tz::TimeZone::UTC };
        load(&Source::new("test.toml", text), &context).policy.is_some()
    }

    #[test]
    fn the_schema_is_one() {
        jsonschema::meta::validate(&schema()).expect("valid by its own schema");
    }

    #[test]
    fn the_examples_are_valid_by_both() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let paths = std::fs::read_dir(folder).expect("the examples").map(|entry| entry.expect("readable").path());
        let policies: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
        assert!(!policies.is_empty());
        for path in policies {
            let text = std::fs::read_to_string(&path).expect("readable");
            assert_eq!(faults(&text), Vec::<String>::new(), "{}", path.display());
            assert!(loads(&text), "{}", path.display());
        }
    }

    #[test]
    fn what_the_schema_refuses_the_reader_refuses() {
        let changes = [
            ("vlan    = 10 ", "vlna = 10 "),
            ("vlan    = 10 ", "vlan = 4095 "),
            ("vlan    = 10 ", "vlan = \"10\" "),
            ("[segments.dmz]", "[segments.DMZ]"),
            ("ipv6    = \"slaac\"", "ipv6 = \"slack\""),
            ("verdict = \"drop\"", "verdict = \"reject\""),
            ("limit    = \"200/second", "limit = \"200/s"),
            ("hours = \"08:00-18:00\"", "hours = \"8-18\""),
            ("server = \"dnsmasq\"", "server = \"bind\""),
            ("lease  = \"10m\"", "lease = \"ten\""),
            ("within = \"1m\"", "within = 60"),
            ("tls://", "https://"),
            ("expires  = 2027-06-30", "expires = 20270630"),
            ("[[drop]]", "[[drop]]\nlimit = \"1/second\""),
        ];
        for (from, to) in changes {
            let text = OFFICE.replacen(from, to, 1);
            assert_ne!(text, OFFICE, "`{from}` stands in the example");
            assert!(!faults(&text).is_empty(), "the schema takes `{to}`");
            assert!(!loads(&text), "the reader takes `{to}`");
        }
    }

    /// The table of the schema and the keys of the reader, one by one.
    #[test]
    fn the_reader_and_the_schema_know_the_same_keys() {
        let schema = schema();
        let tables: &[(&str, &Keys)] = &[
            ("GatewayTable", &keys::GATEWAY),
            ("UplinkTable", &keys::UPLINK),
            ("SegmentTable", &keys::SEGMENT),
            ("RouteTable", &keys::ROUTE),
            ("SegmentDhcpTable", &keys::SEGMENT_DHCP),
            ("DnsTable", &keys::DNS),
            ("HostTable", &keys::HOST),
            ("SetTable", &keys::SET),
            ("AcceptTable", &keys::ACCEPT),
            ("DropTable", &keys::DROP),
            ("RejectTable", &keys::REJECT),
            ("ScheduleTable", &keys::SCHEDULE),
            ("ForwardTable", &keys::FORWARD),
            ("ExpectTable", &keys::EXPECT),
            ("DhcpTable", &keys::DHCP),
            ("QuarantineTable", &keys::QUARANTINE),
            ("LogTable", &keys::LOG),
            ("LogDropsTable", &keys::LOG_DROPS),
            ("LogTlsTable", &keys::LOG_TLS),
            ("AlertsTable", &keys::ALERTS),
            ("AlertDropsTable", &keys::ALERT_DROPS),
            ("SilenceTable", &keys::SILENCE),
            ("NotifyTable", &keys::NOTIFY),
        ];
        let described = |table: &Value| -> BTreeSet<String> {
            assert_eq!(table["additionalProperties"], Value::Bool(false), "{table}");
            table["properties"].as_object().expect("a table").keys().cloned().collect()
        };
        let known = |keys: &Keys| -> BTreeSet<String> {
            // What is read only to be refused is not in the schema.
            keys.known.iter().filter(|key| !keys.refused.contains(key)).map(|key| (*key).to_owned()).collect()
        };
        assert_eq!(described(&schema), known(&keys::TOP));
        let definitions = schema["$defs"].as_object().expect("definitions");
        for (name, keys) in tables {
            assert_eq!(described(&definitions[*name]), known(keys), "{name}");
        }
        let of_tables = definitions.iter().filter(|(_, table)| table.get("properties").is_some()).count();
        assert_eq!(of_tables, tables.len(), "a table of the schema is compared with nothing");
    }

    #[test]
    fn every_key_says_what_it_is() {
        fn silent(value: &Value, path: &str, found: &mut Vec<String>) {
            let Value::Object(map) = value else { return };
            if let Some(Value::Object(properties)) = map.get("properties") {
                for (key, of_key) in properties {
                    if of_key.get("description").is_none() && of_key.get("$ref").is_none() {
                        found.push(format!("{path}.{key}"));
                    }
                }
            }
            for (key, value) in map {
                silent(value, &format!("{path}/{key}"), found);
            }
        }
        let mut found = Vec::new();
        silent(&schema(), "", &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
}
