//! `[log]`: what is written down, where a copy goes, and with what TLS to a collector is set up.

use toml::de::DeValue;

use super::codes;
use super::faults::{Faults, shorten};
use super::keys;
use super::literals::{is_domain, limit};
use super::model::{Limit, Log, LogTls, OwnCertificate, RemoteLog, TimeUnit};
use super::reader::{Table, Text};

/// What is written down of drops where `[log]` does not say.
const DROPS: Limit = Limit { rate: 20, per: TimeUnit::Second, burst: 20, by_source: false };

/// Below these the daemon, which gives up nearly all of the disk, may read.
const READABLE: [&str; 2] = ["/etc/", "/usr/"];

pub(super) fn log(top: &Table<'_>, faults: &mut Faults<'_>) -> Log {
    let mut log = Log { drops: DROPS, remote: None, tls: LogTls::default() };
    let Some(table) = top.table("log", &keys::LOG, faults) else { return log };
    if let Some(drops) = table.table("drops", &keys::LOG_DROPS, faults)
        && let Some(given) = drops.text("limit", faults).and_then(|text| limit(text, false, faults))
    {
        log.drops = given;
    }
    log.remote = table.text("remote", faults).and_then(|text| remote(text, faults));
    let is_broken = table.has("remote") && log.remote.is_none();
    if let Some(files) = table.table("tls", &keys::LOG_TLS, faults) {
        log.tls = tls(&files, faults);
        let is_tls = log.remote.as_ref().is_some_and(|remote| remote.scheme == "tls");
        if !is_tls && !is_broken && !tells_by_tls(top) {
            faults.error(
                codes::BAD_LOG_TLS,
                table.key_span("tls"),
                "`tls` is for a collector, and none is named",
                "",
                "name one by remote = \"tls://...\", or by syslog = \"tls://...\" in a [[notify]]; or leave `tls` out",
            );
        }
    }
    log
}

/// Whether a `[[notify]]` names a syslog by TLS.
fn tells_by_tls(top: &Table<'_>) -> bool {
    let Some(DeValue::Array(notify)) = top.get("notify").map(|value| value.get_ref()) else { return false };
    notify.iter().any(|one| match one.get_ref() {
        DeValue::Table(one) => one
            .get("syslog")
            .is_some_and(|syslog| matches!(syslog.get_ref(), DeValue::String(text) if text.starts_with("tls://"))),
        _ => false,
    })
}

/// `tls` of `[log]`.
fn tls(table: &Table<'_>, faults: &mut Faults<'_>) -> LogTls {
    let mut file = |key| table.text(key, faults).and_then(|text| file(text, faults));
    let (ca, certificate, private) = (file("ca"), file("certificate"), file("key"));
    for (one, other) in [("certificate", "key"), ("key", "certificate")] {
        if table.has(one) && !table.has(other) {
            let message = format!("`{one}` without `{other}`");
            let help = "the box shows who it is by both: its certificate, and the private key to it";
            faults.error(codes::BAD_LOG_TLS, table.key_span(one), message, "", help);
        }
    }
    let identity = certificate.zip(private).map(|(certificate, key)| OwnCertificate { certificate, key });
    LogTls { ca, identity }
}

/// The whole path of a file that the daemon may read.
fn file(text: Text<'_>, faults: &mut Faults<'_>) -> Option<String> {
    let path = text.text;
    let is_plain = !path.ends_with('/') && !path.split('/').any(|part| part == "." || part == "..");
    if is_plain && READABLE.iter().any(|dir| path.starts_with(dir)) {
        return Some(path.to_owned());
    }
    let message = format!("`{}` is not the whole path of a file below /etc or /usr", shorten(path));
    let help =
        "the daemon that reads it may read nothing else: such as \"/etc/segwall/collector.pem\", without `.` and `..`";
    faults.error(codes::BAD_LOG_TLS, text.span, message, "", help);
    None
}

/// `udp://`, `tcp://` or `tls://` with host and perhaps port.
pub(super) fn remote(text: Text<'_>, faults: &mut Faults<'_>) -> Option<RemoteLog> {
    RemoteLog::parse(text.text)
        .map_err(|message| {
            let help =
                "such as \"tls://192.168.100.10:6514\", \"tcp://loghost.example:514\" or \"udp://[fd00:100::10]:514\"";
            faults.error(codes::BAD_REMOTE, text.span, message, "", help);
        })
        .ok()
}

impl RemoteLog {
    /// `SCHEME://HOST` with an optional port; ports as RFC 5426, RFC 6587 and RFC 5425 have them.
    ///
    /// # Errors
    /// A sentence, when it is no such thing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("`{}` is not a log target", shorten(text)));
        };
        let default_port = match scheme {
            "udp" | "tcp" => 514,
            "tls" => 6514,
            _ => return Err(format!("`{}` is not udp, tcp or tls", shorten(scheme))),
        };
        let Some((host, port)) = host_and_port(rest) else {
            return Err(format!("`{}` is not a host with a port", shorten(rest)));
        };
        Ok(Self { scheme: scheme.to_owned(), host: host.to_owned(), port: port.unwrap_or(default_port) })
    }
}

/// `host`, `host:port`, `[address]:port`; nothing may follow.
pub(super) fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if !text.starts_with('[') && !is_domain(host) {
        return None;
    }
    match port {
        None => Some((host, None)),
        Some(port) => port
            .parse::<u16>()
            .ok()
            .filter(|number| *number > 0 && !port.starts_with('+'))
            .map(|number| (host, Some(number))),
    }
}
