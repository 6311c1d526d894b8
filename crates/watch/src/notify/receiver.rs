//! Whom alerts go to, as the policy says it.

use std::error::Error;
use std::path::Path;

use segwall_core::policy::{LogTls, Notify, RemoteLog};
use thiserror::Error;

use super::digest::{document, message};
use super::{Notice, Runs, command, mail, syslog, webhook};
use crate::forward::tls::TlsOptions;
use crate::forward::{Target, Transport};

/// A message was not taken.
#[derive(Debug, Error)]
pub enum NotifyError {
    /// A program.
    #[error("cannot tell it by the command {program}: {why}")]
    Command {
        /// Its path.
        program: String,
        /// Why.
        why: String,
    },
    /// A web server, named without what may be secret in its URL.
    #[error("cannot tell it to {host} by a webhook")]
    Webhook {
        /// Whose it is.
        host: String,
        /// What was said.
        source: Box<ureq::Error>,
    },
    /// A web server that did not want it.
    #[error("{host} did not take the webhook: HTTP status {status}; is its URL right?")]
    Refused {
        /// Whose it is.
        host: String,
        /// What it said.
        status: u16,
    },
    /// A syslog.
    #[error("cannot tell it to the syslog {target}: {why}")]
    Syslog {
        /// Its socket or address.
        target: String,
        /// Why.
        why: String,
    },
    /// A mail server.
    #[error("cannot mail it to {to} by {server}")]
    Mail {
        /// To whom.
        to: String,
        /// Through which server.
        server: String,
        /// What was said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl NotifyError {
    /// This and everything that caused it, as one line.
    #[must_use]
    pub fn chain(&self) -> String {
        segwall_host::error::chain(self).replace(|c: char| c.is_control(), " ")
    }
}

/// What a webhook expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The alert as JSON; of several `{"alerts": […]}`.
    Json,
    /// Text, with title and priority in headers (ntfy.sh).
    Ntfy,
    /// `{"text": …}` (Slack's incoming webhooks; Mattermost and others take it too).
    Slack,
    /// An `m.room.message` event (Matrix client-server API, `PUT …/send/m.room.message/{txnId}`).
    Matrix,
}

/// Whom alerts go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// A mail address.
    Mail {
        /// The address.
        to: String,
        /// The server, as a URL.
        smtp: String,
    },
    /// A URL.
    Webhook {
        /// The URL.
        url: String,
        /// What it expects.
        shape: Shape,
    },
    /// A program and its arguments; gets the alert on its standard input.
    Command(Vec<String>),
    /// The box's own syslog.
    Syslog,
    /// Another's.
    Collector {
        /// Whose.
        target: Target,
        /// What TLS needs.
        tls: TlsOptions,
    },
}

impl Receiver {
    /// As a policy names it, with what that says of TLS to a collector. `None`: a way that does not exist, which no policy that was checked has.
    #[must_use]
    pub fn of(notify: &Notify, tls: &LogTls) -> Option<Self> {
        match notify {
            Notify::Email { to, smtp } => Some(Self::Mail { to: to.clone(), smtp: smtp.clone() }),
            Notify::Webhook(url) => Some(Self::Webhook { url: url.clone(), shape: webhook::shape(url) }),
            Notify::Command(words) => Some(Self::Command(words.clone())),
            Notify::Syslog(text) if text == "local" => Some(Self::Syslog),
            Notify::Syslog(text) => {
                let target = RemoteLog::parse(text).ok().and_then(|remote| Target::try_from(&remote).ok());
                target.map(|target| Self::Collector { target, tls: tls.into() })
            }
        }
    }

    /// Whether it is a collector by TLS.
    #[must_use]
    pub fn is_by_tls(&self) -> bool {
        matches!(self, Self::Collector { target, .. } if target.transport == Transport::Tls)
    }

    /// In words, without what may be secret.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Mail { to, .. } => format!("mail to {to}"),
            Self::Webhook { url, shape } => {
                let shape = match shape {
                    Shape::Json => "",
                    Shape::Ntfy => " (ntfy)",
                    Shape::Slack => " (Slack)",
                    Shape::Matrix => " (Matrix)",
                };
                format!("webhook at {}{shape}", webhook::host(url))
            }
            Self::Command(words) => format!("command {}", words.first().map_or("", String::as_str)),
            Self::Syslog => "the local syslog".to_owned(),
            Self::Collector { target, .. } => format!("syslog at {}:{}", target.host, target.port),
        }
    }

    /// What tells its files from those of others; it gives nothing of a secret URL away.
    #[must_use]
    pub fn mark(&self) -> String {
        // FNV-1a, 64 bits.
        let text = match self {
            Self::Mail { to, smtp } => format!("mail {to} {smtp}"),
            Self::Webhook { url, .. } => format!("webhook {url}"),
            Self::Command(words) => format!("command {}", words.join("\0")),
            Self::Syslog => "syslog None".to_owned(),
            Self::Collector { target, .. } => format!("syslog {:?}", Some(target)),
        };
        let hash = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{hash:016x}")
    }

    /// Tells notices, as one message. `lost` were given up since the last one. Programs are started by `runs`.
    ///
    /// # Errors
    /// When it was not taken, within a bound of time.
    pub fn deliver(&self, notices: &[Notice], lost: u64, runs: &dyn Runs) -> Result<(), NotifyError> {
        match self {
            Self::Mail { to, smtp } => mail::send(to, smtp, &message(notices, lost)),
            Self::Webhook { url, shape } => webhook::post(url, *shape, &message(notices, lost), &document(notices)),
            Self::Command(words) => command::run(words, &document(notices), runs),
            Self::Syslog => syslog::local(Path::new(syslog::LOCAL), notices),
            Self::Collector { target, tls } => syslog::remote(target, tls, notices),
        }
    }
}
