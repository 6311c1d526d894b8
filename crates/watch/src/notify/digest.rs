//! Several notices as one message.

use serde_json::{Value, json};

use super::{Notice, Urgency};

/// Titles that a digest lists.
const TITLES_MAX: usize = 20;

/// What a message says, be it one notice or many.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The highest of its notices.
    pub urgency: Urgency,
    /// One line.
    pub title: String,
    /// All of it.
    pub text: String,
}

/// One message of one or more notices; `lost` were given up before.
pub fn message(notices: &[Notice], lost: u64) -> Message {
    let urgency = notices.iter().map(|notice| notice.urgency).max().unwrap_or(Urgency::Notice);
    let lost = if lost == 0 { String::new() } else { format!("\n{lost} older ones were given up unread.\n") };
    if let [only] = notices {
        return Message { urgency, title: only.title.clone(), text: format!("{}{lost}", only.text) };
    }
    let mut text = String::new();
    for notice in notices.iter().take(TITLES_MAX) {
        text.push_str(&notice.title);
        text.push('\n');
    }
    if let Some(more) = notices.len().checked_sub(TITLES_MAX).filter(|more| *more > 0) {
        text.push_str(&format!("and {more} more; `segwall alerts` lists them\n"));
    }
    text.push_str(&lost);
    Message { urgency, title: format!("segwall: {} alerts", notices.len()), text }
}

/// The same for programs: the one alert, or all of them in a list.
pub fn document(notices: &[Notice]) -> Value {
    match notices {
        [only] => only.json.clone(),
        many => json!({ "alerts": many.iter().map(|notice| &notice.json).collect::<Vec<_>>() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(number: usize, urgency: Urgency) -> Notice {
        Notice {
            urgency,
            title: format!("scan {number}"),
            text: format!("text {number}"),
            json: json!({ "id": number }),
        }
    }

    #[test]
    fn one_is_itself_and_many_are_listed() {
        let one = message(&[notice(1, Urgency::Warning)], 0);
        assert_eq!((one.title.as_str(), one.text.as_str()), ("scan 1", "text 1"));
        let many: Vec<Notice> = (0..25).map(|number| notice(number, Urgency::Notice)).collect();
        let told = message(&[many, vec![notice(99, Urgency::Critical)]].concat(), 3);
        assert_eq!((told.title.as_str(), told.urgency), ("segwall: 26 alerts", Urgency::Critical));
        assert!(told.text.contains("scan 19\nand 6 more;") && told.text.contains("3 older ones"), "{}", told.text);
    }

    #[test]
    fn programs_get_the_alert_or_a_list() {
        let list = [notice(1, Urgency::Notice), notice(2, Urgency::Notice)];
        assert_eq!(document(&list[..1]), json!({ "id": 1 }));
        assert_eq!(document(&list), json!({ "alerts": [{ "id": 1 }, { "id": 2 }] }));
    }
}
