//! Findings of rules without a policy.

mod dead;
mod pages;
mod silence;
mod tutorial;

use segwall_core::analysis::foreign::{Audit, Interface, Rules, audit};
use segwall_core::netfilter::{Program, TableFamily, read_iptables_save, read_iptables_script};
use segwall_core::source::Source;
use segwall_packetset::Space;

/// Rules of a text, by the word behind its fence.
pub fn read(kind: &str, text: &str) -> (Source, Program) {
    let source = Source::new("rules", text);
    let program = match kind {
        "sh" => read_iptables_script(&source),
        "iptables-save" => read_iptables_save(&source, TableFamily::Ip),
        other => panic!("what is {other}?"),
    };
    assert_eq!(program.notes.iter().filter(|note| is_fault(note.kind)).collect::<Vec<_>>(), Vec::<&_>::new(), "{text}");
    (source, program)
}

fn is_fault(kind: segwall_core::netfilter::NoteKind) -> bool {
    use segwall_core::netfilter::NoteKind;
    matches!(kind, NoteKind::NotUnderstood | NoteKind::Refused)
}

/// The audit of one text.
pub fn audited(kind: &str, text: &str, interfaces: Option<&[Interface]>) -> Audit {
    let (source, program) = read(kind, text);
    let audit = audit(&mut Space::default(), &[Rules { source: &source, program: &program }], interfaces);
    assert_eq!(audit.undecided, [], "{text}");
    audit
}
