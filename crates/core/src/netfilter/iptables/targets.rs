//! What a rule does.

use segwall_packetset::proto;

use super::matches::Context;
use super::modules::How;
use super::numbers::{masked, number, word};
use super::spec::{Instance, Kind, Target};
use super::{Refusal, Version, nat};
use crate::netfilter::{Action, Log, Reject, Unknown};

/// Said of a changed TTL; without a meaning where no rule looks at one.
pub(super) const CHANGES_HOPS: &str = "changes the number of hops left";
/// Longest `--log-prefix` and `--nflog-prefix`.
const LOG_PREFIX_BYTES_MAX: usize = 29;
const NFLOG_PREFIX_BYTES_MAX: usize = 63;

/// Targets of the well-known xtables-addons and of router firmware.
const FOREIGN: &[&str] = &[
    "ACCOUNT",
    "CHAOS",
    "DELUDE",
    "DHCPMAC",
    "DNETMAP",
    "ECHO",
    "FLOWOFFLOAD",
    "FULLCONENAT",
    "IPMARK",
    "LOGMARK",
    "NDPI",
    "PROTO",
    "RAWDNAT",
    "RAWSNAT",
    "STEAL",
    "SYSRQ",
    "TARPIT",
];

/// What a target does.
pub(super) fn action(target: &Target, cx: Context<'_>) -> Result<Action, Refusal> {
    let instance = match target {
        Target::Goto(chain) if (cx.is_chain)(&chain.text) => return Ok(Action::Goto(chain.text.clone())),
        Target::Goto(chain) => {
            return Err(Refusal::new(chain.span, format!("there is no chain `{}` yet", chain.text)));
        }
        Target::Jump(instance) => instance,
    };
    let module = match &instance.kind {
        Kind::Known(module) => module,
        Kind::Foreign(name) => return verdict(instance, name, cx),
    };
    if !module.tables.is_empty() && !module.tables.contains(&cx.table) {
        let text = format!("{} belongs into the table `{}`", module.name, module.tables.join("` or `"));
        return Err(Refusal::new(instance.span, text));
    }
    Ok(match module.how {
        How::Nothing => Action::Nothing,
        How::ForgetMark => Action::ForgetMark,
        How::Connmark => match instance.get("restore-mark") {
            Some(_) => Action::ForgetMark,
            None => Action::Nothing,
        },
        How::Ct => ct(instance),
        How::Notrack => Action::NoTrack,
        How::Dnat | How::Snat => nat::addresses(instance, module.how == How::Dnat, cx)?,
        How::Redirect | How::Masquerade => nat::own(instance, module.how == How::Redirect, cx)?,
        How::Netmap => nat::netmap(instance, cx)?,
        How::HopsTarget => unknown(instance, CHANGES_HOPS),
        How::Log => {
            let prefix = prefix(instance, "log-prefix", LOG_PREFIX_BYTES_MAX)?;
            Action::Log(Log { prefix, group: None })
        }
        How::Nflog => {
            let prefix = prefix(instance, "nflog-prefix", NFLOG_PREFIX_BYTES_MAX)?;
            Action::Log(Log { prefix, group: Some(group(instance, "nflog-group", 0)?) })
        }
        How::Ulog => {
            let prefix = prefix(instance, "ulog-prefix", LOG_PREFIX_BYTES_MAX + 3)?;
            Action::Log(Log { prefix, group: Some(group(instance, "ulog-nlgroup", 1)?) })
        }
        How::MarkTarget => mark(instance)?,
        How::Nfqueue => Action::Queue { bypass: instance.get("queue-bypass").is_some() },
        How::Reject => Action::Reject(reject(instance, cx)?),
        How::SetTarget => match instance.get("map-mark") {
            Some(_) => Action::ForgetMark,
            None => Action::Nothing,
        },
        How::Unknown(why) => unknown(instance, why),
        // Matches.
        How::Addrtype
        | How::Comment
        | How::Conntrack
        | How::Dccp
        | How::Hashlimit
        | How::Hops
        | How::Icmp
        | How::Iprange
        | How::Limit
        | How::Mac
        | How::Mark
        | How::Multiport
        | How::Pkttype
        | How::Recent
        | How::Sctp
        | How::Set
        | How::Tcp
        | How::Time
        | How::Udp => Action::Nothing,
    })
}

/// A target as it was written.
pub(super) fn unknown(instance: &Instance, why: &'static str) -> Action {
    let text = instance.text();
    Action::Unknown(Unknown { text: format!("-j {}", text.strip_prefix("-m ").unwrap_or(&text)), why })
}

fn verdict(instance: &Instance, name: &str, cx: Context<'_>) -> Result<Action, Refusal> {
    let action = match name {
        "ACCEPT" => Action::Accept,
        "DROP" if cx.table == "nat" => {
            return Err(Refusal::new(instance.span, "the table `nat` is not for filtering"));
        }
        "DROP" => Action::Drop,
        "RETURN" => Action::Return,
        "QUEUE" => Action::Queue { bypass: false },
        chain if (cx.is_chain)(chain) => Action::Jump(chain.to_owned()),
        name if FOREIGN.contains(&name) => {
            return Ok(unknown(instance, "a target that iptables does not come with"));
        }
        _ => return Err(Refusal::new(instance.span, format!("there is no target and no chain `{name}` yet"))),
    };
    match instance.given.first() {
        None => Ok(action),
        Some(given) => Err(given.refuse(format!("unknown option `--{}`", given.written))),
    }
}

fn ct(instance: &Instance) -> Action {
    if instance.get("notrack").is_some() {
        return Action::NoTrack;
    }
    let zone = ["zone", "zone-orig", "zone-reply"].iter().any(|name| instance.get(name).is_some());
    if zone { unknown(instance, "zones of connection tracking are not modelled") } else { Action::Nothing }
}

fn prefix(instance: &Instance, name: &str, bytes_max: usize) -> Result<Option<String>, Refusal> {
    let Some(given) = instance.get(name) else { return Ok(None) };
    if given.value().len() > bytes_max {
        return Err(given.refuse(format!("a prefix has at most {bytes_max} bytes")));
    }
    Ok(Some(given.value().to_owned()))
}

fn group(instance: &Instance, name: &str, default: u16) -> Result<u16, Refusal> {
    let Some(given) = instance.get(name) else { return Ok(default) };
    let wrong = || given.refuse(format!("`{}` is no group", given.value()));
    number(given.value(), 0xffff).and_then(|group| u16::try_from(group).ok()).ok_or_else(wrong)
}

fn mark(instance: &Instance) -> Result<Action, Refusal> {
    let [given] = instance.given.as_slice() else {
        return Err(Refusal::new(instance.span, "MARK needs exactly one of its options"));
    };
    let wrong = || given.refuse(format!("`{}` is no mark", given.value()));
    // Bits of the mask are cleared, then those of the value turned over.
    let (value, mask) = match given.name.as_str() {
        "set-xmark" => masked(given.value()).ok_or_else(wrong)?,
        "set-mark" => {
            let (value, mask) = masked(given.value()).ok_or_else(wrong)?;
            (value, value | mask)
        }
        "and-mark" => (0, !word(given.value()).ok_or_else(wrong)?),
        "or-mark" => {
            let bits = word(given.value()).ok_or_else(wrong)?;
            (bits, bits)
        }
        _ => (word(given.value()).ok_or_else(wrong)?, 0),
    };
    if value & !mask != 0 {
        // Bits are turned over.
        return Ok(Action::ForgetMark);
    }
    Ok(Action::SetMark { value: value.into(), mask: mask.into() })
}

/// Name, alias, code of "destination unreachable".
const REJECTS_V4: &[(&str, &str, u8)] = &[
    ("icmp-net-unreachable", "net-unreach", 0),
    ("icmp-host-unreachable", "host-unreach", 1),
    ("icmp-proto-unreachable", "proto-unreach", 2),
    ("icmp-port-unreachable", "port-unreach", 3),
    ("icmp-net-prohibited", "net-prohib", 9),
    ("icmp-host-prohibited", "host-prohib", 10),
    ("tcp-reset", "tcp-rst", RESET),
    ("icmp-admin-prohibited", "admin-prohib", 13),
];
const REJECTS_V6: &[(&str, &str, u8)] = &[
    ("icmp6-no-route", "no-route", 0),
    ("icmp6-adm-prohibited", "adm-prohibited", 1),
    ("icmp6-addr-unreachable", "addr-unreach", 3),
    ("icmp6-port-unreachable", "port-unreach", 4),
    ("tcp-reset", "tcp-reset", RESET),
    ("icmp6-policy-fail", "policy-fail", 5),
    ("icmp6-reject-route", "reject-route", 6),
];
/// Stands for a TCP reset among the codes.
const RESET: u8 = 0xff;

fn reject(instance: &Instance, cx: Context<'_>) -> Result<Reject, Refusal> {
    let (list, default) = match cx.version {
        Version::V4 => (REJECTS_V4, 3),
        Version::V6 => (REJECTS_V6, 4),
    };
    let code = match instance.get("reject-with") {
        None => default,
        Some(given) => {
            let begins = |name: &str| {
                name.get(..given.value().len()).is_some_and(|head| head.eq_ignore_ascii_case(given.value()))
            };
            let found = list.iter().find(|(name, alias, _)| begins(name) || begins(alias));
            let (_, _, code) = found.ok_or_else(|| given.refuse(format!("no REJECT with `{}`", given.value())))?;
            if *code == RESET && cx.protocol != Some(proto::TCP) {
                return Err(given.refuse("`tcp-reset` needs `-p tcp`"));
            }
            *code
        }
    };
    Ok(match (code, cx.version) {
        (RESET, _) => Reject::TcpReset,
        (code, Version::V4) => Reject::Icmp { v4: Some(code), v6: None },
        (code, Version::V6) => Reject::Icmp { v4: None, v6: Some(code) },
    })
}
