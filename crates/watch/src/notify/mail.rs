//! Mail by SMTP (RFC 5321). `smtps://` is TLS from the first byte (RFC 8314), `smtp://` STARTTLS where the server offers it
//! (RFC 3207), and always where a password is sent.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Mailboxes};
use lettre::{Address, Message as Mail, SmtpTransport, Transport};

use super::digest::Message;
use super::{NotifyError, Urgency};

const SEND: Duration = Duration::from_secs(20);
/// RFC 5322 asks for lines below 78 characters; a subject that is longer is folded, one that is endless is cut.
const SUBJECT_CHARS_MAX: usize = 200;

pub fn send(to: &str, smtp: &str, message: &Message) -> Result<(), NotifyError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| NotifyError::Mail {
        to: to.to_owned(),
        server: super::webhook::host(smtp),
        source,
    };
    let mail = mail(to, message).map_err(failed)?;
    let transport = SmtpTransport::from_url(&with_tls(smtp)).map_err(|error| failed(error.into()))?;
    transport.timeout(Some(SEND)).build().send(&mail).map(drop).map_err(|error| failed(error.into()))
}

fn mail(to: &str, message: &Message) -> Result<Mail, Box<dyn std::error::Error + Send + Sync>> {
    let host = lettre::transport::smtp::extension::ClientId::default().to_string();
    // A box without a name of its own says its address, in brackets.
    let from =
        Address::new("segwall", host.trim_matches(['[', ']'])).or_else(|_| Address::new("segwall", "localhost"))?;
    let subject: String = message.title.chars().filter(|c| !c.is_control()).take(SUBJECT_CHARS_MAX).collect();
    let to: Mailbox = to.parse()?;
    let mail = Mail::builder()
        .from(Mailbox::new(Some("Segwall".to_owned()), from))
        .mailbox(lettre::message::header::To::from(Mailboxes::new().with(to)))
        .subject(subject)
        .header(ContentType::TEXT_PLAIN);
    let mail = match message.urgency {
        Urgency::Critical => mail.header(Priority("1".to_owned())),
        Urgency::Warning | Urgency::Notice => mail,
    };
    Ok(mail.body(message.text.clone())?)
}

/// `X-Priority`, which most mail readers know.
#[derive(Clone)]
struct Priority(String);

impl lettre::message::header::Header for Priority {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("X-Priority")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), self.0.clone())
    }
}

/// Says to lettre how TLS is meant, where the URL does not.
fn with_tls(smtp: &str) -> String {
    if !smtp.starts_with("smtp://") || smtp.contains("tls=") {
        return smtp.to_owned();
    }
    let has_password =
        smtp.split("://").nth(1).and_then(|rest| rest.split('/').next()).is_some_and(|at| at.contains('@'));
    let tls = if has_password { "required" } else { "opportunistic" };
    let joint = if smtp.contains('?') { '&' } else { '?' };
    format!("{smtp}{joint}tls={tls}")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn passwords_go_by_tls_only() {
        assert_eq!(with_tls("smtp://mail.example.org"), "smtp://mail.example.org?tls=opportunistic");
        assert_eq!(with_tls("smtp://a:b@mail.example.org:587"), "smtp://a:b@mail.example.org:587?tls=required");
        assert_eq!(with_tls("smtps://a:b@mail.example.org"), "smtps://a:b@mail.example.org");
        assert_eq!(with_tls("smtp://mail.example.org?tls=none"), "smtp://mail.example.org?tls=none");
    }

    /// As much of RFC 5321 as one message takes.
    fn server() -> (u16, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let said = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut answers = stream.try_clone().unwrap();
            let mut all = String::new();
            let mut is_data = false;
            answers.write_all(b"220 mail.example.org\r\n").unwrap();
            for line in BufReader::new(stream).lines() {
                let line = line.unwrap();
                all.push_str(&line);
                all.push('\n');
                let answer = match (is_data, line.as_str()) {
                    (true, ".") => "250 taken",
                    (true, _) => continue,
                    (false, "DATA") => "354 go on",
                    (false, "QUIT") => "221 bye",
                    (false, _) => "250 ok",
                };
                is_data = line == "DATA" || (is_data && line != ".");
                answers.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
            }
            all
        });
        (port, said)
    }

    #[test]
    fn a_mail_reaches_the_server() {
        let (port, said) = server();
        let message = Message {
            urgency: Urgency::Critical,
            title: "scan\r\nBcc: evil@example.org".to_owned(),
            text: "guest scans server\n.\nend".to_owned(),
        };
        send("noc@example.org", &format!("smtp://127.0.0.1:{port}"), &message).unwrap();
        let said = said.join().unwrap();
        assert!(said.contains("RCPT TO:<noc@example.org>") && said.contains("X-Priority: 1"), "{said}");
        assert!(!said.lines().any(|line| line.starts_with("Bcc:")), "{said}");
        assert!(said.contains("guest scans server") && said.contains("\n..\n"), "{said}");
    }

    #[test]
    fn a_server_that_is_not_there_is_named_and_no_password_is() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let message = Message { urgency: Urgency::Notice, title: "t".to_owned(), text: "x".to_owned() };
        let url = format!("smtp://user:secret@127.0.0.1:{port}");
        let why = send("noc@example.org", &url, &message).unwrap_err().chain();
        assert!(why.starts_with(&format!("cannot mail it to noc@example.org by 127.0.0.1:{port}: ")), "{why}");
        assert!(!why.contains("secret"), "{why}");
    }
}
