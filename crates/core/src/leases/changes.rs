//! What became of leases between two looks at them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Lease;

/// What became of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Somebody has it who had not.
    Given,
    /// Who had it has it for longer, or under another name. Where cards are not known: somebody has it for longer.
    Renewed,
    /// Who had it gave it back, or the server took it, before its time was over.
    Released,
    /// Its time is over.
    Ended,
}

/// What became of each, by address, from the look at `then_s` to the one at `now_s` (seconds since 1970). What was over at
/// `then_s` counts as nobody's.
#[must_use]
pub fn changes<'a>(
    (before, then_s): (&'a BTreeMap<IpAddr, Lease>, i64),
    (after, now_s): (&'a BTreeMap<IpAddr, Lease>, i64),
) -> Vec<(Change, &'a Lease)> {
    let mut found = Vec::new();
    for old in before.values().filter(|old| !old.is_over(then_s)) {
        match after.get(&old.addr) {
            None if old.is_over(now_s) => found.push((Change::Ended, old)),
            None => found.push((Change::Released, old)),
            Some(new) if new.is_over(now_s) => found.push((Change::Ended, new)),
            Some(new) if new.mac != old.mac => found.push((Change::Given, new)),
            // When it was asked for is worked out from the policy, where the file does not tell.
            Some(new) if (&new.name, new.expires_s) != (&old.name, old.expires_s) => found.push((Change::Renewed, new)),
            Some(_) => {}
        }
    }
    let had = |addr: &IpAddr| before.get(addr).is_some_and(|old| !old.is_over(then_s));
    found.extend(after.values().filter(|new| !had(&new.addr) && !new.is_over(now_s)).map(|new| (Change::Given, new)));
    found.sort_by_key(|(_, lease)| lease.addr);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(last: u8, card: u8, expires_s: Option<i64>) -> (IpAddr, Lease) {
        let addr = IpAddr::from([192, 0, 2, last]);
        (addr, Lease { addr, mac: Some([2, 0, 0, 0, 0, card]), name: None, expires_s, renewed_s: None })
    }

    #[test]
    fn each_change_is_told_once_and_what_stays_is_not() {
        let before = BTreeMap::from([
            lease(1, 1, Some(1_000)),
            lease(2, 2, Some(1_000)),
            lease(3, 3, Some(1_000)),
            lease(4, 4, Some(105)),
            lease(5, 5, Some(105)),
            lease(6, 6, Some(1_000)),
            lease(7, 7, Some(90)),
            lease(8, 8, Some(90)),
            lease(9, 9, None),
        ]);
        let after = BTreeMap::from([
            lease(1, 1, Some(1_000)),
            lease(2, 2, Some(1_600)),
            lease(3, 33, Some(1_600)),
            lease(4, 4, Some(105)),
            // 5 is not in the file any more when its time is over, 6 before.
            lease(7, 7, Some(90)),
            lease(8, 8, Some(1_600)),
            lease(9, 9, None),
            lease(10, 10, None),
        ]);
        let told: Vec<(Change, String)> = changes((&before, 100), (&after, 110))
            .into_iter()
            .map(|(change, lease)| (change, lease.addr.to_string()))
            .collect();
        let expected = [
            (Change::Renewed, "192.0.2.2"),
            (Change::Given, "192.0.2.3"),
            (Change::Ended, "192.0.2.4"),
            (Change::Ended, "192.0.2.5"),
            (Change::Released, "192.0.2.6"),
            (Change::Given, "192.0.2.8"),
            (Change::Given, "192.0.2.10"),
        ];
        assert_eq!(told, expected.map(|(change, addr)| (change, addr.to_owned())));
        assert_eq!(changes((&after, 110), (&after, 111)), [], "nothing happened");
    }
}
