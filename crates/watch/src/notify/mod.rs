//! Telling people: alerts go by mail, webhook, syslog or to a command, each by a thread of its own that nothing waits for.
//!
//! What cannot be delivered is kept on the disk and tried again; what comes too fast is told together; what is too much is
//! counted.

mod command;
mod digest;
mod mail;
mod outbox;
mod pace;
mod receiver;
mod syslog;
mod webhook;
mod worker;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::alert::{Alert, Phase, Severity};

pub use command::{Itself, Runs};
pub use outbox::{NOTICES_MAX, Outbox};
pub use pace::Pace;
pub use receiver::{NotifyError, Receiver, Shape};
pub use worker::{Counts, Worker};

/// How much it matters, for receivers that know such a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Good to know.
    Notice,
    /// To be looked at.
    Warning,
    /// The box does not protect as it should.
    Critical,
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// How much it matters.
    pub urgency: Urgency,
    /// One line.
    pub title: String,
    /// All of it, for people.
    pub text: String,
    /// All of it, for programs.
    pub json: Value,
}

impl Notice {
    /// An alert, for people and for programs.
    #[must_use]
    pub fn of(alert: &Alert, json: Value) -> Self {
        let urgency = match alert.severity {
            Severity::Notice => Urgency::Notice,
            Severity::Warning => Urgency::Warning,
            Severity::Critical => Urgency::Critical,
        };
        let state = match alert.phase {
            Phase::Open => "",
            Phase::Update => "goes on: ",
            Phase::Closed => "is over: ",
        };
        let mut text =
            format!("{}\n\nfirst {}, last {}, counted {}\n", alert.summary, alert.first, alert.last, alert.count);
        let targets: Vec<String> = alert.targets.iter().map(ToString::to_string).collect();
        let lists = [("targets", targets.join(", ")), ("ports", alert.ports.join(", "))];
        for (word, list) in lists.into_iter().chain([("by the policy", alert.causes_words())]) {
            if !list.is_empty() {
                text.push_str(&format!("{word}: {list}\n"));
            }
        }
        Self { urgency, title: format!("segwall: {state}{}", alert.summary), text, json }
    }
}
