//! What the kernel does and the model has no words for is never called proved: each of these is loaded, read back, and
//! changes what some packet meets.

use jiff::Timestamp;
use segwall_core::analysis::proof::{Answer, prove};
use segwall_core::netfilter::{NoteKind, read_nft_json};
use segwall_core::ruleset::At;
use segwall_host::netns::Netns;
use segwall_host::nft::{LISTING, Nft};
use segwall_lab::emit_nft;
use segwall_packetset::Space;

use crate::common::load;
use crate::harness::Case;

pub const ALL: &[Case] = &[("what_is_not_modelled_is_not_proved", what_is_not_modelled_is_not_proved)];

const POLICY: &str = r#"
[gateway]
trunk = "eth0"
timezone = "UTC"

[segments.office]
vlan = 10
subnets = ["192.168.10.0/24"]

[segments.server]
vlan = 20
subnets = ["192.168.20.0/24"]

[uplinks.wan]
interface = "eth1"
addresses = ["203.0.113.2/24"]
gateways = ["203.0.113.1"]

[[accept]]
from = "office"
to = "internet"

[[accept]]
from = "office"
to = "server"
service = "mysql"
limit = "5/minute"
limit_by = "source"

[[accept]]
from = "office"
to = "server"
service = "telnet"
limit = "7/minute"

[[accept]]
from = "office"
to = "server"
service = "https"
log = true

[[reject]]
from = "server"
to = "office"
service = "smtp"
"#;

/// What is put in front of the first text, what is replaced in it by what, and what is put behind it.
struct Edit(&'static str, &'static [(&'static str, &'static str)], &'static str);

const ALLOWED: &str = "@accept_forward_in_out accept";
const SOURCES: &str = "limit1_sources4_5_minute_5";
const RATE: &str = "limit rate 7/minute burst 5 packets accept";
const LATER: &str = "add table inet later\nadd chain inet later";

const SAME: &[Edit] = &[
    Edit("", &[], ""),
    Edit("", &[(ALLOWED, "@accept_forward_in_out ct mark set meta mark accept")], ""),
    Edit("add limit inet segwall x { rate 7/minute burst 5 packets; }", &[(RATE, "limit name \"x\" accept")], ""),
];

const OTHER: &[Edit] = &[
    // Nobody is in quarantine now; whoever comes in is sent elsewhere.
    Edit("", &[], "insert rule inet segwall postrouting ip saddr @quarantine4 snat ip to 192.168.20.9"),
    Edit("", &[], "add table inet segwall { flags dormant; }"),
    Edit(
        "add counter inet segwall c",
        &[(ALLOWED, "@accept_forward_in_out counter name ip saddr map { 10.0.0.1 : \"c\" } accept")],
        "",
    ),
    Edit("", &[(ALLOWED, "@accept_forward_in_out ct mark set ip saddr map { 10.0.0.1 : 1 } accept")], ""),
    Edit("", &[(ALLOWED, "@accept_forward_in_out tcp option maxseg size set 1400 accept")], ""),
    Edit("", &[(ALLOWED, "@accept_forward_in_out ct zone set 5 accept")], ""),
    Edit(
        "",
        &[(
            "accept_forward_in_out { type ifname . ifname; counter; }",
            "accept_forward_in_out { type ifname . ifname; limit rate 1/hour; }",
        )],
        "",
    ),
    // Limits beside the policy's.
    Edit("", &[(RATE, "limit rate 1/day limit rate 7/minute burst 5 packets accept")], ""),
    Edit(
        "",
        &[(
            RATE,
            "limit rate 7/minute burst 5 packets accept\nadd rule inet segwall limit2 limit rate 9/second accept",
        )],
        "",
    ),
    Edit(
        "add limit inet segwall x { rate 7/minute burst 5 packets; }",
        &[(RATE, "limit name \"x\" accept")],
        "insert rule inet segwall output limit name \"x\" counter",
    ),
    Edit("", &[("log prefix \"segwall accept", "limit rate over 1/hour log prefix \"segwall accept")], ""),
    Edit("", &[("reject with tcp reset", "limit rate over 1/hour reject with tcp reset")], ""),
    // A bucket for each source that is not what it seems.
    Edit("", &[("flags dynamic,timeout; timeout 132s;", "flags dynamic,timeout; timeout 1s;")], ""),
    Edit(
        "",
        &[("size 65536; flags dynamic,timeout; timeout 132s;", "size 1; flags dynamic,timeout; timeout 132s;")],
        "",
    ),
    Edit("", &[("update @limit1_sources4", "add @limit1_sources4")], ""),
    Edit("", &[("{ ip saddr limit rate", "{ ip saddr timeout 1s limit rate")], ""),
    Edit("", &[], "insert rule inet segwall limit1 delete @limit1_sources4_5_minute_5 { ip saddr }"),
    Edit(
        "",
        &[],
        "add element inet segwall limit1_sources4_5_minute_5 { 192.168.10.7 limit rate 1/day burst 1 packets }",
    ),
    // Beside connection tracking, and what nat chains do to related connections.
    Edit("", &[], " c { type filter hook prerouting priority -200; }\nadd rule inet later c ct state new drop"),
    Edit("", &[], " c { type nat hook prerouting priority -100; }\nadd rule inet later c ct state related drop"),
    Edit(
        "",
        &[],
        " c { type nat hook prerouting priority -110; }\nadd rule inet later c ct state related dnat ip to 10.9.9.9",
    ),
];

fn is_proved(Edit(before, replaced, behind): &Edit) -> bool {
    let (_, ruleset) = load("unsure", POLICY);
    let at = At::Instant(Timestamp::now());
    let mut texts = emit_nft(&ruleset, at);
    let text = &mut texts[0];
    for (old, new) in *replaced {
        assert!(text.contains(old), "`{old}` is not in\n{text}");
        *text = text.replace(old, new);
    }
    if !before.is_empty() {
        *text = format!("add table inet segwall\n{before}\n{text}");
    }
    let later = if behind.starts_with(' ') { LATER } else { "" };
    texts.push(format!("{later}{behind}\n"));
    let nft = Nft::find().unwrap();
    let netns = Netns::create().unwrap();
    for text in &texts {
        nft.load(&netns, text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
    let program = read_nft_json(nft.list(&netns, &LISTING).unwrap().as_bytes()).unwrap();
    let is_clear = program.notes.iter().all(|note| note.kind == NoteKind::Aside);
    is_clear && prove(&mut Space::default(), &ruleset, &[&program], at).answer == Answer::Proved
}

fn what_is_not_modelled_is_not_proved() {
    for edit in SAME {
        assert!(is_proved(edit), "{:?} {}", edit.1, edit.2);
    }
    let proved: Vec<_> = OTHER.iter().filter(|edit| is_proved(edit)).map(|edit| (edit.1, edit.2)).collect();
    assert!(proved.is_empty(), "proved, and is not: {proved:#?}");
    assert!(OTHER.iter().any(|edit| edit.2.contains(SOURCES)), "the set's name is as emitted");
}
