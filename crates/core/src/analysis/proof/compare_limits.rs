//! Limits, compared: the policy's and nothing else decide, each for exactly its packets.

use segwall_packetset::{Field, GaveUp, Set};

use super::compare::Comparison;
use super::intent::Intent;
use super::rates::{alike, lowest_terms, rate_of, words};
use super::treatment::Treatment;
use crate::netfilter::meaning::{Hooked, RateUse, RuleAt};
use crate::netfilter::{Key, Match, Rate, Rule, Step, TableFamily, Values};

/// What is counted together.
struct Bucket {
    /// The first of its rules.
    at: RuleAt,
    rate: Rate,
    /// Which families it counts, as bits.
    families: u8,
    reached: Set,
}

const V4: u8 = 1;
const V6: u8 = 2;

impl Comparison<'_> {
    /// Whether the limits that decide about accepting are exactly the policy's, by value and by what they hold for.
    pub(super) fn rates(&mut self, want: &Intent, over: &Hooked, within: Option<&Hooked>) -> Result<bool, GaveUp> {
        // One bucket is one rule, however often it is jumped to, or all rules that name it; for each source it is a rule for
        // each family.
        let mut buckets: Vec<Bucket> = Vec::new();
        for one in over.rates.iter().filter(|one| one.decides) {
            let reached = self.space.intersect(one.reached, want.possible)?;
            if reached.is_empty() {
                continue;
            }
            let rate = one.rate.clone();
            let families = self.families(one.at);
            // iptables and ip6tables cannot share a bucket: what is one limit in the policy is one for each of them.
            let same = |known: &Bucket| {
                let of_each_source =
                    !rate.by.is_empty() && RuleAt { rule: 0, ..known.at } == RuleAt { rule: 0, ..one.at };
                let chain = |at: RuleAt| &self.programs[at.program].tables[at.table].chains[at.chain].name;
                let of_each_family = known.at.program != one.at.program && chain(known.at) == chain(one.at);
                let of_one_name = rate.shared.is_some()
                    && known.rate.shared == rate.shared
                    && (known.at.program, known.at.table) == (one.at.program, one.at.table);
                let of_others = (of_each_source || of_each_family) && known.families & families == 0;
                known.at == one.at || (alike(&known.rate, &rate) && (of_one_name || of_others))
            };
            match buckets.iter_mut().find(|known| same(known)) {
                Some(known) => {
                    known.reached = self.space.union(known.reached, reached)?;
                    known.families |= families;
                }
                None => buckets.push(Bucket { at: one.at, rate, families, reached }),
            }
        }
        let more = within.is_some_and(|within| further(over, within));
        if more || buckets.iter().any(|one| self.is_used_elsewhere(&one.rate, over)) {
            self.doubt_limits();
        }
        let mut theirs: Vec<(Rate, Set)> = buckets.into_iter().map(|one| (one.rate, one.reached)).collect();
        let mut ours: Vec<(Rate, Set)> = want
            .limited
            .iter()
            .filter(|(_, _, set)| !set.is_empty())
            .map(|(_, limit, set)| (rate_of(limit), *set))
            .collect();
        for list in [&mut ours, &mut theirs] {
            for (rate, _) in list.iter_mut() {
                *rate = Rate { shared: None, ..lowest_terms(rate) };
            }
            list.sort();
        }
        if self.same_rates(&ours, &theirs)? {
            return Ok(true);
        }
        for (rate, set) in ours.iter().filter(|one| !theirs.contains(one)) {
            let within = format!("accept within {}", words(rate));
            // Another limit of this rate that is as it should be is not the one.
            let Some((_, same)) = theirs.iter().find(|other| other.0 == *rate && !ours.contains(other)) else {
                self.refute(*set, &within, "no such limit", Treatment::Limit)?;
                continue;
            };
            let less = self.space.minus(*set, *same)?;
            self.refute(less, &within, "not within this limit", Treatment::Limit)?;
            let more = self.space.minus(*same, *set)?;
            self.refute_unless_open(more, over, "not within this limit", &within, Treatment::Limit)?;
        }
        // Where none of these shows a packet, there are limits besides the policy's.
        self.doubt_limits();
        Ok(false)
    }

    /// Which families a rule asks about.
    fn families(&self, at: RuleAt) -> u8 {
        let table = &self.programs[at.program].tables[at.table];
        let family = [Key::Field(Field::Family)];
        let asked = |step: &Step| match step {
            Step::Match(Match::Among { keys, not: false, values: Values::Here(list) }) if *keys == family => {
                match list.as_slice() {
                    [one] if *one == [(0, 0)] => Some(V4),
                    [one] if *one == [(1, 1)] => Some(V6),
                    _ => None,
                }
            }
            _ => None,
        };
        match table.family {
            TableFamily::Ip => V4,
            TableFamily::Ip6 => V6,
            TableFamily::Inet | TableFamily::Arp | TableFamily::Bridge | TableFamily::Netdev => {
                let rule = table.chains[at.chain].rules.get(at.rule);
                rule.and_then(|rule| rule.steps.iter().find_map(asked)).unwrap_or(V4 | V6)
            }
        }
    }

    pub(super) fn doubt_limits(&mut self) {
        self.doubts.push(format!("a limit at the {} hook is none of the policy's", self.hook.word()));
    }

    /// Whether a limit that several rules share is also asked by one that does not decide here: it uses the limit up.
    fn is_used_elsewhere(&self, rate: &Rate, found: &Hooked) -> bool {
        let here =
            |at: RuleAt| found.rates.iter().any(|one| one.at == at && one.decides && one.rate.shared == rate.shared);
        let places = found.rates.iter().filter(|one| one.decides && one.rate.shared == rate.shared).map(|one| one.at);
        rate.shared.is_some()
            && places.into_iter().any(|RuleAt { program, table, .. }| {
                let chains = self.programs[program].tables[table].chains.iter().enumerate();
                chains
                    .flat_map(|(chain, one)| one.rules.iter().enumerate().map(move |(rule, one)| (chain, rule, one)))
                    .any(|(chain, rule, one)| asks(one, rate) && !here(RuleAt { program, table, chain, rule }))
            })
    }

    fn same_rates(&mut self, ours: &[(Rate, Set)], theirs: &[(Rate, Set)]) -> Result<bool, GaveUp> {
        if ours == theirs {
            return Ok(true);
        }
        // Sets that differ may have been sorted otherwise: each of ours has to be one of theirs.
        let mut left: Vec<&(Rate, Set)> = theirs.iter().collect();
        for (rate, set) in ours {
            let mut same = None;
            for (at, (other, theirs)) in left.iter().enumerate() {
                if rate == other {
                    let differs = self.space.symmetric_difference(*set, *theirs)?;
                    if self.real(differs)?.is_empty() {
                        same = Some(at);
                        break;
                    }
                }
            }
            let Some(at) = same else { return Ok(false) };
            left.swap_remove(at);
        }
        Ok(left.is_empty())
    }
}

/// Whether limits are met where there is room that are not met where all are used up.
fn further(over: &Hooked, within: &Hooked) -> bool {
    let known =
        |one: &RateUse| over.rates.iter().any(|other| other.decides && (other.at, &other.rate) == (one.at, &one.rate));
    within.rates.iter().any(|one| one.decides && !known(one))
}

/// Whether a rule asks a limit that several rules share.
fn asks(rule: &Rule, rate: &Rate) -> bool {
    rule.steps.iter().any(|step| matches!(step, Step::Match(Match::Rate(other)) if other.shared == rate.shared))
}
