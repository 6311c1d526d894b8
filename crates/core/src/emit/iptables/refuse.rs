//! The chains that drops and rejects end in. Their rules' own counters count by reason.

use segwall_packetset::Family;

use super::super::nft::{DROP_LOG_GROUP, LOG_BATCH, LOG_BYTES};
use super::table::{Table, join};
use super::words;
use crate::policy::Limit;

/// Why a packet is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Spoofed,
    UnknownInterface,
    Invalid,
    Untracked,
    NotSyn,
    Family,
    Broadcast,
    Rule,
    RuleLogged,
    Reject,
    RejectLogged,
    Unnamed,
}

impl Reason {
    const ALL: [Self; 12] = [
        Self::Spoofed,
        Self::UnknownInterface,
        Self::Invalid,
        Self::Untracked,
        Self::NotSyn,
        Self::Family,
        Self::Broadcast,
        Self::Rule,
        Self::RuleLogged,
        Self::Reject,
        Self::RejectLogged,
        Self::Unnamed,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Spoofed => "drop_spoofed",
            Self::UnknownInterface => "drop_unknown_interface",
            Self::Invalid => "drop_invalid",
            Self::Untracked => "drop_untracked",
            Self::NotSyn => "drop_not_syn",
            Self::Family => "drop_family",
            Self::Broadcast => "drop_broadcast",
            Self::Rule => "drop_rule",
            Self::RuleLogged => "drop_rule_logged",
            Self::Reject => "reject_rule",
            Self::RejectLogged => "reject_rule_logged",
            Self::Unnamed => "drop_unnamed",
        }
    }

    fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Spoofed => Some("segwall drop spoofed "),
            Self::UnknownInterface => Some("segwall drop unknown-interface "),
            Self::Invalid => Some("segwall drop invalid "),
            Self::Untracked => Some("segwall drop untracked "),
            Self::NotSyn => Some("segwall drop not-syn "),
            Self::Family => Some("segwall drop family "),
            Self::Broadcast => None,
            Self::Rule | Self::RuleLogged => Some("segwall drop rule "),
            Self::Reject | Self::RejectLogged => Some("segwall reject rule "),
            Self::Unnamed => Some("segwall drop unnamed "),
        }
    }

    /// `-g` and the chain.
    pub(super) fn goto(self) -> String {
        format!("-g sw_{}", self.word())
    }
}

/// Adds all of them: a rule names only chains that are there.
pub(super) fn chains(table: &mut Table, limit: &Limit, family: Family) {
    for reason in Reason::ALL {
        let chain = format!("sw_{}", reason.word());
        table.chain(&chain);
        if let Some(prefix) = reason.prefix() {
            let bucket = match reason {
                Reason::RuleLogged | Reason::RejectLogged => "sw_rules",
                _ => "sw_drops",
            };
            let log = format!(
                "-j NFLOG --nflog-group {DROP_LOG_GROUP} --nflog-prefix \"{prefix}\" --nflog-size {LOG_BYTES} \
                 --nflog-threshold {LOG_BATCH}"
            );
            table.push(&chain, join(&[&words::rate(bucket, limit), &log]));
        }
        match (reason, family) {
            (Reason::Reject | Reason::RejectLogged, family) => {
                table.push(&chain, "-p tcp -j REJECT --reject-with tcp-reset".to_owned());
                let with = match family {
                    Family::V4 => "icmp-admin-prohibited",
                    Family::V6 => "icmp6-adm-prohibited",
                };
                table.push(&chain, format!("-j REJECT --reject-with {with}"));
            }
            _ => table.push(&chain, "-j DROP".to_owned()),
        }
    }
}
