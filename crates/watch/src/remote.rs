//! What goes to the collector: each refused or logged packet, and each alert, as a message of RFC 5424.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use segwall_core::policy::{LogTls, RemoteLog};
use segwall_packetset::{Header, proto};

use crate::alert::{Alert, Severity};
use crate::event::{At, Packet, Verdict};
use crate::forward::message::{Facility, Message, Severity as Level};
use crate::forward::{Connection, Forwarder, Numbers, Options, StartError, Target};
use crate::journal;
use crate::network::Network;

/// A collector, and who speaks to it.
#[derive(Debug)]
pub struct Remote {
    forwarder: Forwarder,
    target: String,
    is_udp: bool,
    hostname: String,
}

impl Remote {
    /// Starts to speak. What waits is kept in a folder of this one.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(log: &RemoteLog, tls: &LogTls, state_dir: &Path) -> Result<Self, StartError> {
        let options = Options { tls: tls.into(), ..Options::new(state_dir.join("spool")) };
        let forwarder = Forwarder::start(Target::try_from(log)?, &options)?;
        let hostname =
            nix::unistd::gethostname().map_or_else(|_| "-".to_owned(), |name| name.to_string_lossy().into_owned());
        let target = format!("{}:{}", log.host, log.port);
        Ok(Self { forwarder, target, is_udp: log.scheme == "udp", hostname })
    }

    /// A packet. Never waits.
    pub fn packet(&self, network: &Network, at: At, packet: &Packet) {
        let ends = network.ends(packet);
        let (kind, reason) = match packet.verdict {
            Verdict::Accepted => ("ACCEPT", "accepted"),
            Verdict::Refused(reason) => ("DROP", reason.word()),
            Verdict::Noted => ("NOTE", "noted"),
        };
        let proto = proto::name(packet.proto).map_or_else(|| packet.proto.to_string(), str::to_owned);
        let (src, dst) = (packet.src.to_string(), packet.dst.to_string());
        let (from, to) = (network.name(ends.from), network.name(ends.to));
        let ports = match packet.header {
            Header::Ports { sport, dport } => Some((sport.to_string(), dport.to_string())),
            Header::Icmp { .. } | Header::Other => None,
        };
        let mut data = vec![
            ("reason", reason),
            ("from", &from),
            ("to", &to),
            ("in", packet.input.as_str()),
            ("out", packet.output.as_str()),
            ("proto", &proto),
            ("src", &src),
            ("dst", &dst),
        ];
        if let Some((sport, dport)) = &ports {
            data.extend([("sport", sport.as_str()), ("dport", dport.as_str())]);
        }
        self.say(Facility::Local0, Level::Notice, at, kind, &data, &journal::fields(packet));
    }

    /// An alert. Never waits.
    pub fn alert(&self, alert: &Alert) {
        let level = match alert.severity {
            Severity::Notice => Level::Notice,
            Severity::Warning => Level::Warning,
            Severity::Critical => Level::Alert,
        };
        let (id, count, causes) = (alert.id.to_string(), alert.count.to_string(), alert.causes_words());
        let data = [
            ("id", id.as_str()),
            ("kind", alert.kind.word()),
            ("state", alert.phase.word()),
            ("source", &alert.source),
            ("count", &count),
            ("policy", &causes),
        ];
        self.say(Facility::AuthPriv, level, alert.told, "ALERT", &data, &alert.summary);
    }

    fn say(&self, facility: Facility, severity: Level, at: At, kind: &str, data: &[(&str, &str)], text: &str) {
        let message = Message {
            facility,
            severity,
            at: Timestamp::from_microsecond(at.0).unwrap_or_default(),
            is_clock_set: None,
            hostname: &self.hostname,
            process: std::process::id(),
            kind,
            data,
            text,
        };
        // One that is lost is counted there.
        let _ = self.forwarder.hand_over(message.line());
    }

    /// As it is called where it is complained of.
    #[must_use]
    pub fn name(&self) -> String {
        format!("the log's collector {}", self.target)
    }

    /// Why it is not there now, once that is known; and how many messages it took. None by UDP, where nobody knows.
    #[must_use]
    pub fn standing(&self) -> (Option<String>, u64) {
        let numbers = self.numbers();
        let why = match numbers.connection {
            Connection::Up { .. } => None,
            Connection::Down { .. } => numbers.last_failure.map(|failure| failure.text),
        };
        (why, if self.is_udp { 0 } else { numbers.sent })
    }

    /// What became of messages.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.forwarder.numbers()
    }

    /// Ends it within this time; what is left stays in the spool.
    pub fn stop(self, within: Duration) {
        let _ = self.forwarder.stop(within);
    }
}
