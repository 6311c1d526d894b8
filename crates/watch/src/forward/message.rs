//! One event as a syslog message (RFC 5424), safe to send wherever it came from.
//!
//! Whatever is in the values, the line stays one line, its parts stay its parts, and it is never longer than
//! [`LEN_MAX`]. Header and structured data always fit into the smallest datagram ([`DATAGRAM_LEN_MAX`]), so cutting a
//! line for UDP takes from its text only.

use jiff::Timestamp;

/// Octets of a whole message: what every receiver should be able to take (RFC 5424, 6.1).
pub const LEN_MAX: usize = 2048;

/// Octets of a message in a datagram: what every receiver over IPv6 must be able to take (RFC 5426, 3.2); with all headers
/// it fits into the smallest MTU of IPv6, 1280.
pub const DATAGRAM_LEN_MAX: usize = 1180;

/// Octets of the host's name; Linux has none longer (`HOST_NAME_MAX`).
const HOSTNAME_LEN_MAX: usize = 64;

/// Octets of PROCID and MSGID each; the RFC would allow 128 and 32.
const ID_LEN_MAX: usize = 32;

/// Octets of a parameter's name (RFC 5424, 6.3.3, SD-NAME).
const NAME_LEN_MAX: usize = 32;

/// Characters of a parameter's value, before they are escaped.
const VALUE_CHARS_MAX: usize = 256;

/// Octets of all structured data: with the longest header below [`DATAGRAM_LEN_MAX`].
const DATA_LEN_MAX: usize = 900;

/// The name and the number that our parameters stand under. 32473 is the enterprise number for examples (RFC 5612), taken
/// because Segwall has none registered: two makers may use it, so the name before it counts.
const SD_ID: &str = "segwall@32473";

/// What APP-NAME says.
const APP_NAME: &str = "segwall";

/// What part of a system a message comes from (RFC 5424, 6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facility {
    /// `daemon`: what is said about the daemon itself.
    Daemon,
    /// `authpriv`: what only security staff should read.
    AuthPriv,
    /// `local0`: usual for drops of a firewall.
    Local0,
}

impl Facility {
    fn code(self) -> u8 {
        match self {
            Self::Daemon => 3,
            Self::AuthPriv => 10,
            Self::Local0 => 16,
        }
    }
}

/// How bad it is (RFC 5424, 6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something must be done at once.
    Alert,
    /// Something does not work.
    Error,
    /// Something may soon not work, or was refused.
    Warning,
    /// Ordinary, but worth a look.
    Notice,
    /// For the record.
    Info,
}

impl Severity {
    fn code(self) -> u8 {
        match self {
            Self::Alert => 1,
            Self::Error => 3,
            Self::Warning => 4,
            Self::Notice => 5,
            Self::Info => 6,
        }
    }
}

/// What is to be said. Any text is safe in any field: it is escaped, cut and cleaned by [`Message::line`].
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// What part of the system speaks.
    pub facility: Facility,
    /// How bad it is.
    pub severity: Severity,
    /// When it happened.
    pub at: Timestamp,
    /// Whether the box's clock is set by a time source, where that is known; sent as `timeQuality` (RFC 5424, 7.1).
    pub is_clock_set: Option<bool>,
    /// Who speaks: the box's name, without a space.
    pub hostname: &'a str,
    /// The daemon's process.
    pub process: u32,
    /// The kind of event, as a filter would look for it: `DROP`, `SCAN`.
    pub kind: &'a str,
    /// Names and values of the event, in this order; those that do not fit are left out.
    pub data: &'a [(&'a str, &'a str)],
    /// The event in words.
    pub text: &'a str,
}

/// A message as it is sent and kept: one line of RFC 5424, at most [`LEN_MAX`] octets, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// The line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<[u8]> for Line {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Message<'_> {
    /// The message as RFC 5424 has it.
    #[must_use]
    pub fn line(&self) -> Line {
        let priority = self.facility.code() * 8 + self.severity.code();
        let mut line = format!(
            "<{priority}>1 {:.6} {} {APP_NAME} {} {} ",
            self.at,
            printable(self.hostname, HOSTNAME_LEN_MAX),
            self.process,
            printable(self.kind, ID_LEN_MAX),
        );
        line += &self.structured_data();
        let text = self.text.trim_start_matches('\u{feff}');
        if !text.is_empty() {
            line.push(' ');
            push_clean(&mut line, text, LEN_MAX);
        }
        Line(line)
    }

    fn structured_data(&self) -> String {
        let mut data = String::new();
        if let Some(is_set) = self.is_clock_set {
            // Timestamps end in `Z`: the zone is always known.
            data += &format!("[timeQuality tzKnown=\"1\" isSynced=\"{}\"]", u8::from(is_set));
        }
        let mut ours = format!("[{SD_ID}");
        let empty_len = ours.len();
        for (name, value) in self.data {
            let parameter = format!(" {}=\"{}\"", sd_name(name), escaped(value));
            if data.len() + ours.len() + parameter.len() + "]".len() <= DATA_LEN_MAX {
                ours += &parameter;
            }
        }
        if ours.len() > empty_len {
            data += &ours;
            data.push(']');
        }
        if data.is_empty() { "-".to_owned() } else { data }
    }
}

/// What fits into a datagram: the whole line, or as much of it as ends with a whole character.
#[must_use]
pub fn cut_for_datagram(line: &[u8]) -> &[u8] {
    let mut len = line.len().min(DATAGRAM_LEN_MAX);
    // What follows the cut must begin a character.
    while len > 0 && line.get(len).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {
        len -= 1;
    }
    &line[..len]
}

/// PRINTUSASCII of the RFC, at most this many; `-` (NILVALUE) when nothing is there.
fn printable(text: &str, len_max: usize) -> String {
    let kept: String = text.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).take(len_max).collect();
    if kept.is_empty() { "-".to_owned() } else { kept }
}

/// SD-NAME of the RFC: no `=`, `]` and `"` in it.
fn sd_name(text: &str) -> String {
    printable(text, NAME_LEN_MAX).replace(['=', ']', '"'], "?")
}

/// PARAM-VALUE of the RFC: `"`, `\` and `]` with a backslash before them.
fn escaped(value: &str) -> String {
    let mut clean = String::new();
    let short: String = value.chars().take(VALUE_CHARS_MAX).collect();
    push_clean(&mut clean, &short, LEN_MAX);
    let mut escaped = String::with_capacity(clean.len());
    for c in clean.chars() {
        if matches!(c, '"' | '\\' | ']') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Adds text without anything that would act on a terminal or end a line, as long as `line` stays within `len_max`.
fn push_clean(line: &mut String, text: &str, len_max: usize) {
    for c in text.chars() {
        let before = line.len();
        match c {
            // As rsyslog writes them: `#` and three octal digits.
            '\0'..='\x1f' | '\x7f' => *line += &format!("#{:03o}", u32::from(c)),
            c if is_hidden(c) => line.push(char::REPLACEMENT_CHARACTER),
            c => line.push(c),
        }
        if line.len() > len_max {
            line.truncate(before);
            return;
        }
    }
}

/// Control characters beyond ASCII, ends of lines, and what turns the direction of reading around.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message<'a>(data: &'a [(&'a str, &'a str)], text: &'a str) -> Message<'a> {
        Message {
            facility: Facility::Local0,
            severity: Severity::Warning,
            at: "2026-11-26T13:30:00.000007Z".parse().expect("an instant"),
            is_clock_set: None,
            hostname: "gw",
            process: 812,
            kind: "DROP",
            data,
            text,
        }
    }

    #[test]
    fn a_drop_reads_as_the_rfc_has_it() {
        let data = [("in", "guests"), ("reason", "a \"b\" [c] \\d")];
        assert_eq!(
            message(&data, "guests may not talk to servers").line().as_str(),
            "<132>1 2026-11-26T13:30:00.000007Z gw segwall 812 DROP \
             [segwall@32473 in=\"guests\" reason=\"a \\\"b\\\" [c\\] \\\\d\"] guests may not talk to servers"
        );
    }

    #[test]
    fn what_is_missing_is_a_dash() {
        let nothing = Message { hostname: "", kind: "", ..message(&[], "") };
        assert_eq!(nothing.line().as_str(), "<132>1 2026-11-26T13:30:00.000007Z - segwall 812 - -");
    }

    #[test]
    fn a_clock_that_is_not_set_is_said() {
        let unset = Message { is_clock_set: Some(false), ..message(&[("a", "b")], "x") };
        let end = "DROP [timeQuality tzKnown=\"1\" isSynced=\"0\"][segwall@32473 a=\"b\"] x";
        assert!(unset.line().as_str().ends_with(end), "{:?}", unset.line());
    }

    #[test]
    fn control_characters_and_marks_do_not_get_through() {
        let line = message(&[("a\nb=", "x\ny\u{85}")], "\u{feff}one\r\n<34>1 two\u{1b}[31m\u{202e}").line();
        let end = "[segwall@32473 a?b?=\"x#012y\u{fffd}\"] one#015#012<34>1 two#033[31m\u{fffd}";
        assert!(line.as_str().ends_with(end), "{line:?}");
    }

    #[test]
    fn a_cut_ends_with_a_whole_character() {
        let line = message(&[], &"ä".repeat(2000)).line();
        assert!(line.as_str().len() <= LEN_MAX && line.as_str().len() > LEN_MAX - 2);
        let cut = cut_for_datagram(line.as_ref());
        assert!(cut.len() <= DATAGRAM_LEN_MAX && cut.len() > DATAGRAM_LEN_MAX - 2);
        assert!(std::str::from_utf8(cut).is_ok());
        assert_eq!(cut_for_datagram(b"short"), b"short");
        assert_eq!(cut_for_datagram(&[0x80; 3000]), b"");
    }

    /// Header fields, parameters, text.
    type Parts<'a> = (Vec<&'a str>, Vec<(String, String)>, &'a str);

    /// A reader of RFC 5424 by its grammar, of one line.
    fn read(line: &str) -> Option<Parts<'_>> {
        let mut fields: Vec<&str> = line.splitn(7, ' ').collect();
        let rest = fields.pop()?;
        if let Some(text) = rest.strip_prefix('-') {
            return Some((fields, Vec::new(), text));
        }
        let mut rest = rest.strip_prefix("[segwall@32473")?;
        let mut parameters = Vec::new();
        while let Some(after) = rest.strip_prefix(' ') {
            let (name, after) = after.split_once("=\"")?;
            let mut value = String::new();
            let mut chars = after.char_indices();
            let end = loop {
                match chars.next()? {
                    (_, '\\') => value.push(chars.next()?.1),
                    (at, '"') => break at,
                    (_, ']') => return None,
                    (_, c) => value.push(c),
                }
            };
            parameters.push((name.to_owned(), value));
            rest = &after[end + 1..];
        }
        Some((fields, parameters, rest.strip_prefix(']')?))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_stays_in_its_place(
            hostname in any::<String>(), kind in any::<String>(), text in any::<String>(),
            data in proptest::collection::vec((any::<String>(), any::<String>()), 0..40),
        ) {
            let data: Vec<(&str, &str)> = data.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let line = Message { hostname: &hostname, kind: &kind, ..message(&data, &text) }.line();
            let line = line.as_str();
            prop_assert!(line.len() <= LEN_MAX);
            prop_assert!(!line.chars().any(|c| c.is_control()));
            let (fields, parameters, said) = read(line).expect("the grammar holds");
            prop_assert_eq!(fields.len(), 6);
            prop_assert_eq!(fields[2], printable(&hostname, HOSTNAME_LEN_MAX));
            prop_assert_eq!(fields[3], "segwall");
            prop_assert_eq!(fields[5], printable(&kind, ID_LEN_MAX));
            prop_assert!(parameters.len() <= data.len());
            let mut values = data.iter().map(|(_, value)| *value);
            for (_, value) in &parameters {
                let clean = |given: &str| {
                    let mut clean = String::new();
                    push_clean(&mut clean, &given.chars().take(VALUE_CHARS_MAX).collect::<String>(), LEN_MAX);
                    clean
                };
                prop_assert!(values.any(|given| clean(given) == *value), "{value:?} is there, in order");
            }
            prop_assert!(line.len() - said.len() <= DATAGRAM_LEN_MAX, "a datagram cuts the text only");
        }
    }
}
