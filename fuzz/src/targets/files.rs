//! Files of a box that is imported: its interfaces, its DHCP server, and all of it together.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use segwall_core::import::{Given, import as import_all, read_addresses, read_dhcpd, read_interfaces};
use segwall_core::netfilter::read_iptables_script;
use segwall_core::policy::{Context, load};
use segwall_core::source::Source;

use super::places;

fn source(text: &str) -> Source {
    Source::new("input", text)
}

pub fn interfaces(bytes: &[u8]) {
    let source = source(&String::from_utf8_lossy(bytes));
    places::of_notes(&source, &read_interfaces(&source).notes);
}

pub fn dhcpd(bytes: &[u8]) {
    let source = source(&String::from_utf8_lossy(bytes));
    places::of_notes(&source, &read_dhcpd(&source).notes);
}

pub fn addresses(bytes: &[u8]) {
    let source = source(&String::from_utf8_lossy(bytes));
    places::of_notes(&source, &read_addresses(&source).notes);
}

/// Lines that part an input into three files: interfaces, dhcpd.conf, and a script of iptables calls.
const PARTS: &str = "\n===\n";

/// What is imported is a policy that reads well, or there are reasons why there is none.
pub fn import(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.splitn(3, PARTS);
    let mut next = || source(parts.next().unwrap_or_default());
    let sources = [next(), next(), next()];
    let interfaces = read_interfaces(&sources[0]);
    let dhcpd = read_dhcpd(&sources[1]);
    let program = read_iptables_script(&sources[2]);
    let given = Given {
        programs: vec![(&sources[2], &program)],
        interfaces: vec![(&sources[0], &interfaces)],
        dhcpd: vec![(&sources[1], &dhcpd)],
        uplink: None,
    };
    let context = Context { today: jiff::civil::date(2026, 11, 22), timezone: TimeZone::UTC };
    match import_all(&given, &BTreeSet::new(), &context) {
        Ok(import) => {
            let policy = source(&import.policy);
            let loaded = load(&policy, &context);
            assert!(loaded.policy.is_some(), "{:#?}\n{}", loaded.diagnostics, import.policy);
        }
        Err(why) => assert!(!why.is_empty(), "no policy for no reason"),
    }
}

/// Words of interfaces(5), of ifupdown-ng too.
pub const INTERFACES_WORDS: &[&str] = &[
    "auto eth0\n",
    "allow-hotplug eth0\n",
    "iface eth0 inet static\n",
    "iface eth0.10 inet static\n",
    "iface lo inet loopback\n",
    "iface eth1 inet dhcp\n",
    "iface eth0 inet6 static\n",
    "iface eth0 inet6 auto\n",
    "iface vlan20 inet manual\n",
    "\taddress 192.168.10.1\n",
    "\taddress 192.168.10.1/24\n",
    "\taddress fd00:10::1/64\n",
    "\tnetmask 255.255.255.0\n",
    "\tgateway 192.168.10.254\n",
    "\tvlan-raw-device eth0\n",
    "\tvlan-id 20\n",
    "\tuse vlan\n",
    "\tbridge_ports eth0 eth1\n",
    "\tup ip route add 172.16.0.0/16 via 192.168.10.2\n",
    "\tpost-up echo 1\n",
    "source /etc/network/interfaces.d/*\n",
    "mapping eth0\n",
    "rename a=b\n",
    "template x\n",
    "\tinherits x\n",
    "\\\n",
    "#",
    "0",
    "33",
    "255.0.255.0",
    "::/0",
    "\u{e9}",
];

/// Words of dhcpd.conf(5).
pub const DHCPD_WORDS: &[&str] = &[
    "subnet 192.168.10.0 netmask 255.255.255.0 {\n",
    "subnet6 fd00:10::/64 {\n",
    "shared-network a {\n",
    "group {\n",
    "pool {\n",
    "host h {\n",
    "class \"x\" {\n",
    "if option x = \"y\" {\n",
    "}\n",
    "range 192.168.10.100 192.168.10.200;\n",
    "range 192.168.10.5;\n",
    "range6 fd00:10::100 fd00:10::200;\n",
    "option routers 192.168.10.1;\n",
    "option domain-name-servers 8.8.8.8, 8.8.4.4;\n",
    "option domain-name \"office.example\";\n",
    "option ntp-servers 192.168.10.1;\n",
    "option subnet-mask 255.255.255.0;\n",
    "option broadcast-address 192.168.10.255;\n",
    "hardware ethernet 02:00:00:00:30:0a;\n",
    "fixed-address 192.168.10.10;\n",
    "default-lease-time 600;\n",
    "max-lease-time 7200;\n",
    "authoritative;\n",
    "include \"x\";\n",
    "deny unknown-clients;\n",
    "next-server 10.0.0.1;\n",
    "filename \"pxe\";\n",
    "{",
    "}",
    ";",
    ",",
    "\"",
    "\\",
    "#",
    "0.0.0.0",
    "255.255.255.255",
    "4294967296",
    "-1",
];

/// Words of what `ip -j addr` prints.
pub const ADDRESSES_WORDS: &[&str] = &[
    "[{\"ifname\": \"eth0\"",
    "\"ifindex\": 2",
    "\"link\": \"eth1\"",
    "\"addr_info\": [",
    "{\"family\": \"inet\"",
    "\"inet6\"",
    "\"local\": \"192.168.10.1\"",
    "\"prefixlen\": 24",
    "\"scope\": \"global\"",
    "\"scope\": \"link\"",
    "\"dynamic\": true",
    "\"linkinfo\": {\"info_kind\": \"vlan\", \"info_data\": {\"protocol\": \"802.1Q\", \"id\": 10}}",
    "\"flags\": [\"UP\"]",
    "\"fe80::1\"",
    "\"fd00::1\"",
    "128",
    "33",
    "-1",
    "null",
    "true",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
];

/// Words of all three, and what parts them.
pub const IMPORT_WORDS: &[&str] = &[
    "\n===\n",
    "iface eth0.10 inet static\n\taddress 192.168.10.1/24\n",
    "iface eth0.20 inet static\n\taddress 192.168.20.1\n\tnetmask 255.255.255.0\n",
    "iface eth1 inet dhcp\n",
    "subnet 192.168.10.0 netmask 255.255.255.0 {\n range 192.168.10.100 192.168.10.200;\n}\n",
    "host h { hardware ethernet 02:00:00:00:30:0a; fixed-address 192.168.20.10; }\n",
    "iptables -F\n",
    "iptables -P FORWARD DROP\n",
    "iptables -P INPUT DROP\n",
    "iptables -A FORWARD -i eth0.10 -o eth0.20 -p tcp --dport 22 -j ACCEPT\n",
    "iptables -A FORWARD -s 192.168.10.0/24 -d 192.168.20.10 -j ACCEPT\n",
    "iptables -A FORWARD -m state --state ESTABLISHED,RELATED -j ACCEPT\n",
    "iptables -A INPUT -p tcp --dport 22 -j ACCEPT\n",
    "iptables -A INPUT -i lo -j ACCEPT\n",
    "iptables -t nat -A POSTROUTING -o eth1 -j MASQUERADE\n",
    "iptables -t nat -A PREROUTING -i eth1 -p tcp --dport 80 -j DNAT --to-destination 192.168.20.10\n",
    "iptables -A FORWARD -j LOG\n",
    "iptables -A FORWARD -o eth1 -j ACCEPT\n",
    "iptables -A FORWARD -i eth0.20 -j REJECT\n",
    "iptables -N x\n",
    "iptables -A FORWARD -m limit --limit 5/min -j ACCEPT\n",
    "ip6tables -P FORWARD DROP\n",
    "192.168.10.1",
    "10",
    "eth0",
    "255.255.255.0",
    " ! ",
];
