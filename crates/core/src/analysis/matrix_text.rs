//! A cell in a few words.

use super::matrix::{Grant, Refusal};

/// What makes two grants one phrase: everything but the services.
type Sort<'g> = (&'g Option<String>, &'g Option<String>, Vec<String>);

fn sort_of(grant: &Grant) -> Sort<'_> {
    let mut marks = Vec::new();
    if grant.forward {
        marks.push("forwarded".to_owned());
    }
    if grant.limited {
        marks.push("limited".to_owned());
    }
    if grant.schedule.is_some() {
        marks.push(if grant.active { "scheduled" } else { "scheduled, not now" }.to_owned());
    }
    marks.extend(grant.expires.iter().map(|day| format!("until {day}")));
    (&grant.from, &grant.to, marks)
}

/// `http, https → web; mysql (limited); everything but smtp`.
pub(super) fn cell_text(grants: &[Grant], refusals: &[Refusal]) -> String {
    let mut phrases: Vec<(Sort<'_>, Vec<&str>)> = Vec::new();
    for grant in grants {
        let sort = sort_of(grant);
        let at = match phrases.iter().position(|(known, _)| *known == sort) {
            Some(at) => at,
            None => {
                phrases.push((sort, Vec::new()));
                phrases.len() - 1
            }
        };
        for service in &grant.services {
            if !phrases[at].1.contains(&service.as_str()) {
                phrases[at].1.push(service);
            }
        }
    }
    let mut text: Vec<String> = phrases.into_iter().map(|(sort, services)| phrase(sort, &services)).collect();
    let cuts: Vec<String> = refusals.iter().filter(|refusal| refusal.cuts).map(refused).collect();
    if let Some(last) = text.last_mut()
        && !cuts.is_empty()
    {
        *last = format!("{last}, but not {}", cuts.join(", "));
    }
    // Rejects that take nothing away still tell the sender.
    let rejects =
        refusals.iter().filter(|refusal| !refusal.cuts).map(|refusal| format!("rejected: {}", refused(refusal)));
    text.extend(rejects);
    text.join("; ")
}

fn phrase((from, to, marks): Sort<'_>, services: &[&str]) -> String {
    let mut words = services.join(", ");
    if let Some(from) = from {
        words = format!("from {from}: {words}");
    }
    if let Some(to) = to {
        words = format!("{words} → {to}");
    }
    if marks.is_empty() { words } else { format!("{words} ({})", marks.join(", ")) }
}

fn refused(refusal: &Refusal) -> String {
    let mut words = refusal.services.join(", ");
    if let Some(from) = &refusal.from {
        words = format!("{words} from {from}");
    }
    if let Some(to) = &refusal.to {
        words = format!("{words} → {to}");
    }
    match (&refusal.schedule, refusal.active) {
        (Some(_), true) => format!("{words} (scheduled)"),
        (Some(_), false) => format!("{words} (scheduled, not now)"),
        (None, _) => words,
    }
}
