//! A generation: a policy as it was applied, and what it means for the box.

use segwall_core::emit;
use segwall_core::plan::Wanted;
use segwall_core::ruleset::Ruleset;
use serde::{Deserialize, Serialize};

/// Who applied, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The user, by name where there is one.
    pub user: String,
    /// `ssh from ADDRESS`, a terminal's name, or `no terminal`.
    pub via: String,
}

/// What became of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Being applied, or its end was not written down.
    Open,
    /// It was kept.
    Confirmed,
    /// The box went back; why.
    WentBack(String),
}

/// What is written down of a generation beside its policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its number.
    pub number: u64,
    /// When it was applied, seconds since 1970.
    pub applied_s: i64,
    /// The path of the policy file, as the user named it: rules' comments name it.
    pub file: String,
    /// The time zone of the box.
    pub timezone: String,
    /// The instant its rules were compiled for, seconds since 1970; `None`: the clock was not known to be right.
    pub compiled_s: Option<i64>,
    /// The kernel's own zone that its rules were compiled for, seconds east of UTC: nft counts weekdays by it.
    #[serde(default)]
    pub weekday_zone_s: i32,
    /// Digest of the files that it put on the box.
    pub digest: String,
    /// The version of Segwall.
    pub version: String,
    /// Who applied it.
    pub who: Who,
    /// Why, in the admin's words.
    pub comment: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
}

/// A generation as values: what it wants of the box, and its rules.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// Its number.
    pub number: u64,
    /// What it wants of the box.
    pub wanted: Wanted,
    /// What its policy means.
    pub ruleset: Ruleset,
    /// Its rules.
    pub program: emit::nft::Program,
}

/// A generation that is to be applied.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The policy's text.
    pub policy: String,
    /// What is written down of it; its number is given when it is stored.
    pub manifest: Manifest,
}
