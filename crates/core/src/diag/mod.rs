//! Diagnostics: what a check reports, as values. Drawing them is the terminal's business.

mod packet;

use segwall_packetset::Flow;

pub use packet::NamedPacket;

use crate::source::Span;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The policy cannot be used.
    Error,
    /// It can be used, but probably does not say what was meant.
    Warning,
    /// Worth knowing.
    Note,
}

/// A stable code: `SW` and four digits, never given to another finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

/// Another place that matters, with what it has to do with the finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there.
    pub text: String,
}

/// A packet that shows a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Witness {
    /// Of a policy: its places are those of the ruleset.
    Flow(Flow),
    /// Of rules without a policy: its places are named.
    Packet(Box<NamedPacket>),
}

impl From<Flow> for Witness {
    fn from(flow: Flow) -> Self {
        Self::Flow(flow)
    }
}

impl From<NamedPacket> for Witness {
    fn from(packet: NamedPacket) -> Self {
        Self::Packet(Box::new(packet))
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its stable code.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The smallest place that is wrong.
    pub span: Span,
    /// A few words under that place; empty where the message says it all.
    pub label: String,
    /// Other places that matter.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// A packet that shows it.
    pub witness: Option<Witness>,
}

impl Diagnostic {
    /// A finding at a place.
    #[must_use]
    pub fn new(code: Code, severity: Severity, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            span,
            label: String::new(),
            labels: Vec::new(),
            help: None,
            witness: None,
        }
    }

    /// An error at a place.
    #[must_use]
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, span, message)
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, span, message)
    }

    /// Words under the place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = text.into();
        self
    }

    /// A second place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// What to do about it.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// A packet that shows it.
    #[must_use]
    pub fn witness(mut self, witness: impl Into<Witness>) -> Self {
        self.witness = Some(witness.into());
        self
    }
}
