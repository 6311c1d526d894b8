//! One HTTP request a message.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Method;

use super::digest::Message;
use super::{NotifyError, Shape, Urgency};

const WHOLE: Duration = Duration::from_secs(20);
const AGENT: &str = concat!("segwall/", env!("CARGO_PKG_VERSION"));
/// ntfy cuts longer ones into attachments, others refuse them.
const TEXT_CHARS_MAX: usize = 3_500;

/// What a URL expects, told by its host and path.
pub fn shape(url: &str) -> Shape {
    let host = host(url);
    let host = host.split(':').next().unwrap_or("");
    if host == "hooks.slack.com" || url.ends_with("/slack") {
        Shape::Slack
    } else if url.contains("/_matrix/client/") {
        Shape::Matrix
    } else if host == "ntfy.sh" || host.starts_with("ntfy.") {
        Shape::Ntfy
    } else {
        Shape::Json
    }
}

/// Host and port: all of a URL that is no secret.
pub fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = rest.split(['/', '?', '#']).next().unwrap_or("");
    place.rsplit('@').next().unwrap_or("").chars().filter(|c| !c.is_control()).collect()
}

/// A request: method, URL, headers, body.
#[derive(Debug, PartialEq)]
struct Post {
    method: Method,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

fn request(url: &str, shape: Shape, message: &Message, document: &Value, number: u64) -> Post {
    let cut = |text: &str| text.chars().take(TEXT_CHARS_MAX).collect::<String>();
    let both = || cut(&format!("{}\n{}", message.title, message.text));
    let json = |body: Value, method, url: String| Post {
        method,
        url,
        headers: vec![("content-type", "application/json".to_owned())],
        body: body.to_string(),
    };
    match shape {
        Shape::Json => json(document.clone(), Method::POST, url.to_owned()),
        Shape::Slack => json(json!({ "text": both() }), Method::POST, url.to_owned()),
        Shape::Matrix => {
            // Each event once: the server knows a transaction that it has seen.
            let (path, query) = url.split_once('?').map_or((url, ""), |(path, query)| (path, query));
            let path = path.trim_end_matches('/');
            let url = format!("{path}/{number}{}{query}", if query.is_empty() { "" } else { "?" });
            json(json!({ "msgtype": "m.text", "body": both() }), Method::PUT, url)
        }
        Shape::Ntfy => {
            let priority = match message.urgency {
                Urgency::Critical => "5",
                Urgency::Warning => "4",
                Urgency::Notice => "3",
            };
            // A header holds ASCII only.
            let title: String = message.title.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
            let headers = vec![("title", title), ("priority", priority.to_owned()), ("tags", "shield".to_owned())];
            Post { method: Method::POST, url: url.to_owned(), headers, body: cut(&message.text) }
        }
    }
}

pub fn post(url: &str, shape: Shape, message: &Message, document: &Value) -> Result<(), NotifyError> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let number = u64::try_from(since).unwrap_or(0).wrapping_add(NUMBER.fetch_add(1, Ordering::Relaxed));
    let post = request(url, shape, message, document, number);
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(WHOLE))
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent(AGENT)
        .build()
        .into();
    let failed = |source: ureq::Error| NotifyError::Webhook { host: host(url), source: Box::new(source) };
    let mut builder = ureq::http::Request::builder().method(post.method).uri(&post.url);
    for (name, value) in post.headers {
        builder = builder.header(name, value);
    }
    let request = builder.body(post.body).map_err(|error| failed(ureq::Error::Http(error)))?;
    let answer = agent.run(request).map_err(failed)?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(NotifyError::Refused { host: host(url), status: status.as_u16() }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn message() -> Message {
        Message { urgency: Urgency::Critical, title: "scan é\r\nx: y".to_owned(), text: "of server".to_owned() }
    }

    #[test]
    fn receivers_are_told_by_their_urls_and_secrets_are_not_shown() {
        for (url, wanted) in [
            ("https://hooks.slack.com/services/T/B/secret", Shape::Slack),
            ("https://chat.example.org/hooks/abc/slack", Shape::Slack),
            ("https://m.example.org/_matrix/client/v3/rooms/!r:x/send/m.room.message?access_token=s", Shape::Matrix),
            ("https://ntfy.sh/topic", Shape::Ntfy),
            ("https://user:secret@ntfy.example.org/topic", Shape::Ntfy),
            ("http://192.168.1.9:8080/alert", Shape::Json),
        ] {
            assert_eq!(shape(url), wanted, "{url}");
            assert!(!host(url).contains("secret"), "{url}");
        }
    }

    #[test]
    fn each_shape_is_what_its_receiver_documents() {
        let document = json!({ "kind": "drift" });
        let of = |url: &str| request(url, shape(url), &message(), &document, 7);
        assert_eq!(of("http://x/a").body, r#"{"kind":"drift"}"#);
        assert_eq!(of("https://hooks.slack.com/a").body, r#"{"text":"scan é\r\nx: y\nof server"}"#);
        let matrix = of("https://m/_matrix/client/v3/rooms/r/send/m.room.message?access_token=s");
        assert_eq!(matrix.url, "https://m/_matrix/client/v3/rooms/r/send/m.room.message/7?access_token=s");
        assert_eq!((matrix.method, matrix.body.contains("m.text")), (Method::PUT, true));
        let ntfy = of("https://ntfy.sh/t");
        assert_eq!(ntfy.headers[0].1, "scan ???x: y");
        assert_eq!((ntfy.headers[1].1.as_str(), ntfy.body.as_str()), ("5", "of server"));
    }

    fn server(status: &'static str) -> (String, thread::JoinHandle<(Vec<String>, String)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://127.0.0.1:{}/alert", listener.local_addr().unwrap().port());
        let heard = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut answers = stream.try_clone().unwrap();
            let mut reader = BufReader::new(stream);
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                head.push(line.trim().to_lowercase());
            }
            let len = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
            let mut body = vec![0; len];
            reader.read_exact(&mut body).unwrap();
            write!(answers, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
            (head, String::from_utf8(body).unwrap())
        });
        (url, heard)
    }

    #[test]
    fn an_alert_reaches_a_server_and_a_refusal_is_told() {
        let (url, heard) = server("204 No Content");
        post(&url, Shape::Json, &message(), &json!({ "id": 1 })).unwrap();
        let (head, body) = heard.join().unwrap();
        assert_eq!((head[0].as_str(), body.as_str()), ("post /alert http/1.1", r#"{"id":1}"#));
        let (url, heard) = server("403 Forbidden");
        let why = post(&url, Shape::Ntfy, &message(), &json!({})).unwrap_err().chain();
        assert!(why.contains("did not take the webhook: HTTP status 403"), "{why}");
        assert!(heard.join().unwrap().0.contains(&"priority: 5".to_owned()));
    }
}
