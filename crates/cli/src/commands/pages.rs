//! What `docs` and `diagram` share: from a policy to a text that is printed or written.

use std::path::Path;

use segwall_core::report::{self, Network};

use crate::args::{Format, PolicyArg};
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::load::Checked;
use crate::text::Escaped;
use crate::{clock, load, ours, out};

/// Makes a text of a sound policy, and prints or writes it.
pub fn make(
    policy: PolicyArg,
    output: Option<&Path>,
    text: impl FnOnce(&Checked, &Network<'_>) -> Result<String, Failure>,
) -> Result<Answer, Failure> {
    const HELP: &str = "Segwall did not write it: name another file, or move it away";
    let location = Location::of(policy.policy);
    // What it fails with has no shape of its own: findings are told as text.
    let checked = match load::sound::<()>("docs", &location, Format::Text)? {
        Ok(checked) => checked,
        Err(answer) => return Ok(answer),
    };
    let network = report::network(&checked.policy, &checked.ruleset, &checked.source, clock::now());
    let text = text(&checked, &network)?;
    match output {
        None => out::print_plain(&text)?,
        Some(path) => {
            ours::write(path, &text, HELP)?;
            out::print(&format!("{} written\n", Escaped(&path.display().to_string())))?;
        }
    }
    Ok(Answer::Yes)
}
