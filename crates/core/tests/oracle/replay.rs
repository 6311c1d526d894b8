//! The text of a random policy means what the policy means: the parser, the printer and `lower` agree.

use jiff::civil::date;
use jiff::tz::TimeZone;
use segwall_core::diag::Severity;
use segwall_core::policy::{Context, load};
use segwall_core::ruleset::{Ruleset, lower};
use segwall_core::source::Source;
use segwall_core::testing::{Seeded, random_policy, source_of, to_toml};

/// A ruleset without what depends on the text's layout.
fn shape(mut ruleset: Ruleset) -> String {
    for rule in &mut ruleset.rules {
        rule.span = None;
        rule.line = 0;
    }
    for translation in &mut ruleset.translations {
        translation.line = 0;
    }
    let Ruleset { interfaces, rules, translations, inside, .. } = ruleset;
    format!("{interfaces:#?}\n{rules:#?}\n{translations:#?}\n{inside:#?}")
}

#[test]
fn a_printed_policy_reads_back_to_the_same_ruleset() {
    let count = if std::env::var_os("SEGWALL_FULL").is_some() { 5_000 } else { 500 };
    for seed in 0..count {
        let mut choices = Seeded(seed);
        let policy = random_policy(&mut |bound| choices.below(bound));
        let text = to_toml(&policy);
        let source = Source::new("random.toml", text.clone());
        let loaded = load(&source, &Context { today: date(2026, 1, 1), timezone: TimeZone::UTC });
        let errors: Vec<_> = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
        let read = loaded.policy.unwrap_or_else(|| panic!("seed {seed}: {errors:#?}\n{text}"));
        let read = shape(lower(&read, &source, &TimeZone::UTC));
        let meant = shape(lower(&policy, &source_of(&policy), &TimeZone::UTC));
        if read != meant {
            let differing = read.lines().zip(meant.lines()).position(|(a, b)| a != b).unwrap_or_default();
            let near =
                |text: &str| text.lines().skip(differing.saturating_sub(12)).take(24).collect::<Vec<_>>().join("\n");
            panic!("seed {seed}: read back\n{}\nmeant\n{}\n{text}", near(&read), near(&meant));
        }
    }
}
