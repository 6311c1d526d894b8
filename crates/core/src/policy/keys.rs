//! Every key the reader knows, table by table. `schema.rs` describes the same keys; a test compares the two.

/// The keys of one kind of table.
pub(super) struct Keys {
    /// What the table describes, with its article, for messages.
    pub what: &'static str,
    /// Keys that mean something.
    pub known: &'static [&'static str],
    /// Keys of features that are planned: the key and the feature's name.
    pub later: &'static [(&'static str, &'static str)],
    /// Known keys that are read only to say why they cannot stand here.
    pub refused: &'static [&'static str],
}

/// The form of a duration, for the schema.
pub(super) const DURATION_PATTERN: &str = "^([0-9]+[smhdw])+$";

impl Keys {
    const fn new(what: &'static str, known: &'static [&'static str]) -> Self {
        Self { what, known, later: &[], refused: &[] }
    }
}

pub(super) const TOP: Keys = Keys {
    what: "the policy",
    known: &[
        "gateway",
        "uplinks",
        "segments",
        "dns",
        "hosts",
        "sets",
        "services",
        "groups",
        "accept",
        "drop",
        "reject",
        "forward",
        "quarantine",
        "dhcp",
        "log",
        "alerts",
        "silence",
        "notify",
        "expect",
    ],
    later: &[
        ("include", "reading other files in"),
        ("includes", "reading other files in"),
        ("variables", "variables"),
        ("vars", "variables"),
        ("mdns", "the mDNS relay"),
    ],
    refused: &[],
};

pub(super) const GATEWAY: Keys = Keys {
    what: "[gateway]",
    known: &["trunk", "management", "timezone", "ssh_port", "output"],
    later: &[("mdns", "the mDNS relay")],
    refused: &[],
};

pub(super) const UPLINK: Keys = Keys {
    what: "an uplink",
    known: &["interface", "vlan", "trunk", "device", "managed", "addresses", "gateways", "nat"],
    later: &[
        ("prefix_delegation", "prefix delegation"),
        ("delegation", "prefix delegation"),
        ("pd", "prefix delegation"),
        ("priority", "several uplinks"),
        ("weight", "several uplinks"),
        ("metric", "several uplinks"),
    ],
    refused: &[],
};

pub(super) const SEGMENT: Keys = Keys {
    what: "a segment",
    known: &[
        "vlan",
        "interface",
        "trunk",
        "device",
        "managed",
        "subnets",
        "gateway",
        "routes",
        "ipv6",
        "dhcp",
        "learn_until",
    ],
    later: &[
        ("mdns", "the mDNS relay"),
        ("prefix_delegation", "prefix delegation"),
        ("delegation", "prefix delegation"),
        ("pd", "prefix delegation"),
    ],
    refused: &[],
};

pub(super) const ROUTE: Keys = Keys::new("a route", &["to", "via"]);

pub(super) const SEGMENT_DHCP: Keys =
    Keys::new("a segment's dhcp", &["pool", "dns", "ntp", "domain", "options", "lease"]);

pub(super) const DNS: Keys = Keys::new("[dns]", &["upstream"]);

pub(super) const HOST: Keys = Keys::new("a host", &["address", "addresses", "mac"]);

pub(super) const SET: Keys = Keys::new("a set", &["in", "addresses"]);

pub(super) const ACCEPT: Keys =
    Keys::new("an accept", &["from", "to", "service", "log", "limit", "limit_by", "schedule", "expires", "comment"]);

/// The keys of an accept; `limit` is read in order to say that it belongs to accept only.
pub(super) const DROP: Keys = Keys { what: "a drop", known: ACCEPT.known, later: &[], refused: &["limit", "limit_by"] };

/// As for drops.
pub(super) const REJECT: Keys = Keys { what: "a reject", known: ACCEPT.known, later: &[], refused: DROP.refused };

pub(super) const SCHEDULE: Keys = Keys::new("a schedule", &["days", "hours"]);

pub(super) const FORWARD: Keys =
    Keys::new("a forward", &["port", "to", "on", "from", "to_port", "hairpin", "log", "comment"]);

pub(super) const EXPECT: Keys = Keys::new("an expect", &["from", "to", "service", "verdict"]);

pub(super) const DHCP: Keys = Keys::new("[dhcp]", &["server", "lease"]);

pub(super) const QUARANTINE: Keys = Keys::new("[quarantine]", &["allow"]);

pub(super) const LOG: Keys = Keys::new("[log]", &["drops", "remote", "tls"]);

pub(super) const LOG_TLS: Keys = Keys::new("tls of [log]", &["ca", "certificate", "key"]);

pub(super) const LOG_DROPS: Keys = Keys::new("drops of [log]", &["limit"]);

pub(super) const ALERTS: Keys = Keys::new("[alerts]", &["drops", "scans", "on_alert", "quarantine_for"]);

pub(super) const ALERT_DROPS: Keys = Keys::new("drops of [alerts]", &["more_than", "within"]);

pub(super) const SILENCE: Keys = Keys::new("a silence", &["kind", "from", "until", "comment"]);

pub(super) const NOTIFY: Keys = Keys::new("a notify", &["email", "smtp", "webhook", "syslog", "command"]);
