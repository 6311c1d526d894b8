//! What does not arrive where it should: said once when that begins, or comes of something else, and once when it is over.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Of one receiver no more than a sentence within this time, whatever happens to it.
const PAUSE: Duration = Duration::from_secs(60);

/// What was said of whom.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    last: BTreeMap<String, Said>,
}

#[derive(Debug)]
struct Said {
    /// Why it does not arrive, without figures; `None`: it does.
    gist: Option<String>,
    at: Instant,
}

impl Complaints {
    /// Hears how it stands with a receiver, as often as anybody likes: `why` it does not take what is sent, or that it does.
    /// What is to be said of it.
    pub fn hear(&mut self, who: &str, why: Option<&str>, now: Instant) -> Option<String> {
        let gist = why.map(gist);
        match self.last.get(who) {
            None if gist.is_none() => return None,
            Some(said) if said.gist == gist || now.duration_since(said.at) < PAUSE => return None,
            _ => {}
        }
        self.last.insert(who.to_owned(), Said { gist, at: now });
        Some(match why {
            Some(why) => format!("nothing arrives at {who}: {why}; it is tried again"),
            None => format!("it arrives again at {who}"),
        })
    }

    /// Forgets all but these.
    pub fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.last.retain(|who, _| is_there(who));
    }
}

/// A sentence that differs in its figures only, a clock's or a count's, says nothing new.
fn gist(why: &str) -> String {
    why.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_said_once_and_none_too_often() {
        let mut complaints = Complaints::default();
        let begun = Instant::now();
        let mut at = |seconds, why: Option<&str>| complaints.hear("it", why, begun + Duration::from_secs(seconds));
        assert_eq!(at(0, None), None);
        assert_eq!(at(1, Some("refused")).as_deref(), Some("nothing arrives at it: refused; it is tried again"));
        assert_eq!(at(2, Some("refused")), None);
        assert_eq!(at(500, Some("refused")), None);
        assert_eq!(
            at(501, Some("refused at 08:01")).as_deref(),
            Some("nothing arrives at it: refused at 08:01; it is tried again")
        );
        assert_eq!(at(600, Some("refused at 08:02")), None);
        assert_eq!(at(602, None).as_deref(), Some("it arrives again at it"));
        // One that comes and goes.
        assert_eq!(at(603, Some("refused")), None);
        assert_eq!(at(604, None), None);
        assert_eq!(at(660, Some("refused")), None);
        assert_eq!(at(662, Some("refused")).as_deref(), Some("nothing arrives at it: refused; it is tried again"));
        complaints.keep(|who| who != "it");
        assert_eq!(complaints.hear("it", None, begun), None);
    }
}
