//! Rules of our table that were added or taken away by hand, whatever that means.

use crate::emit::nft;
use crate::netfilter::Table;

/// Chains of our table that do not have the rules they were loaded with, as sentences. The proof says what it means: a rule
/// that repeats another changes nothing, and still somebody was there.
#[must_use]
pub fn edited(program: &nft::Program, table: &Table) -> Vec<String> {
    let mut found = Vec::new();
    for chain in &program.chains {
        let wanted = chain.rules.len();
        match table.chains.iter().find(|there| there.name == chain.name) {
            None => found.push(format!("the chain {} is missing", chain.name)),
            Some(there) if there.rules.len() != wanted => {
                found.push(format!(
                    "the chain {} has {} rules and was loaded with {wanted}",
                    chain.name,
                    there.rules.len()
                ));
            }
            Some(_) => {}
        }
    }
    let known = |name: &str| program.chains.iter().any(|chain| chain.name == name);
    let added = table.chains.iter().filter(|chain| !known(&chain.name));
    found.extend(added.map(|chain| format!("the chain {} was added", chain.name)));
    found
}
