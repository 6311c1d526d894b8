//! Where log lines go: a local file for Segwall's own, a copy of everything to the collector of `[log] remote`.
//!
//! A collector that vanishes must never stop local logging, which a plain `*.* @@host` does. So the copy has a queue of its
//! own that goes to disk, throws away what does not fit, and never lets the sender wait.

use super::bundle::{Artifact, Input, Target};
use super::head;
use crate::policy::{LogTls, RemoteLog};

/// Segwall's local log.
pub(super) const LOCAL_FILE: &str = "/var/log/segwall.log";

/// Messages of the collector's queue that are kept in memory.
const QUEUE_MESSAGES: u32 = 10_000;

/// What of it may wait on disk while the collector is away.
const QUEUE_DISK_MIB: u32 = 64;

/// Seconds between two tries to reach the collector.
const RETRY_S: u32 = 10;

/// Certificates that a TLS collector's may be signed by, unless the policy names others: where Alpine's and Debian's
/// ca-certificates put them.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

pub(super) fn artifact(input: &Input<'_>) -> Artifact {
    let mut text = head::of_policy("#", input.file());
    text += &format!(
        "\n# What Segwall itself says.\n\
         if $programname startswith \"segwall\" then {{\n    \
             action(type=\"omfile\" name=\"segwall_local\" file={} fileCreateMode=\"0640\")\n\
         }}\n",
        quoted(LOCAL_FILE)
    );
    if let Some(remote) = &input.policy.log.remote {
        text += &copy(remote, &input.policy.log.tls);
    }
    Artifact::text(Target::Rsyslog, "/etc/rsyslog.d/segwall.conf", text)
}

fn copy(remote: &RemoteLog, tls: &LogTls) -> String {
    let protocol = if remote.scheme == "udp" { "udp" } else { "tcp" };
    let mut keys = vec![
        ("type", "omfwd".to_owned()),
        ("name", "segwall_remote".to_owned()),
        ("target", remote.host.clone()),
        ("port", remote.port.to_string()),
        ("protocol", protocol.to_owned()),
        // RFC 5424.
        ("template", "RSYSLOG_SyslogProtocol23Format".to_owned()),
    ];
    if remote.scheme == "tls" {
        keys.extend([
            ("tcp_framing", "octet-counted".to_owned()), // RFC 5425 knows no other
            ("streamDriver", "gtls".to_owned()),
            ("streamDriverMode", "1".to_owned()),
            ("streamDriverAuthMode", "x509/name".to_owned()),
            ("streamDriverPermittedPeers", remote.host.clone()),
            ("streamDriver.CAFile", tls.ca.clone().unwrap_or_else(|| CERTIFICATES.to_owned())),
        ]);
        if let Some(own) = &tls.identity {
            keys.push(("streamDriver.CertFile", own.certificate.clone()));
            keys.push(("streamDriver.KeyFile", own.key.clone()));
        }
    }
    keys.extend([
        ("action.resumeRetryCount", "-1".to_owned()),
        ("action.resumeInterval", RETRY_S.to_string()),
        ("queue.type", "LinkedList".to_owned()),
        ("queue.size", QUEUE_MESSAGES.to_string()),
        ("queue.filename", "segwall_remote".to_owned()),
        ("queue.maxDiskSpace", format!("{QUEUE_DISK_MIB}m")),
        ("queue.saveOnShutdown", "on".to_owned()),
        ("queue.timeoutEnqueue", "0".to_owned()),
        // At shutdown what is left goes to disk; it does not wait for a collector that is away.
        ("queue.timeoutShutdown", "10".to_owned()),
    ]);
    let keys = keys.iter().fold(String::new(), |text, (key, value)| text + &format!("\n    {key}={}", quoted(value)));
    format!(
        "\n# A copy of everything for the collector; while it is away up to {QUEUE_DISK_MIB} MiB wait on disk.\naction({keys}\n)\n"
    )
}

/// A text in RainerScript. A dollar sign would begin a variable in some contexts.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}
