//! What was seen, held against the policy: which rules nobody used, which are wider than their traffic, and which are
//! missing. Pure: whoever watches says what was seen, nothing here reads logs or changes files.

mod ends;
mod usage;
mod wishes;

use segwall_packetset::Flow;

pub use usage::{Narrower, Usage, usages};
pub use wishes::{Wish, Wishes, wishes};

use crate::policy::{Ports, Service};
use crate::ruleset::At;
use segwall_packetset::{Header, PortRange, proto};

/// Connections that were seen, all of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The first packet of each.
    pub flow: Flow,
    /// How many.
    pub count: u64,
    /// When the first was seen, seconds since 1970.
    pub first_s: i64,
    /// When the last was.
    pub last_s: i64,
}

impl Seen {
    /// When the last was: rules with a schedule or an end are asked about that.
    fn at(&self) -> At {
        At::Instant(jiff::Timestamp::from_second(self.last_s).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }
}

/// The narrowest service that a flow is of.
fn service_of(flow: &Flow) -> Service {
    let ports = match flow.header {
        Header::Ports { dport, .. } if proto::has_ports(flow.proto) => Ports::Range(PortRange::single(dport)),
        Header::Icmp { kind, .. } => Ports::Icmp { kind, code: None },
        Header::Ports { .. } | Header::Other => Ports::All,
    };
    Service { proto: flow.proto, ports }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::policy::{Context, load, write_service};
    use crate::ruleset::{Ruleset, lower};
    use crate::source::Source;

    const POLICY: &str = r#"
        [uplinks.wan]
        interface = "wan0"
        addresses = ["dhcp"]
        [segments.office]
        interface = "lan0"
        subnets = ["10.1.0.0/24"]
        [segments.server]
        interface = "srv0"
        subnets = ["10.2.0.0/24"]
        [hosts.db]
        address = "10.2.0.5"
        [hosts.boss]
        address = "10.1.0.9"
        [[accept]]
        from = "office"
        to = "server"
        service = "tcp/1000-2000"
        [[accept]]
        from = "office"
        to = "internet"
        service = "https"
        [[drop]]
        from = "office"
        to = "server"
        service = "telnet"
    "#;

    fn given() -> (crate::policy::Policy, Ruleset) {
        let source = Source::new("t.toml", POLICY);
        let context = Context { today: jiff::civil::date(2026, 11, 26), timezone: jiff::tz::TimeZone::UTC };
        let loaded = load(&source, &context);
        let policy = loaded.policy.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
        let ruleset = lower(&policy, &source, &context.timezone);
        (policy, ruleset)
    }

    fn seen(ruleset: &Ruleset, src: &str, dst: &str, dport: u16, count: u64) -> Seen {
        let (src, dst): (IpAddr, IpAddr) = (src.parse().unwrap(), dst.parse().unwrap());
        let header = Header::Ports { sport: 40_000, dport };
        let (input, output) = (ruleset.route(src), ruleset.route(dst));
        let flow = Flow { input, output, proto: proto::TCP, src, dst, header, sent: None };
        Seen { flow, count, first_s: 10, last_s: 20 }
    }

    #[test]
    fn what_is_missing_is_proposed_and_what_was_refused_on_purpose_is_not() {
        let (policy, ruleset) = given();
        let of = |src, dst, port, count| seen(&ruleset, src, dst, port, count);
        let mut all = vec![
            of("10.1.0.7", "10.2.0.5", 5432, 9),
            of("10.1.0.8", "10.2.0.5", 5433, 4),
            of("10.1.0.9", "10.2.0.6", 22, 30),
            of("10.1.0.7", "10.2.0.7", 80, 1),
            of("10.1.0.7", "10.2.0.5", 23, 99),
            of("10.1.0.7", "10.2.0.5", 1500, 99),
            of("203.0.113.5", "10.2.0.5", 22, 7),
            of("10.1.0.7", "10.1.0.255", 137, 50),
        ];
        all.extend((3_000..3_100).map(|port| of("10.1.0.66", "10.2.0.99", port, 5)));
        let found = wishes(&policy, &ruleset, &all, 3);
        let rules: Vec<(&str, &str, u64)> =
            found.rules.iter().map(|one| (one.from.as_str(), one.to.as_str(), one.count)).collect();
        assert_eq!(rules, [("boss", "server/10.2.0.6", 30), ("office", "db", 13)]);
        assert_eq!(
            found.rules[1].toml(),
            "[[accept]]\nfrom = \"office\"\nto = \"db\"\nservice = [\"tcp/5432\", \"tcp/5433\"]\n"
        );
        assert_eq!(found.scans, [("office".to_owned(), "server/10.2.0.99".to_owned(), 100)]);
        assert_eq!(found.from_internet, 7);
    }

    #[test]
    fn rules_are_used_or_not_and_what_was_enough_is_named() {
        let (policy, ruleset) = given();
        let all = [seen(&ruleset, "10.1.0.7", "10.2.0.5", 1433, 9), seen(&ruleset, "10.1.0.9", "10.2.0.5", 1433, 2)];
        let [server, internet] = usages(&policy, &ruleset, &all).try_into().unwrap();
        assert_eq!((server.count, server.last_s), (11, Some(20)));
        let narrower = server.narrower.unwrap();
        let services: Vec<_> = narrower.services.unwrap().iter().map(write_service).collect();
        assert_eq!(
            (services, narrower.to, narrower.from),
            (vec!["tcp/1433".to_owned()], Some(vec!["db".to_owned()]), None)
        );
        assert_eq!((internet.count, internet.last_s, internet.narrower), (0, None, None));
    }
}
