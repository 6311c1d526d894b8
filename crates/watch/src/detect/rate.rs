//! How many within a window, and how many the last hours had.

use crate::event::At;

const SLOTS: usize = 12;
const HOURS: usize = 6;
const HOUR_US: i64 = 3_600_000_000;

/// A count within a sliding window of twelve slots, beside the last six whole hours.
#[derive(Debug, Clone, Default)]
pub struct Rate {
    slots: [u64; SLOTS],
    slot: i64,
    hours: [u64; HOURS],
    hour: i64,
    hours_known: u64,
    total: u64,
}

impl Rate {
    /// So many more. Gives how many the window holds now.
    pub fn add(&mut self, at: At, within_s: u32, count: u64) -> u64 {
        self.advance(at, within_s);
        self.slots[index(self.slot, SLOTS)] += count;
        self.hours[index(self.hour, HOURS)] += count;
        self.total = self.total.saturating_add(count);
        self.slots.iter().sum()
    }

    fn advance(&mut self, at: At, within_s: u32) {
        let width = (i64::from(within_s.max(1)) * 1_000_000 / i64::try_from(SLOTS).expect("12")).max(1);
        let (slot, hour) = (at.0.div_euclid(width), at.0.div_euclid(HOUR_US));
        if self.total == 0 {
            (self.slot, self.hour) = (slot, hour);
        }
        clear_between(&mut self.slots, self.slot, slot);
        self.slot = self.slot.max(slot);
        self.hours_known = self.hours_known.saturating_add(clear_between(&mut self.hours, self.hour, hour));
        self.hour = self.hour.max(hour);
    }

    /// What a window had on the average of the whole hours before this one; 0 while there is none.
    pub fn usual(&self, within_s: u32) -> u64 {
        let hours = self.hours_known.min(u64::try_from(HOURS - 1).expect("5"));
        let before: u64 = self.hours.iter().sum::<u64>() - self.hours[index(self.hour, HOURS)];
        if hours == 0 { 0 } else { before * u64::from(within_s) / (hours * 3_600) }
    }

    /// Since it is remembered.
    pub fn total(&self) -> u64 {
        self.total
    }
}

fn index(number: i64, len: usize) -> usize {
    usize::try_from(number.rem_euclid(i64::try_from(len).expect("short"))).expect("not negative")
}

/// Empties the places of a ring behind `from` up to `to`. Gives how far it went.
fn clear_between(ring: &mut [u64], from: i64, to: i64) -> u64 {
    let steps = to.saturating_sub(from).max(0);
    for step in 1..=steps.min(i64::try_from(ring.len()).expect("short")) {
        ring[index(from.saturating_add(step), ring.len())] = 0;
    }
    // Where more went by than there are places, the last ones are empty as well.
    if steps > i64::try_from(ring.len()).expect("short") {
        ring.fill(0);
    }
    u64::try_from(steps).expect("not negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let mut rate = Rate::default();
        assert_eq!(rate.add(At::of_s(1_000), 60, 5), 5);
        assert_eq!(rate.add(At::of_s(1_050), 60, 5), 10);
        assert_eq!(rate.add(At::of_s(1_065), 60, 1), 6);
        assert_eq!(rate.add(At::of_s(9_000), 60, 1), 1);
        assert_eq!(rate.add(At::of_s(8_000), 60, 1), 2, "a little out of order");
    }

    #[test]
    fn the_last_hours_are_the_usual() {
        let mut rate = Rate::default();
        for minute in 0..180 {
            rate.add(At::of_s(minute * 60), 60, 30);
        }
        assert_eq!(rate.usual(60), 30);
        rate.add(At::of_s(100 * 3_600), 60, 1);
        assert_eq!(rate.usual(60), 0);
        rate.add(At(i64::MAX), 1, 1);
        rate.add(At(i64::MIN), 1, 1);
    }
}
