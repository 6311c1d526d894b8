//! Values behind a mask, as ranges.

/// More ranges than this are not written out.
const RANGES_MAX: u32 = 4096;

/// Values whose bits under the mask, as a number, lie in the range; the highest value is all ones. `None`: too many
/// ranges.
pub(super) fn ranges(max: u128, mask: u128, (first, last): (u128, u128)) -> Option<Vec<(u128, u128)>> {
    let mask = mask & max;
    let last = last.min(mask);
    if first > last {
        return Some(Vec::new());
    }
    if first == 0 && last == mask {
        return Some(vec![(0, max)]);
    }
    // Not 0: else the last two cases held.
    let below = (1_u128 << mask.trailing_zeros()) - 1;
    let above = max & !mask & !below;
    if first == last {
        return single(first, mask, below, above);
    }
    if above == 0 {
        // The mask of a prefix: whole blocks.
        let start = first.checked_add(below).map(|value| value & !below);
        let end = last & !below;
        return Some(start.filter(|start| *start <= end).map(|start| (start, end | below)).into_iter().collect());
    }
    if max <= u128::from(RANGES_MAX) {
        let fits = |value: &u128| (first..=last).contains(&(value & mask));
        return Some((0..=max).filter(fits).map(|value| (value, value)).collect());
    }
    None
}

fn single(value: u128, mask: u128, below: u128, above: u128) -> Option<Vec<(u128, u128)>> {
    if value & !mask != 0 {
        return Some(Vec::new());
    }
    if above.count_ones() > RANGES_MAX.ilog2() {
        return None;
    }
    let mut ranges = Vec::new();
    let mut bits = 0_u128;
    loop {
        ranges.push((value | bits, value | bits | below));
        // The next of the numbers that have bits in `above` only.
        bits = (bits | !above).wrapping_add(1) & above;
        if bits == 0 {
            return Some(ranges);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_masks_are_as_counted() {
        for mask in 0..=0xff_u128 {
            for (first, last) in [(0, 0), (2, 2), (0x10, 0x12), (0, 0xff), (0x80, 0xff), (0x21, 0x83), (5, 4)] {
                let found = ranges(0xff, mask, (first, last)).expect("small");
                for value in 0..=0xff_u128 {
                    let inside = found.iter().any(|(a, b)| (*a..=*b).contains(&value));
                    assert_eq!(
                        inside,
                        (first..=last).contains(&(value & mask)),
                        "{value:x} & {mask:x} in {first:x}-{last:x}"
                    );
                }
            }
        }
    }

    #[test]
    fn large_masks_are_ranges_or_none() {
        let net = u128::MAX << 8;
        assert_eq!(ranges(u128::MAX, net, (0x0a00_0000, 0x0a00_0000)), Some(vec![(0x0a00_0000, 0x0a00_00ff)]));
        assert_eq!(ranges(u128::MAX, net, (0x0a00_0001, 0x0a00_0001)), Some(vec![]));
        assert_eq!(ranges(u128::MAX, net, (0x0a00_0001, 0x0a00_0200)), Some(vec![(0x0a00_0100, 0x0a00_02ff)]));
        assert_eq!(ranges(0xffff_ffff, 0x00ff_ffff, (5, 5)).map(|ranges| ranges.len()), Some(256));
        assert_eq!(ranges(0xffff_ffff, 0xff, (5, 5)), None);
        assert_eq!(ranges(0xffff_ffff, 0xff, (5, 6)), None);
        assert_eq!(ranges(u128::MAX, u128::MAX, (u128::MAX, u128::MAX)), Some(vec![(u128::MAX, u128::MAX)]));
    }
}
