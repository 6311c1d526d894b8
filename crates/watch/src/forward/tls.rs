//! Who the collector must prove to be (RFC 5425), and words for what goes wrong there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use segwall_core::policy::{LogTls, OwnCertificate};
use thiserror::Error;

/// Whose signature under the collector's certificate is believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Roots {
    /// Everybody the system believes.
    #[default]
    System,
    /// Those in a PEM file, and nobody else.
    File(PathBuf),
}

/// What the box shows of itself, where the collector asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and those that lead to its root: PEM.
    pub certificates: PathBuf,
    /// Its private key: PEM, without a password.
    pub key: PathBuf,
}

/// What TLS needs. The files are read at each connection, so that renewed ones are taken without a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsOptions {
    /// Whose signature is believed.
    pub roots: Roots,
    /// What the box shows of itself.
    pub identity: Option<Identity>,
}

impl From<&LogTls> for TlsOptions {
    /// As a policy says it.
    fn from(tls: &LogTls) -> Self {
        let own = |own: &OwnCertificate| Identity {
            certificates: own.certificate.clone().into(),
            key: own.key.clone().into(),
        };
        Self {
            roots: tls.ca.as_ref().map_or(Roots::System, |ca| Roots::File(ca.into())),
            identity: tls.identity.as_ref().map(own),
        }
    }
}

/// TLS cannot be tried.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file with certificates or a key.
    #[error("cannot read {what} from {}: {source}; it must be a PEM file that the daemon may read", path.display())]
    File {
        /// What should be in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: pem::Error,
    },
    /// There is nobody to believe.
    #[error(
        "the system has no root certificates; install ca-certificates, or name a file with the collector's root: `ca` in `tls` of [log]"
    )]
    NoRoots,
    /// Certificate and key do not fit, or are of a kind that is not known.
    #[error("the box's own certificate in {} cannot be used: {source}", path.display())]
    Identity {
        /// The certificate's file.
        path: PathBuf,
        /// What went wrong.
        source: Error,
    },
    /// The library refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[source] Error),
}

/// What a connection is tried with.
pub fn config(options: &TlsOptions) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots(&options.roots)?);
    let Some(identity) = &options.identity else { return Ok(Arc::new(builder.with_no_client_auth())) };
    let chain = certificates(&identity.certificates)?;
    let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(|source| TlsError::File {
        what: "the box's private key",
        path: identity.key.clone(),
        source,
    })?;
    builder
        .with_client_auth_cert(chain, key)
        .map(Arc::new)
        .map_err(|source| TlsError::Identity { path: identity.certificates.clone(), source })
}

fn roots(roots: &Roots) -> Result<RootCertStore, TlsError> {
    let certificates = match roots {
        Roots::File(path) => certificates(path)?,
        // One that cannot be read does not spoil the others.
        Roots::System => rustls_native_certs::load_native_certs().certs,
    };
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates);
    if store.is_empty() { Err(TlsError::NoRoots) } else { Ok(store) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let error = |source| TlsError::File { what: "certificates", path: path.to_owned(), source };
    let found: Vec<_> = CertificateDer::pem_file_iter(path).map_err(error)?.collect::<Result<_, _>>().map_err(error)?;
    if found.is_empty() { Err(error(pem::Error::NoItemsFound)) } else { Ok(found) }
}

/// What went wrong between us and the collector, and what to do.
pub fn explain(error: &Error, host: &str) -> String {
    match error {
        Error::InvalidCertificate(fault) => explain_certificate(fault, host),
        Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::NoCertificate) => {
            format!(
                "the collector {host} asks for a certificate of this box; name one by `certificate` and `key` in `tls` of [log]"
            )
        }
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied,
        ) => format!("the collector {host} does not accept this box's certificate ({error}); its own log says why"),
        Error::InvalidMessage(_) => {
            format!("what answers at {host} does not speak TLS ({error}); is this the port of its TLS input?")
        }
        other => format!("TLS with {host} failed: {other}"),
    }
}

fn explain_certificate(fault: &CertificateError, host: &str) -> String {
    let now = Timestamp::now().strftime("%F %T UTC");
    match fault {
        CertificateError::UnknownIssuer => format!(
            "the certificate of {host} is signed by nobody this box believes; name a file with the certificate of the \
             authority that signed it: `ca` in `tls` of [log]"
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => format!(
            "the certificate of {host} has expired ({fault}); renew it. This box's clock says {now}: if that is wrong, \
             set it"
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => format!(
            "the certificate of {host} is not valid yet ({fault}). This box's clock says {now}: if that is wrong, it \
             connects as soon as the clock is set; until then messages wait in the spool"
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
            "the certificate of {host} is for somebody else ({fault}); it needs {host} as subjectAltName, as the policy \
             has it: an address as IP, a name as DNS. The common name is not looked at"
        ),
        CertificateError::BadSignature => {
            format!("the certificate of {host} is not signed by whom it says; somebody may stand in between")
        }
        CertificateError::Revoked => format!("the certificate of {host} was revoked by its authority; give it another"),
        // The library has a name for it, but no value that could be matched without another dependency.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => format!(
            "the certificate of {host} is that of an authority (CA:TRUE), as `openssl req -x509` makes it; give {host} one \
             of its own with CA:FALSE, signed by that authority"
        ),
        other => {
            format!("the certificate of {host} cannot be accepted: {other}; it must be one for a server, version 3")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::UnixTime;

    use super::*;

    #[test]
    fn a_clock_that_is_wrong_at_boot_is_thought_of() {
        let day = |days: u64| UnixTime::since_unix_epoch(Duration::from_secs(days * 86_400));
        let fault = CertificateError::NotValidYetContext { time: day(1), not_before: day(20_000) };
        let text = explain(&Error::InvalidCertificate(fault), "loghost");
        assert!(text.contains("not valid yet") && text.contains("as soon as the clock is set"), "{text}");
    }

    #[test]
    fn what_a_collector_says_of_our_certificate_is_explained() {
        let text = explain(&Error::AlertReceived(AlertDescription::CertificateRequired), "loghost");
        assert_eq!(
            text,
            "the collector loghost asks for a certificate of this box; name one by `certificate` and `key` in `tls` of [log]"
        );
        let text = explain(&Error::AlertReceived(AlertDescription::UnknownCA), "loghost");
        assert!(text.contains("does not accept this box's certificate") && text.contains("its own log"), "{text}");
        let text = explain(&Error::AlertReceived(AlertDescription::InternalError), "loghost");
        assert!(text.starts_with("TLS with loghost failed: "), "{text}");
    }
}
