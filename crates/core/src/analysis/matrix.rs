//! Who reaches whom on what.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use segwall_packetset::{AddrRange, Place};
use serde::Serialize;

use super::boxes::Cut;
use super::domain::{Ground, places, zone_name, zone_of};
use super::matrix_text::cell_text;
use super::words::{EVERYTHING, Words, schedule_words};
use crate::policy::{Policy, Verdict, Zone};
use crate::ruleset::{At, Dst, FlowBox, Need, Origin, Path, Ruleset, Side};

/// Zones by zones. Pairs without a cell accept nothing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Matrix {
    /// Segments in the file's order, then `internet` where there is an uplink, then `gateway`.
    pub zones: Vec<String>,
    /// Cells by sender, then receiver, in the order of `zones`.
    pub cells: Vec<Cell>,
    /// What is accepted towards the box without being asked for.
    pub needs: Vec<NeedLine>,
    /// The box's own connections need a rule: `output = "drop"`. Otherwise cells of the row `gateway` are there only
    /// where a rule says something else than "everything".
    pub output_drop: bool,
}

/// What one zone may open to another.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Cell {
    /// Who opens.
    pub from: String,
    /// Towards whom.
    pub to: String,
    /// In a few words: `http, https → web`.
    pub text: String,
    /// Every flow is accepted, now and later, without a limit.
    pub everything: bool,
    /// What rules and port forwards accept.
    pub grants: Vec<Grant>,
    /// Drops and rejects that take something away from that, and rejects of other things.
    pub refusals: Vec<Refusal>,
}

/// What one rule accepts between two zones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Grant {
    /// In the policy's words; `everything` for every protocol.
    pub services: Vec<String>,
    /// Only these senders.
    pub from: Option<String>,
    /// Only these receivers.
    pub to: Option<String>,
    /// Only within a limit.
    pub limited: bool,
    /// Only within a schedule, such as `mon-fri 08:00-18:00`.
    pub schedule: Option<String>,
    /// The last valid day.
    pub expires: Option<String>,
    /// Whether it is in force at the instant asked for.
    pub active: bool,
    /// Through a port forward.
    pub forward: bool,
    /// The rule's line; 0 for the box's own connections.
    pub line: u32,
}

/// What one rule refuses between two zones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Refusal {
    /// `drop` or `reject`.
    pub verdict: &'static str,
    /// In the policy's words.
    pub services: Vec<String>,
    /// Only these senders.
    pub from: Option<String>,
    /// Only these receivers.
    pub to: Option<String>,
    /// Only within a schedule.
    pub schedule: Option<String>,
    /// The last valid day.
    pub expires: Option<String>,
    /// Whether it is in force at the instant asked for.
    pub active: bool,
    /// Whether it takes away from what is accepted.
    pub cuts: bool,
    /// The rule's line.
    pub line: u32,
}

/// What a zone needs from the box.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NeedLine {
    /// The zone; `segments` for all of them.
    pub zone: String,
    /// What is accepted.
    pub needs: Vec<&'static str>,
}

impl Matrix {
    /// The cell of a pair, if anything is accepted or rejected there.
    #[must_use]
    pub fn cell(&self, from: &str, to: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.from == from && cell.to == to)
    }
}

/// Who reaches whom at an instant.
#[must_use]
pub fn matrix(policy: &Policy, ruleset: &Ruleset, at: At) -> Matrix {
    let ground = Ground::of(ruleset);
    let ruleset = &*ground.ruleset;
    let words = Words::of(policy);
    let mut rows: Vec<Place> = ruleset.interface_ids().map(|(id, _)| Place::Interface(id)).collect();
    rows.push(Place::Gateway);
    let segments = ruleset.interface_ids().filter(|(id, _)| ruleset.is_segment(*id));
    let mut homes: Vec<(AddrRange, Place)> = segments
        .flat_map(|(id, interface)| interface.sources.iter().map(move |range| (*range, Place::Interface(id))))
        .collect();
    homes.sort_unstable();
    let row = Row { policy, ground: &ground, ruleset, words: &words, at, homes: &homes };
    let name = |place| zone_of(ruleset, place).map(|zone| zone_name(ruleset, zone).to_owned());
    Matrix {
        zones: rows.iter().filter_map(|place| name(*place)).collect(),
        cells: rows.iter().flat_map(|from| row.cells(*from)).collect(),
        needs: needs(ruleset),
        output_drop: policy.gateway.output_drop,
    }
}

struct Row<'r> {
    policy: &'r Policy,
    ground: &'r Ground<'r>,
    ruleset: &'r Ruleset,
    words: &'r Words<'r>,
    at: At,
    /// Segments' networks, sorted.
    homes: &'r [(AddrRange, Place)],
}

impl Row<'_> {
    /// The cells of one sender.
    fn cells(&self, from: Place) -> Vec<Cell> {
        let boxes = self.ruleset.boxes_from(from);
        let wanted: Vec<&(usize, &FlowBox)> = boxes.iter().filter(|(rule, _)| self.says_something(*rule)).collect();
        // Receivers that some accept or reject speaks of; refusals alone accept nothing and need no cell.
        let mut receivers: BTreeMap<Place, Vec<(usize, &FlowBox)>> = BTreeMap::new();
        for (rule, flow_box) in &wanted {
            let refuses = self.ruleset.rules[*rule].verdict != Verdict::Accept;
            for to in self.receivers(from, flow_box, refuses) {
                receivers.entry(to).or_default().push((*rule, *flow_box));
            }
        }
        receivers.retain(|_, boxes| boxes.iter().any(|(rule, _)| self.ruleset.rules[*rule].verdict != Verdict::Drop));
        let wide: Vec<(usize, &FlowBox)> = wanted
            .iter()
            .filter(|(rule, b)| {
                self.ruleset.rules[*rule].verdict != Verdict::Accept && self.receivers(from, b, true).is_empty()
            })
            .map(|(rule, b)| (*rule, *b))
            .collect();
        // In the order of the zones: the box comes last.
        let mut receivers: Vec<_> = receivers.into_iter().collect();
        receivers.sort_by_key(|(to, _)| *to == Place::Gateway);
        receivers
            .into_iter()
            .filter_map(|(to, mut boxes)| {
                boxes.extend(wide.iter().copied());
                boxes.sort_by_key(|(rule, _)| *rule);
                self.cell(from, to, &boxes)
            })
            .collect()
    }

    /// Rules of the file, and what the box sends unasked.
    fn says_something(&self, rule: usize) -> bool {
        let rule = &self.ruleset.rules[rule];
        let over = matches!((self.at, rule.when.until), (At::Instant(now), Some(until)) if until <= now);
        !over && matches!(rule.origin, Origin::Written(_) | Origin::Forward(_) | Origin::Need(Need::Output))
    }

    /// The places a box leads to. A refusal of addresses whatever the interface leads where they lie; empty when they may
    /// lie anywhere.
    fn receivers(&self, from: Place, flow_box: &FlowBox, refuses: bool) -> Vec<Place> {
        let (output, same) = match flow_box.path {
            Path::Input { .. } => return vec![Place::Gateway],
            Path::Forward { output, same, .. } => (output, same),
            Path::Output { output } => (output, true),
        };
        let zone = match output {
            Side::One(id) => {
                return if same || from != Place::Interface(id) { vec![Place::Interface(id)] } else { Vec::new() };
            }
            Side::Segments => Zone::Segments,
            Side::Any => {
                if refuses {
                    return match &flow_box.dst {
                        Dst::Addresses(ranges) => ranges.iter().flat_map(|range| self.homes_of(range)).collect(),
                        Dst::Any | Dst::Own => Vec::new(),
                    };
                }
                let mut all = places(self.ruleset, Zone::Segments);
                all.extend(places(self.ruleset, Zone::Internet));
                return all;
            }
        };
        places(self.ruleset, zone).into_iter().filter(|to| same || from != *to).collect()
    }

    /// The segments that addresses lie in.
    fn homes_of(&self, range: &AddrRange) -> impl Iterator<Item = Place> {
        let near = self.homes.partition_point(|(home, _)| home.last() < range.first());
        self.homes[near..].iter().take_while(|(home, _)| home.first() <= range.last()).map(|(_, place)| *place)
    }

    fn cell(&self, from: Place, to: Place, boxes: &[(usize, &FlowBox)]) -> Option<Cell> {
        let ruleset = self.ruleset;
        let (from_zone, to_zone) = (zone_of(ruleset, from)?, zone_of(ruleset, to)?);
        let src = self.ground.sources(from);
        // The box's other addresses are named by rules of their own.
        let dst = self.ground.destinations(from, to, true);
        let own = self.ground.destinations(from, to, false);
        let mut grants: Vec<(Grant, Cut)> = Vec::new();
        let mut refusals: Vec<(Refusal, Cut)> = Vec::new();
        for (at, flow_box) in boxes {
            let rule = &ruleset.rules[*at];
            let Some(mut cut) = Cut::of(flow_box, &src, &dst) else { continue };
            if let Some(services) = &cut.services
                && services.is_empty()
            {
                continue;
            }
            // A port forward has a box for each family; a flow is of one, so that together they are one grant.
            if cut.translated
                && let Some(at) =
                    grants.iter().position(|(grant, known)| grant.line == rule.line && known.may_join(&cut))
            {
                let (grant, known) = &mut grants[at];
                known.join(cut);
                grant.from = self.words.addresses(from_zone, known.src.as_deref());
                grant.to = self.words.addresses(to_zone, known.dst.as_deref());
                continue;
            }
            let services = self.words.services(cut.services.as_deref());
            let from = self.words.addresses(from_zone, cut.src.as_deref());
            let to = self.words.addresses(to_zone, cut.dst.as_deref());
            if flow_box.dst == Dst::Own {
                cut.dst = Some(own.to_vec());
            }
            let active = ruleset.is_active(rule, self.at);
            let (schedule, expires) = self.times(rule.origin);
            let line = rule.line;
            if rule.verdict == Verdict::Accept {
                let (limited, forward) = (rule.limit.is_some(), cut.translated);
                grants.push((Grant { services, from, to, limited, schedule, expires, active, forward, line }, cut));
            } else {
                let verdict = rule.verdict.word();
                // A segment is refused by its interface and by its addresses: that is one refusal.
                if !refusals.iter().any(|(known, wide)| known.line == line && wide.covers(&cut)) {
                    refusals.push((
                        Refusal { verdict, services, from, to, schedule, expires, active, cuts: false, line },
                        cut,
                    ));
                }
            }
        }
        let unasked = |grant: &Grant| grant.line == 0;
        // The box's own connections alone say nothing new.
        if grants.iter().all(|(grant, _)| unasked(grant)) && refusals.is_empty() {
            return None;
        }
        // What another rule grants anyway, or a refusal takes away whole.
        let firm =
            |grant: &Grant| grant.active && !grant.limited && grant.schedule.is_none() && grant.expires.is_none();
        let kept: Vec<bool> = (0..grants.len())
            .map(|at| {
                let (_, cut) = &grants[at];
                let taken = refusals.iter().any(|(refusal, wide)| {
                    let always = refusal.active && refusal.schedule.is_none() && refusal.expires.is_none();
                    always && wide.covers(cut)
                });
                let doubled = grants.iter().enumerate().any(|(other, (grant, wide))| {
                    other != at
                        && firm(grant)
                        && wide.covers(cut)
                        && !(cut.covers(wide) && firm(&grants[at].0) && at < other)
                });
                !taken && !doubled
            })
            .collect();
        let mut keep = kept.iter();
        grants.retain(|_| *keep.next().expect("one for each"));
        for (refusal, cut) in &mut refusals {
            refusal.cuts = grants.iter().any(|(_, granted)| granted.meets(cut));
        }
        refusals.retain(|(refusal, _)| refusal.cuts || refusal.verdict == Verdict::Reject.word());
        if grants.is_empty() && refusals.is_empty() {
            return None;
        }
        let everything = grants.iter().any(|(grant, cut)| {
            firm(grant)
                && cut.src.is_none()
                && cut.dst.as_ref().is_none_or(|dst| **dst == *own)
                && cut.services.is_none()
                && !cut.translated
        }) && !refusals.iter().any(|(refusal, _)| refusal.cuts);
        let grants: Vec<Grant> = grants.into_iter().map(|(grant, _)| grant).collect();
        let refusals: Vec<Refusal> = refusals.into_iter().map(|(refusal, _)| refusal).collect();
        let text = if everything { EVERYTHING.to_owned() } else { cell_text(&grants, &refusals) };
        Some(Cell {
            from: zone_name(ruleset, from_zone).to_owned(),
            to: zone_name(ruleset, to_zone).to_owned(),
            text,
            everything,
            grants,
            refusals,
        })
    }

    /// Schedule and last day of a rule, for people.
    fn times(&self, origin: Origin) -> (Option<String>, Option<String>) {
        let Origin::Written(id) = origin else { return (None, None) };
        let rule = &self.policy.rules[id.0 as usize];
        (rule.schedule.as_ref().map(schedule_words), rule.expires.map(|day| day.to_string()))
    }
}

fn needs(ruleset: &Ruleset) -> Vec<NeedLine> {
    let mut lines: BTreeMap<(bool, String), Vec<&'static str>> = BTreeMap::new();
    for rule in &ruleset.rules {
        let Origin::Need(need) = rule.origin else { continue };
        for flow_box in &rule.boxes {
            let side = match flow_box.path {
                Path::Input { input } => input,
                Path::Forward { .. } | Path::Output { .. } => continue,
            };
            let zone = match side {
                Side::One(id) => ruleset.interface(id).zone.clone(),
                Side::Segments | Side::Any => "segments".to_owned(),
            };
            let line = lines.entry((zone != "segments", zone)).or_default();
            if !line.contains(&need.describe()) {
                line.push(need.describe());
            }
        }
    }
    lines.into_iter().map(|((_, zone), needs)| NeedLine { zone, needs }).collect()
}
