//! Alerts to syslog: the box's own, by its socket, or another's, as RFC 5424.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::{Notice, NotifyError, Urgency};
use crate::forward::message::{Facility, Line, Message, Severity};
use crate::forward::tls::TlsOptions;
use crate::forward::{Target, once};

/// Where syslogd, rsyslogd and journald listen.
pub const LOCAL: &str = "/dev/log";
const WITHIN: Duration = Duration::from_secs(20);
/// `authpriv`: what only security staff should read.
const FACILITY: u8 = 10;
/// The most of a title that is sent: every syslog takes this much.
const TEXT_MAX: usize = 900;

/// To the box's own.
pub fn local(socket: &Path, notices: &[Notice]) -> Result<(), NotifyError> {
    let failed =
        |why: std::io::Error| NotifyError::Syslog { target: socket.display().to_string(), why: why.to_string() };
    let sender = UnixDatagram::unbound().map_err(failed)?;
    sender.set_write_timeout(Some(WITHIN)).map_err(failed)?;
    for notice in notices {
        let level = match notice.urgency {
            Urgency::Notice => 5,
            Urgency::Warning => 4,
            Urgency::Critical => 1,
        };
        let title: String = notice.title.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_MAX).collect();
        // As syslog(3) of musl and glibc sends it, but for the time, which whoever receives it adds.
        let text = format!("<{}>segwall[{}]: {title}", FACILITY * 8 + level, std::process::id());
        sender.send_to(text.as_bytes(), socket).map_err(failed)?;
    }
    Ok(())
}

/// To another's.
pub fn remote(target: &Target, tls: &TlsOptions, notices: &[Notice]) -> Result<(), NotifyError> {
    let hostname =
        nix::unistd::gethostname().map_or_else(|_| "-".to_owned(), |name| name.to_string_lossy().into_owned());
    let line = |notice: &Notice| -> Line {
        let severity = match notice.urgency {
            Urgency::Notice => Severity::Notice,
            Urgency::Warning => Severity::Warning,
            Urgency::Critical => Severity::Alert,
        };
        let message = Message {
            facility: Facility::AuthPriv,
            severity,
            at: Timestamp::now(),
            is_clock_set: None,
            hostname: &hostname,
            process: std::process::id(),
            kind: "ALERT",
            data: &[],
            text: &notice.title,
        };
        message.line()
    };
    let lines: Vec<Line> = notices.iter().map(line).collect();
    let name = || format!("{}:{}", target.host, target.port);
    once(target, tls, &lines, WITHIN).map_err(|why| NotifyError::Syslog { target: name(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_one_gets_a_datagram_for_each() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let server = UnixDatagram::bind(&path).unwrap();
        let notice = |urgency, title: &str| Notice {
            urgency,
            title: title.to_owned(),
            text: String::new(),
            json: serde_json::json!({}),
        };
        local(&path, &[notice(Urgency::Critical, "a\nb"), notice(Urgency::Notice, "c")]).unwrap();
        let heard = || {
            let mut bytes = [0; 2_048];
            let len = server.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..len]).into_owned()
        };
        let own = std::process::id();
        assert_eq!([heard(), heard()], [format!("<81>segwall[{own}]: a b"), format!("<85>segwall[{own}]: c")]);
        let why = local(&dir.path().join("none"), &[notice(Urgency::Notice, "c")]).unwrap_err().to_string();
        assert!(why.contains("none"), "{why}");
    }
}
