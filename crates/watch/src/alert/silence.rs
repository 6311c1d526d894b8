//! What nobody is told of, as `[[silence]]` of the policy says.

use std::net::IpAddr;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use segwall_core::policy::{self, Policy};
use segwall_packetset::AddrRange;

use super::{Kind, Subject};
use crate::event::At;
use crate::network::{Network, Zone};

/// What shall not be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Kinds, or how their words begin; none: of any kind.
    kinds: Vec<&'static str>,
    /// About one of these; `None`: about anybody and anything.
    about: Option<Vec<Party>>,
    /// Until then; `None`: for good.
    until: Option<At>,
}

/// Somebody, as the end of a rule names them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Party {
    zone: policy::Zone,
    addresses: Option<Vec<AddrRange>>,
}

impl Silence {
    /// What a policy says, by the calendar of its time zone, or of the box's own.
    #[must_use]
    pub fn of(policy: &Policy, own: &TimeZone) -> Vec<Self> {
        let timezone = policy.gateway.timezone.as_ref().unwrap_or(own);
        let end = |last: jiff::civil::Date| {
            let next = last.tomorrow().ok()?.to_datetime(Time::midnight());
            Some(At(timezone.to_zoned(next).ok()?.timestamp().as_microsecond()))
        };
        let party = |end: &policy::End| Party { zone: end.zone, addresses: end.addresses.clone() };
        let silence = |silence: &policy::Silence| Self {
            kinds: silence.kinds.clone(),
            about: silence.from.as_ref().map(|ends| ends.iter().map(party).collect()),
            until: silence.until.and_then(end),
        };
        policy.silences.iter().map(silence).collect()
    }

    /// Whether nobody is told of this, now.
    #[must_use]
    pub fn covers(&self, network: &Network, kind: Kind, subject: Subject, at: At) -> bool {
        let word = kind.word();
        let is_kind =
            |known: &&str| word.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        self.until.is_none_or(|until| at < until)
            && (self.kinds.is_empty() || self.kinds.iter().any(is_kind))
            && self.about.as_ref().is_none_or(|parties| {
                who(network, subject)
                    .is_some_and(|(zone, addr)| parties.iter().any(|party| party.is(network, zone, addr)))
            })
    }
}

/// From where it comes, and from whom. `None`: it is not from anybody.
fn who(network: &Network, subject: Subject) -> Option<(Zone, Option<IpAddr>)> {
    match subject {
        Subject::Addr(addr) => Some((network.around(addr), Some(addr))),
        Subject::Card(iface, _) => Some((network.behind(iface), None)),
        Subject::Pair(zone, _) | Subject::Zone(zone) => Some((zone, None)),
        Subject::Box => Some((Zone::Gateway, None)),
        // Its address is whom they are after; a link is nobody.
        Subject::Many(_) | Subject::Iface(_) => None,
    }
}

impl Party {
    fn is(&self, network: &Network, zone: Zone, addr: Option<IpAddr>) -> bool {
        let is_zone = match self.zone {
            policy::Zone::Segment(segment) => zone == Zone::Segment(segment),
            policy::Zone::Segments => matches!(zone, Zone::Segment(_)),
            policy::Zone::Internet => zone == Zone::Internet,
            policy::Zone::Gateway => zone == Zone::Gateway || addr.is_some_and(|addr| network.is_own(addr)),
        };
        let is_addr =
            |ranges: &Vec<AddrRange>| addr.is_some_and(|addr| ranges.iter().any(|range| range.contains(addr)));
        is_zone && self.addresses.as_ref().is_none_or(is_addr)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use segwall_core::policy::{ALERT_KINDS, Context, load};
    use segwall_core::source::Source;

    use super::*;
    use crate::network::Ends;

    const POLICY: &str = r#"
[segments.office]
interface = "lan0"
subnets = ["10.1.0.0/24"]
[segments.guest]
interface = "lan1"
subnets = ["10.2.0.0/24"]
[hosts.scanner]
address = "10.1.0.9"
"#;

    fn silences(more: &str) -> (Network, Vec<Silence>) {
        let context = Context { today: date(2026, 11, 26), timezone: TimeZone::UTC };
        let loaded = load(&Source::new("test.toml", format!("{POLICY}{more}")), &context);
        let policy = loaded.policy.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        (Network::of(&policy), Silence::of(&policy, &TimeZone::UTC))
    }

    fn addr(text: &str) -> Subject {
        Subject::Addr(text.parse().unwrap())
    }

    #[test]
    fn the_policy_knows_every_kind() {
        let all: Vec<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
        let own: Vec<&str> = ALERT_KINDS.into_iter().filter(|word| !["scan", "drops"].contains(word)).collect();
        assert_eq!(own, all);
    }

    #[test]
    fn one_host_may_scan_and_do_nothing_else() {
        let (network, silences) = silences("[[silence]]\nkind = \"scan\"\nfrom = \"scanner\"\n");
        let covers = |kind, subject| silences[0].covers(&network, kind, subject, At(0));
        assert!(covers(Kind::ScanSlow, addr("10.1.0.9")));
        assert!(!covers(Kind::ManagementDenied, addr("10.1.0.9")));
        assert!(!covers(Kind::ScanSlow, addr("10.1.0.8")) && !covers(Kind::ScanSlow, addr("10.2.0.9")));
        assert!(!covers(Kind::ScanDistributed, Subject::Many("10.1.0.9".parse().unwrap())));
    }

    #[test]
    fn a_segment_with_all_that_comes_from_it() {
        let (network, silences) = silences("[[silence]]\nfrom = \"guest\"\n");
        let covers = |kind, subject| silences[0].covers(&network, kind, subject, At(0));
        let zone = |text: &str| network.around(text.parse().unwrap());
        let ends = Ends { from: zone("10.2.0.5"), to: zone("10.1.0.5") };
        assert!(covers(Kind::DropsPair, Subject::Pair(ends.from, ends.to)));
        assert!(!covers(Kind::DropsPair, Subject::Pair(ends.to, ends.from)));
        assert!(covers(Kind::DropsZone, Subject::Zone(ends.from)) && covers(Kind::ScanBlock, addr("10.2.0.7")));
        assert!(!covers(Kind::TableGone, Subject::Box));
    }

    #[test]
    fn until_the_end_of_its_day() {
        let (network, silences) = silences("[[silence]]\nkind = [\"drift\", \"drops-pair\"]\nuntil = 2026-11-30\n");
        let at = |text: &str| At(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
        let covers = |kind, at| silences[0].covers(&network, kind, Subject::Box, at);
        assert!(covers(Kind::Drift, at("2026-11-30T23:59:59Z")));
        assert!(!covers(Kind::Drift, at("2026-12-01T00:00:00Z")));
        assert!(!covers(Kind::DropsZone, at("2026-11-30T00:00:00Z")));
    }
}
