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
    /// What had arrived until then.
    sent: u64,
    at: Instant,
}

impl Complaints {
    /// Hears how it stands with a receiver, as often as anybody likes: `why` it does not take what is sent, as far as that is
    /// known, and how much it took so far. What is to be said of it.
    pub fn hear(&mut self, who: &str, why: Option<&str>, sent: u64, now: Instant) -> Option<String> {
        let gist = why.map(gist);
        match self.last.get(who) {
            None if gist.is_none() => return None,
            Some(said) if said.gist == gist || now.duration_since(said.at) < PAUSE => return None,
            // That nothing is known to be wrong is not yet that something arrived. After a reload it is counted anew.
            Some(said) if gist.is_none() && (sent == 0 || sent == said.sent) => return None,
            _ => {}
        }
        self.last.insert(who.to_owned(), Said { gist, sent, at: now });
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

/// A sentence that differs in its figures only, a clock's, a count's or a message's number, says nothing new.
fn gist(why: &str) -> String {
    let words = why.split_whitespace().filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_said_once_and_none_too_often() {
        let mut complaints = Complaints::default();
        let begun = Instant::now();
        let mut at =
            |seconds, why: Option<&str>, sent| complaints.hear("it", why, sent, begun + Duration::from_secs(seconds));
        let refused = Some("nothing arrives at it: refused; it is tried again".to_owned());
        assert_eq!(at(0, None, 0), None);
        assert_eq!(at(1, Some("refused"), 7), refused);
        assert_eq!(at(2, Some("refused"), 7), None);
        assert_eq!(at(500, Some("refused"), 7), None);
        assert!(at(501, Some("asked at 08:01"), 7).unwrap().starts_with("nothing arrives at it: asked at 08:01; "));
        assert_eq!(at(600, Some("asked at 08:02"), 7), None);
        // It may be well, and nothing was sent since; and then it was.
        assert_eq!(at(601, None, 7), None);
        assert_eq!(at(602, None, 0), None, "another thread counts anew");
        assert_eq!(at(603, None, 8).as_deref(), Some("it arrives again at it"));
        // One that comes and goes.
        assert_eq!(at(604, Some("refused"), 8), None);
        assert_eq!(at(605, None, 9), None);
        assert_eq!(at(662, Some("refused"), 9), None);
        assert_eq!(at(663, Some("refused"), 9), refused);
        complaints.keep(|who| who != "it");
        assert_eq!(complaints.hear("it", None, 10, begun), None);
    }
}
