//! Rates: `-m limit` and `-m hashlimit`.

use segwall_packetset::Field;

use super::address::unknown;
use super::match_list::EARLIER;
use super::numbers::number;
use super::spec::{Given, Instance};
use super::{Refusal, Version};
use crate::netfilter::{Match, Rate, Step};

/// The kernel counts in ten-thousandths of a second (`XT_LIMIT_SCALE`).
const PER_SECOND_MAX: u64 = 10_000;
/// As `hashlimit` counts since its second revision (`XT_HASHLIMIT_SCALE_v2`).
const HASH_PER_SECOND_MAX: u64 = 1_000_000;
const BURST: u64 = 5;
const FORGETS: &str = "its table forgets a source before its bucket is full again";

const UNITS: &[(&str, u64)] = &[("second", 1), ("minute", 60), ("hour", 3600), ("day", 86_400)];

/// `amount` or `amount/unit`, the unit perhaps cut short.
fn rate(text: &str, per_second_max: u64) -> Option<(u64, u64)> {
    let (amount, per_s) = match text.split_once('/') {
        None => (text, 1),
        Some((amount, unit)) => {
            let unit = unit.to_ascii_lowercase();
            let (_, per_s) = UNITS.iter().find(|(name, _)| !unit.is_empty() && name.starts_with(&unit))?;
            (amount, *per_s)
        }
    };
    // As `atoi`: digits in front count.
    let digits = amount.len() - amount.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let packets: u64 = amount[..digits].parse().ok()?;
    (packets > 0 && packets / per_s <= per_second_max).then_some((packets, per_s))
}

fn burst(given: Option<&Given>) -> Result<u64, Refusal> {
    match given {
        None => Ok(BURST),
        Some(given) => number(given.value(), u64::from(u32::MAX))
            .ok_or_else(|| given.refuse(format!("`{}` is no number of packets", given.value()))),
    }
}

/// What `-m limit` allows.
pub(super) fn limit(instance: &Instance) -> Result<Vec<Step>, Refusal> {
    let (packets, per_s) = match instance.get("limit") {
        None => (3, 3600),
        Some(given) => rate(given.value(), PER_SECOND_MAX)
            .ok_or_else(|| given.refuse(format!("`{}` is no rate", given.value())))?,
    };
    let burst = burst(instance.get("limit-burst"))?;
    Ok(vec![Step::Match(Match::Rate(Rate { packets, per_s, burst, over: false, shared: None, by: Vec::new() }))])
}

/// What `-m hashlimit` allows: a rate for each value of some fields, shared by all rules with its name.
pub(super) fn hashlimit(instance: &Instance, version: Version) -> Result<Vec<Step>, Refusal> {
    let (given, above) = match (instance.get("hashlimit-upto"), instance.get("hashlimit-above")) {
        (Some(upto), None) => (upto, false),
        (None, Some(above)) => (above, true),
        _ => {
            let text = "`-m hashlimit` needs either `--hashlimit-upto` or `--hashlimit-above`";
            return Err(Refusal::new(instance.span, text));
        }
    };
    let Some(name) = instance.get("hashlimit-name") else {
        return Err(Refusal::new(instance.span, "`-m hashlimit` needs `--hashlimit-name`"));
    };
    let whole = match version {
        Version::V4 => "32",
        Version::V6 => "128",
    };
    let masks = ["hashlimit-srcmask", "hashlimit-dstmask"];
    let masked = masks.iter().any(|mask| instance.get(mask).is_some_and(|given| given.value() != whole));
    let in_bytes = given.value().split('/').next().is_some_and(|amount| amount.contains('b'));
    let found = rate(given.value(), HASH_PER_SECOND_MAX);
    if masked || in_bytes || instance.get("hashlimit-rate-match").is_some() {
        return Ok(vec![unknown(instance.text(), EARLIER)]);
    }
    let (packets, per_s) = found.ok_or_else(|| given.refuse(format!("`{}` is no rate", given.value())))?;
    let mut by = Vec::new();
    if let Some(mode) = instance.get("hashlimit-mode") {
        for part in mode.value().split(',') {
            by.push(match part.to_ascii_lowercase().as_str() {
                "srcip" => Field::Src,
                "dstip" => Field::Dst,
                "srcport" => Field::Sport,
                "dstport" => Field::Dport,
                _ => return Err(mode.refuse(format!("`{part}` is nothing a limit is kept for"))),
            });
        }
    }
    by.sort_unstable();
    by.dedup();
    let burst = burst(instance.get("hashlimit-burst"))?;
    // Forgotten before it is full again, a bucket is more than its rate (unless said, after one unit of it).
    let expire_ms = match instance.get("hashlimit-htable-expire") {
        None => u128::from(per_s) * 1000,
        Some(given) => given.value().parse().map_err(|_| given.refuse(format!("`{}` is no time", given.value())))?,
    };
    if expire_ms.saturating_mul(u128::from(packets)) < u128::from(burst) * u128::from(per_s) * 1000 {
        return Ok(vec![unknown(instance.text(), FORGETS)]);
    }
    let shared = Some(name.value().to_owned());
    let over = above != given.not;
    Ok(vec![Step::Match(Match::Rate(Rate { packets, per_s, burst, over, shared, by }))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_may_be_cut_short() {
        assert_eq!(rate("5/m", PER_SECOND_MAX), Some((5, 60)));
        assert_eq!(rate("5/Sec", PER_SECOND_MAX), Some((5, 1)));
        assert_eq!(rate("5", PER_SECOND_MAX), Some((5, 1)));
        for wrong in ["", "x", "0/s", "5/", "5/week", "10001/s"] {
            assert_eq!(rate(wrong, PER_SECOND_MAX), None, "{wrong}");
        }
    }
}
