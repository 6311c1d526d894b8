//! Whether what the kernel under us holds is what a ruleset says.

use segwall_core::analysis::proof::{self, Answer, Proof, Refutation};
use segwall_core::emit::nft::TABLE;
use segwall_core::netfilter::meaning::RuleAt;
use segwall_core::netfilter::{self, Note, NoteKind, Program, TableFamily};
use segwall_core::ruleset::{At, Ruleset};
use segwall_packetset::Space;
use thiserror::Error;

use crate::netns::{Netns, NetnsError};
use crate::nft::{LISTING, Nft, NftError};
use crate::others;

/// The kernel's rules could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// nft did not list them.
    #[error("cannot list the kernel's rules")]
    Nft(#[source] NftError),
    /// The namespace is not known.
    #[error("cannot list the kernel's rules")]
    Netns(#[source] NetnsError),
    /// The listing makes no sense.
    #[error("cannot read what nft lists: {0}")]
    Listing(String),
}

/// Rules that the kernel holds, all tables.
///
/// # Errors
/// When they cannot be listed.
pub fn kernel() -> Result<Program, ReadError> {
    let nft = Nft::find().map_err(ReadError::Nft)?;
    let here = Netns::current().map_err(ReadError::Netns)?;
    let json = nft.list(&here, &LISTING).map_err(ReadError::Nft)?;
    listing(&json)
}

/// Our table alone, as the kernel holds it; `None` where it is not there.
///
/// # Errors
/// When it cannot be listed.
pub fn ours() -> Result<Option<Program>, ReadError> {
    let nft = Nft::find().map_err(ReadError::Nft)?;
    let here = Netns::current().map_err(ReadError::Netns)?;
    let tables = nft.list(&here, &["list", "tables", "inet"]).map_err(ReadError::Nft)?;
    if !tables.lines().any(|line| line == format!("table inet {TABLE}")) {
        return Ok(None);
    }
    // Listed by itself, so that what is not understood of others' tables is no doubt about ours.
    let json = nft.list(&here, &["-j", "-s", "-p", "list", "table", "inet", TABLE]).map_err(ReadError::Nft)?;
    listing(&json).map(Some)
}

fn listing(json: &str) -> Result<Program, ReadError> {
    netfilter::read_nft_json(json.as_bytes()).map_err(|error| ReadError::Listing(error.to_string()))
}

/// Notes about what may be missing in a program.
pub fn missing(program: &Program) -> impl Iterator<Item = &Note> {
    program.notes.iter().filter(|note| note.kind != NoteKind::Aside)
}

/// Why a proof about the kernel under us is not certain: rules that were not understood, and what else than nftables
/// decides.
#[must_use]
pub fn doubts(program: &Program, ruleset: &Ruleset) -> Vec<String> {
    let interfaces: Vec<&str> = ruleset.interfaces.iter().map(|one| one.name.as_str()).collect();
    let mut doubts: Vec<String> = missing(program).map(|note| format!("the kernel: {}", note.text)).collect();
    doubts.extend(others::filters(&interfaces));
    doubts
}

/// How the kernel compares with a ruleset.
#[derive(Debug)]
pub struct Compared {
    /// What it holds.
    pub program: Program,
    /// What the comparison came to.
    pub proof: Proof,
    /// Why that is not certain.
    pub doubts: Vec<String>,
}

/// Compares what the kernel holds with a ruleset at an instant.
///
/// # Errors
/// When its rules cannot be listed.
pub fn compare(ruleset: &Ruleset, at: At) -> Result<Compared, ReadError> {
    let program = kernel()?;
    let doubts = doubts(&program, ruleset);
    let proof = proof::prove(&mut Space::default(), ruleset, &[&program], at);
    Ok(Compared { program, proof, doubts })
}

/// What other tables and filters would keep a proof from succeeding, were a rule set loaded beside them: sentences.
///
/// # Errors
/// When rules cannot be read.
pub fn in_the_way(ruleset: &Ruleset, script: &str, at: At) -> Result<Vec<String>, ReadError> {
    let mut foreign = kernel()?;
    foreign.tables.retain(|table| !(table.name == TABLE && table.family == TableFamily::Inet));
    let mut found = doubts(&foreign, ruleset);
    if foreign.tables.is_empty() {
        return Ok(found);
    }
    let nft = Nft::find().map_err(ReadError::Nft)?;
    let ours = listing(&nft.read_text(script).map_err(ReadError::Nft)?)?;
    let programs = [&ours, &foreign];
    let mut space = Space::default();
    // A text that is not what its policy says is found out after it was loaded; here only others are asked about.
    if !matches!(proof::prove(&mut space, ruleset, &[&ours], at).answer, Answer::Proved) {
        return Ok(found);
    }
    match proof::prove(&mut space, ruleset, &programs, at).answer {
        Answer::Proved => {}
        Answer::Undetermined(reasons) => found.extend(reasons),
        Answer::Refuted(differences) => found.extend(differences.iter().map(|one| sentence(one, &programs))),
    }
    Ok(found)
}

/// A difference, in one sentence.
#[must_use]
pub fn sentence(one: &Refutation, programs: &[&Program]) -> String {
    let line = one.line.map_or_else(|| "no rule names it".to_owned(), |line| format!("line {line}"));
    let rules: Vec<String> = one.rules.iter().take(1).map(|at| rule_words(programs, *at)).collect();
    let by = if rules.is_empty() { String::new() } else { format!(", by {}", rules.join(", ")) };
    format!(
        "{}: {}: the policy says {} ({line}), the kernel {}{by}",
        one.hook.word(),
        one.packet(),
        one.wanted,
        one.found
    )
}

/// A rule, so that people find it.
#[must_use]
pub fn rule_words(programs: &[&Program], at: RuleAt) -> String {
    let table = &programs[at.program].tables[at.table];
    let chain = &table.chains[at.chain];
    let place = format!("{} {} {}", table.family.word(), table.name, chain.name);
    match chain.rules.get(at.rule) {
        None => format!("{place}: the chain's policy"),
        Some(rule) => {
            let number = at.rule + 1;
            match (&rule.comment, rule.handle) {
                (Some(comment), _) => format!("{place}: rule {number} ({comment})"),
                (None, Some(handle)) => format!("{place}: rule {number} (handle {handle})"),
                (None, None) => format!("{place}: rule {number}"),
            }
        }
    }
}
