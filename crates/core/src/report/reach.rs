//! Who may open what towards whom, in words that hold at every time.
//!
//! A matrix for the terminal says what is in force now; a page on a wall says when it is in force.

use std::collections::BTreeMap;

use crate::analysis::{Cell, EVERYTHING, Grant, Matrix, Refusal};

/// Zones by zones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Segments in the file's order, then `internet` where there is an uplink, then `gateway`.
    pub zones: Vec<String>,
    /// Pairs between which something is accepted or rejected, by sender, then receiver. Their zones are indices.
    pub pairs: Vec<Pair>,
    /// What the box itself opens needs a rule.
    pub output_drop: bool,
}

/// What one zone may open to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Who opens.
    pub from: usize,
    /// Towards whom.
    pub to: usize,
    /// Every flow is accepted, at every time.
    pub everything: bool,
    /// What is accepted, and what is not.
    pub phrases: Vec<Phrase>,
}

/// Services that are treated alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// `http, https → web`.
    pub text: String,
    /// The rules that say so; none for what needs no rule.
    pub lines: Vec<u32>,
}

/// Pairs that are treated alike: each of `from` may open it to each of `to` but itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What they may open, as an index into [`Reach::classes`].
    pub class: usize,
    /// Who opens, in order.
    pub from: Vec<usize>,
    /// Towards whom, in order.
    pub to: Vec<usize>,
    /// It is about traffic routed within each zone of `from`.
    pub within: bool,
}

impl Pair {
    /// All of it in one line.
    #[must_use]
    pub fn text(&self) -> String {
        self.phrases.iter().map(|phrase| phrase.text.as_str()).collect::<Vec<_>>().join("; ")
    }
}

impl Reach {
    /// The pair, where something is accepted or rejected.
    #[must_use]
    pub fn pair(&self, from: usize, to: usize) -> Option<&Pair> {
        let at = self.pairs.binary_search_by_key(&(from, to), |pair| (pair.from, pair.to)).ok()?;
        self.pairs.get(at)
    }

    /// What pairs may say, each once: everything first, then in the order of the pairs.
    #[must_use]
    pub fn classes(&self) -> Vec<String> {
        let mut seen = BTreeMap::new();
        for pair in &self.pairs {
            let order = (!pair.everything, seen.len());
            seen.entry(pair.text()).or_insert(order);
        }
        let mut classes: Vec<(String, (bool, usize))> = seen.into_iter().collect();
        classes.sort_by_key(|(_, order)| *order);
        classes.into_iter().map(|(text, _)| text).collect()
    }

    /// One line for each zone and what it may open (or what may be opened towards it): the others in order.
    #[must_use]
    pub fn told(&self, by_sender: bool) -> Vec<(usize, String, Vec<usize>)> {
        let mut lines: BTreeMap<(usize, usize), (String, Vec<usize>)> = BTreeMap::new();
        let classes = self.classes();
        let number: BTreeMap<&str, usize> = classes.iter().map(String::as_str).zip(0..).collect();
        for pair in &self.pairs {
            let (zone, other) = if by_sender { (pair.from, pair.to) } else { (pair.to, pair.from) };
            let text = pair.text();
            let class = number[text.as_str()];
            lines.entry((zone, class)).or_insert_with(|| (text, Vec::new())).1.push(other);
        }
        lines.into_iter().map(|((zone, _), (text, others))| (zone, text, others)).collect()
    }

    /// The pairs in groups that are treated alike. Together they are the pairs, no more and no less.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let classes = self.classes();
        let number: BTreeMap<&str, usize> = classes.iter().map(String::as_str).zip(0..).collect();
        let mut receivers: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        let mut within: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for pair in &self.pairs {
            let class = number[pair.text().as_str()];
            if pair.from == pair.to {
                within.entry(class).or_default().push(pair.from);
            } else {
                receivers.entry((class, pair.from)).or_default().push(pair.to);
            }
        }
        // Senders that reach the same others and each other, then senders that reach the same others.
        let mut mutual: BTreeMap<(usize, Vec<usize>), Vec<usize>> = BTreeMap::new();
        for ((class, from), to) in &receivers {
            let mut all = to.clone();
            all.push(*from);
            all.sort_unstable();
            mutual.entry((*class, all)).or_default().push(*from);
        }
        let mut groups = Vec::new();
        for ((class, to), from) in mutual.into_iter().filter(|(_, from)| from.len() > 1) {
            from.iter().for_each(|from| drop(receivers.remove(&(class, *from))));
            groups.push(Group { class, from, to, within: false });
        }
        let mut alike: BTreeMap<(usize, Vec<usize>), Vec<usize>> = BTreeMap::new();
        for ((class, from), to) in receivers {
            alike.entry((class, to)).or_default().push(from);
        }
        groups.extend(alike.into_iter().map(|((class, to), from)| Group { class, from, to, within: false }));
        groups.extend(within.into_iter().map(|(class, from)| Group { class, to: from.clone(), from, within: true }));
        groups.sort_by(|a, b| (&a.from, a.class, &a.to, a.within).cmp(&(&b.from, b.class, &b.to, b.within)));
        groups
    }
}

impl Group {
    /// The pairs it stands for.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.from
            .iter()
            .flat_map(|from| self.to.iter().map(move |to| (*from, *to)))
            .filter(|(from, to)| (from == to) == self.within)
    }
}

/// The matrix in words that hold at every time.
pub(super) fn reach(matrix: &Matrix) -> Reach {
    let zones = matrix.zones.clone();
    let number: BTreeMap<&str, usize> = zones.iter().map(String::as_str).zip(0..).collect();
    let mut pairs: BTreeMap<(usize, usize), Pair> = BTreeMap::new();
    for cell in &matrix.cells {
        let (Some(from), Some(to)) = (number.get(cell.from.as_str()), number.get(cell.to.as_str())) else { continue };
        let pair = Pair { from: *from, to: *to, everything: cell.everything, phrases: phrases(cell) };
        pairs.insert((*from, *to), pair);
    }
    if let (Some(gateway), false) = (number.get("gateway").copied(), matrix.output_drop) {
        for to in (0..zones.len()).filter(|to| *to != gateway) {
            let phrases = vec![Phrase { text: EVERYTHING.to_owned(), lines: Vec::new() }];
            pairs.entry((gateway, to)).or_insert(Pair { from: gateway, to, everything: true, phrases });
        }
    }
    Reach { pairs: pairs.into_values().collect(), zones, output_drop: matrix.output_drop }
}

fn phrases(cell: &Cell) -> Vec<Phrase> {
    let written = |line: u32| (line > 0).then_some(line);
    if cell.everything {
        let mut lines: Vec<u32> = cell.grants.iter().filter_map(|grant| written(grant.line)).collect();
        lines.dedup();
        return vec![Phrase { text: EVERYTHING.to_owned(), lines }];
    }
    // Grants that differ in their services only are one phrase.
    let mut sorts: Vec<(Sort<'_>, Vec<&str>, Vec<u32>)> = Vec::new();
    for grant in &cell.grants {
        let sort = sort_of(grant);
        let at = sorts.iter().position(|(known, ..)| *known == sort).unwrap_or_else(|| {
            sorts.push((sort, Vec::new(), Vec::new()));
            sorts.len() - 1
        });
        let (_, services, lines) = &mut sorts[at];
        for service in &grant.services {
            if !services.contains(&service.as_str()) {
                services.push(service);
            }
        }
        lines.extend(written(grant.line).filter(|line| !lines.contains(line)));
    }
    let phrase = |((from, to, marks), services, lines): (Sort<'_>, Vec<&str>, Vec<u32>)| {
        let text = with_ends(services.join(", "), from, to);
        let text = if marks.is_empty() { text } else { format!("{text} ({})", marks.join(", ")) };
        Phrase { text, lines }
    };
    let mut phrases: Vec<Phrase> = sorts.into_iter().map(phrase).collect();
    // A refusal may cut into each of them: it is told of all.
    let told = |word: &str, refusal: &Refusal| Phrase {
        text: format!("{word}{}", refused(refusal)),
        lines: written(refusal.line).into_iter().collect(),
    };
    phrases.extend(cell.refusals.iter().filter(|refusal| refusal.cuts).map(|refusal| told("but not ", refusal)));
    phrases.extend(cell.refusals.iter().filter(|refusal| !refusal.cuts).map(|refusal| told("rejected: ", refusal)));
    phrases
}

/// What makes two grants one phrase: everything but the services.
type Sort<'g> = (Option<&'g str>, Option<&'g str>, Vec<String>);

fn sort_of(grant: &Grant) -> Sort<'_> {
    let mut marks = Vec::new();
    if grant.forward {
        marks.push("forwarded".to_owned());
    }
    if grant.limited {
        marks.push("limited".to_owned());
    }
    marks.extend(grant.schedule.clone());
    marks.extend(grant.expires.iter().map(|day| format!("until {day}")));
    (grant.from.as_deref(), grant.to.as_deref(), marks)
}

fn with_ends(services: String, from: Option<&str>, to: Option<&str>) -> String {
    let words = from.map_or(services.clone(), |from| format!("from {from}: {services}"));
    to.map_or(words.clone(), |to| format!("{words} → {to}"))
}

fn refused(refusal: &Refusal) -> String {
    let mut words = refusal.services.join(", ");
    words.extend(refusal.from.iter().map(|from| format!(" from {from}")));
    words.extend(refusal.to.iter().map(|to| format!(" → {to}")));
    let times: Vec<String> =
        refusal.schedule.iter().cloned().chain(refusal.expires.iter().map(|day| format!("until {day}"))).collect();
    if times.is_empty() { words } else { format!("{words} ({})", times.join(", ")) }
}
