//! `/etc/network/interfaces` and `dhcpd.conf`, read.

use proptest::prelude::*;
use segwall_core::import::{DhcpSubnet, Stanza, read_dhcpd, read_interfaces};
use segwall_core::netfilter::{Note, NoteKind};
use segwall_core::source::Source;
use segwall_packetset::Family;

const TUTORIAL_INTERFACES: &str = include_str!("../netfilter/tutorial/interfaces");
const TUTORIAL_DHCPD: &str = include_str!("../netfilter/tutorial/dhcpd.conf");

fn notes(source: &Source, notes: &[Note]) -> Vec<String> {
    let word = |kind| match kind {
        NoteKind::NotUnderstood => "?",
        NoteKind::Aside | NoteKind::Refused | NoteKind::Before => "-",
    };
    notes.iter().map(|note| format!("{} {}: {}", word(note.kind), source.line(note.span.start), note.text)).collect()
}

fn stanzas(text: &str) -> (Vec<Stanza>, Vec<String>) {
    let source = Source::new("interfaces", text);
    let read = read_interfaces(&source);
    (read.stanzas, notes(&source, &read.notes))
}

fn addresses(stanza: &Stanza) -> Vec<String> {
    stanza.addresses.iter().map(|one| format!("{}/{}", one.addr, one.prefix_len)).collect()
}

#[test]
fn the_tutorials_interfaces_are_read_whole() {
    let (stanzas, notes) = stanzas(TUTORIAL_INTERFACES);
    assert_eq!(notes, Vec::<String>::new());
    let seen: Vec<String> = stanzas
        .iter()
        .map(|one| {
            format!(
                "{} {:?} {:?} {:?}",
                one.name,
                addresses(one),
                one.raw_device.as_deref().unwrap_or("-"),
                one.comment.as_deref().unwrap_or("-")
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            r#"eth0 [] "-" "Main interface""#,
            r#"eth0.10 ["192.168.10.1/24"] "eth0" "DMZ VLAN (VLAN 10)""#,
            r#"eth0.20 ["192.168.20.1/24"] "eth0" "Internal Network VLAN (VLAN 20)""#,
            r#"eth0.30 ["192.168.30.1/24"] "eth0" "Server Network VLAN (VLAN 30)""#,
            r#"eth0.100 ["192.168.100.1/24"] "eth0" "Management VLAN (VLAN 100)""#,
        ]
    );
}

#[test]
fn both_ifupdowns_are_read() {
    let (stanzas, notes) = stanzas(
        "source /etc/network/interfaces.d/*\n\
         auto lo\niface lo inet loopback\n\
         allow-hotplug eth1\n\
         iface eth1 inet dhcp\n    hostname gate\n\
         iface eth1 inet6 auto\n\
         iface vlan20 inet static\n    address 10.20.0.1/16 # office\n    vlan-raw-device eth0\n    vlan-id 20\n\
         \x20   up ip route add 172.16.0.0/12 via 10.20.0.2 dev vlan20\n    post-up ip route add default via 10.20.0.9\n\
         iface vlan20 inet6 static\n    address fd00:20::1\n    netmask 64\n    gateway fe80::1\n\
         iface eth2\n    use dhcp\n    address 10.2.0.1/24\n    address \\\n   fd00:2::1/64\n    requires eth0\n\
         \x20   pre-up /usr/local/bin/prepare\n    colour blue\n\
         mapping eth3\n    script x\n    map a b\n\
         iface eth0 inet static\n    address 10.0.0.1\n    address 10.0.0.300\n    netmask 255.0.255.0\n",
    );
    let seen: Vec<String> = stanzas
        .iter()
        .map(|one| {
            format!(
                "{} {:?} dhcp {} ra {} {:?} via {:?} {:?} vlan {:?}",
                one.name,
                one.family,
                one.dhcp,
                one.ra,
                addresses(one),
                one.gateways,
                one.routes.len(),
                one.vlan_id
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            "lo Some(V4) dhcp false ra false [] via [] 0 vlan None",
            "eth1 Some(V4) dhcp true ra false [] via [] 0 vlan None",
            "eth1 Some(V6) dhcp false ra true [] via [] 0 vlan None",
            r#"vlan20 Some(V4) dhcp false ra false ["10.20.0.1/16"] via [10.20.0.9] 1 vlan Some(20)"#,
            r#"vlan20 Some(V6) dhcp false ra false ["fd00:20::1/64"] via [fe80::1] 0 vlan None"#,
            r#"eth2 None dhcp true ra false ["10.2.0.1/24", "fd00:2::1/64"] via [] 0 vlan None"#,
            r#"eth0 Some(V4) dhcp false ra false ["10.0.0.1/32"] via [] 0 vlan None"#,
        ]
    );
    assert_eq!(
        notes,
        [
            "? 1: another file is read here: name it too",
            "- 9: ifupdown reads this as part of the value, not as a comment",
            "- 24: a command: what it does is not read",
            "? 25: option `colour` is not understood",
            "? 26: `mapping` is not read: interfaces are known by their own names",
            "? 31: `10.0.0.300` is no address",
            "? 32: `255.0.255.0` is no netmask",
            "? 30: 10.0.0.1 has no netmask: it is read as one address",
        ]
    );
}

fn dhcpd(text: &str) -> (segwall_core::import::Dhcpd, Vec<String>) {
    let source = Source::new("dhcpd.conf", text);
    let read = read_dhcpd(&source);
    let notes = notes(&source, &read.notes);
    (read, notes)
}

fn subnet(one: &DhcpSubnet) -> String {
    let list = |list: &[std::net::IpAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    format!(
        "{} {} routers {} dns {} ntp {} domain {:?} lease {:?} {:?}",
        one.network,
        one.ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        list(&one.options.routers),
        list(&one.options.dns),
        list(&one.options.ntp),
        one.options.domain,
        one.options.lease_s,
        one.options.others,
    )
}

#[test]
fn the_tutorials_dhcpd_conf_is_read_whole() {
    let (read, notes) = dhcpd(TUTORIAL_DHCPD);
    assert_eq!(notes, ["- 3: `max-lease-time`: not part of a policy", "- 4: `authoritative`: not part of a policy"]);
    assert_eq!(
        read.subnets.iter().map(subnet).collect::<Vec<_>>(),
        [
            "192.168.10.0/24 192.168.10.100-192.168.10.200 routers 192.168.10.1 dns 8.8.8.8 8.8.4.4 ntp  domain None \
             lease Some(600) {}",
            "192.168.20.0/24 192.168.20.100-192.168.20.200 routers 192.168.20.1 dns 192.168.30.10 ntp  domain None \
             lease Some(600) {}",
            "192.168.30.0/24 192.168.30.100-192.168.30.150 routers 192.168.30.1 dns 192.168.30.10 ntp  domain None \
             lease Some(600) {}",
        ]
    );
}

#[test]
fn blocks_inherit_and_what_is_unknown_is_named() {
    let (read, notes) = dhcpd(
        "option domain-name \"a.example\";\n\
         option voip code 150 = ip-address;\n\
         shared-network floor {\n\
         \x20 option ntp-servers 10.0.0.9;\n\
         \x20 subnet 10.0.0.0 netmask 255.255.255.0 { option routers 10.0.0.1; }\n\
         \x20 pool { range dynamic-bootp 10.0.0.50 10.0.0.60; deny members of \"x\"; }\n\
         \x20 option domain-name-servers 10.0.0.8, ns.example;\n\
         }\n\
         group { host printer { hardware ethernet 02:00:00:00:30:0a; fixed-address 10.0.0.7; }\n\
         \x20 host half { fixed-address 10.0.0.6; } }\n\
         class \"x\" { match if substring(option vendor-class-identifier, 0, 9) = \"PXEClient\"; }\n\
         subnet 10.1.0.0 netmask 255.255.0.0 { range 10.1.0.9 10.1.0.5; option tftp-server-name \"t\"; filename \"x\"\n }\n\
         default-lease-time 900;\n}\n",
    );
    assert_eq!(
        read.subnets.iter().map(subnet).collect::<Vec<_>>(),
        [
            "10.0.0.0/24 10.0.0.50-10.0.0.60 routers 10.0.0.1 dns 10.0.0.8 ntp 10.0.0.9 domain Some(\"a.example\") \
             lease Some(900) {}",
            "10.1.0.0/16  routers  dns  ntp  domain Some(\"a.example\") lease Some(900) {66: \"t\"}",
        ]
    );
    assert_eq!(read.reservations.len(), 1);
    assert_eq!((read.reservations[0].mac, read.reservations[0].name.as_str()), ([2, 0, 0, 0, 0x30, 0xa], "printer"));
    assert_eq!(
        notes,
        [
            "? 2: an option of the file's own, or one that is worked out, is not read",
            "- 6: `deny`: not part of a policy",
            "? 7: at most 16 servers by their addresses are read",
            "? 10: host `half` has no hardware or no fixed address, and is left out",
            "? 11: block `class` is skipped",
            "? 12: a range is two addresses, the lower one first",
            "? 12: a `;` is missing here",
            "? 12: `filename` is not understood",
            "? 15: a brace that closes nothing",
        ]
    );
}

/// Pieces of both kinds of file, to be put where they do not belong.
const PIECES: &[&str] = &[
    "iface ",
    "auto ",
    "eth0.10",
    " inet",
    " inet6",
    " static",
    "\n",
    "\\\n",
    "\r\n",
    "#",
    "address ",
    "10.0.0.1/24",
    "fd00::1/64",
    "netmask ",
    "255.255.255.0",
    "/",
    "up ip route add ",
    " via ",
    "{",
    "}",
    ";",
    ",",
    "\"",
    "subnet ",
    " netmask ",
    "range ",
    "option ",
    "routers ",
    "host ",
    "hardware ethernet ",
    "00:11:22:33:44:55",
    "fixed-address ",
    "group ",
    "pool ",
    "shared-network ",
    "\u{0}",
    "é",
    "\u{1f6e1}",
    "=",
    " ",
    "vlan-id ",
    "99999999999999999999",
];

fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![3 => proptest::sample::select(PIECES).prop_map(str::to_owned), 1 => ".{0,4}"];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn places_hold(source: &Source, notes: &[Note]) {
    for note in notes {
        assert!(note.span.start <= note.span.end, "{note:?}");
        assert!(note.span.end as usize <= source.text().len(), "{note:?}");
        assert!(source.text().is_char_boundary(note.span.start as usize), "{note:?}");
        assert!(!note.text.is_empty());
    }
}

proptest! {
    #[test]
    fn any_text_is_read(text in soup()) {
        let source = Source::new("any", text);
        let interfaces = read_interfaces(&source);
        places_hold(&source, &interfaces.notes);
        for stanza in &interfaces.stanzas {
            prop_assert!(stanza.addresses.iter().all(|one| one.prefix_len <= Family::of(one.addr).bits()));
            prop_assert_eq!(source.slice(stanza.span), &stanza.name);
        }
        let dhcpd = read_dhcpd(&source);
        places_hold(&source, &dhcpd.notes);
    }
}

/// Time that grows with the square would take minutes here.
#[test]
fn large_files_are_read_in_linear_time() {
    let interfaces = Source::new("x", "iface eth0 inet static\naddress 10.0.0.1/24\nbogus x\n".repeat(50_000));
    assert_eq!(read_interfaces(&interfaces).stanzas.len(), 50_000);
    for text in [
        "group { ".repeat(200_000),
        "subnet 10.0.0.0 netmask 255.0.0.0 { option domain-name \"a\"; }\n".repeat(50_000),
        format!(
            "{}{}",
            "subnet 10.0.0.0 netmask 255.0.0.0 { }\n".repeat(50_000),
            "range 11.0.0.1 11.0.0.2;".repeat(50_000)
        ),
        "class {".repeat(200_000),
        "\"".repeat(1_000_000),
        "a ".repeat(1_000_000),
    ] {
        let source = Source::new("x", text);
        assert!(read_dhcpd(&source).notes.len() <= 201);
    }
}
