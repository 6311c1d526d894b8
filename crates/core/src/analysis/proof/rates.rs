//! Rates of limits: the policy's, the program's, and when two are the same.

use crate::netfilter::Rate;
use crate::policy::{Limit, TimeUnit};
use segwall_packetset::Field;

/// A limit of the policy, as rules have it.
pub fn rate_of(limit: &Limit) -> Rate {
    let per_s = match limit.per {
        TimeUnit::Second => 1,
        TimeUnit::Minute => 60,
        TimeUnit::Hour => 3600,
        TimeUnit::Day => 86_400,
    };
    Rate {
        packets: u64::from(limit.rate),
        per_s,
        burst: u64::from(limit.burst),
        over: false,
        shared: None,
        by: if limit.by_source { vec![Field::Src] } else { Vec::new() },
    }
}

/// Whether two rates are equal but for their names.
pub fn alike(a: &Rate, b: &Rate) -> bool {
    Rate { shared: None, ..a.clone() } == Rate { shared: None, ..b.clone() }
}

/// 60 in a minute is one in a second.
pub fn lowest_terms(rate: &Rate) -> Rate {
    let gcd = |mut a: u64, mut b: u64| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a.max(1)
    };
    let by = gcd(rate.packets, rate.per_s);
    Rate { packets: rate.packets / by, per_s: rate.per_s / by, ..rate.clone() }
}

/// For people.
pub fn words(rate: &Rate) -> String {
    format!("{} in {} s, {} at once", rate.packets, rate.per_s, rate.burst)
}
