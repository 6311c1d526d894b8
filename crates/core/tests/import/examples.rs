//! Boxes of other kinds: iptables-save, nft, default accept, port forwards, what cannot be said.

use segwall_core::import::{Answer, Class, How, Import, Which};
use segwall_core::netfilter::TableFamily;

use crate::box_of::{Files, rules, told};

const OFFICE_INTERFACES: &str = include_str!("office/interfaces");
const OFFICE_NFT: &str = include_str!("office/ruleset.json");

/// Two segments behind one interface each, and an uplink.
const INTERFACES: &str = "\
iface eth1 inet static
    address 203.0.113.2/24
    gateway 203.0.113.1
# Clients
iface eth2 inet static
    address 10.2.0.1/24
# Servers
iface eth3 inet static
    address 10.3.0.1/24
";

fn save(filter: &str, nat: &str) -> Import {
    let policies = ":PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n";
    let text = format!("*filter\n{filter}COMMIT\n*nat\n{policies}{nat}COMMIT\n");
    let six = "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\nCOMMIT\n";
    let files = Files::default().save("rules.v4", TableFamily::Ip, &text).save("rules.v6", TableFamily::Ip6, six);
    files.interfaces(INTERFACES).import(&[]).expect("a policy")
}

const CLOSED: &str =
    ":INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n";

fn equal(import: &Import, expected: &[&str]) {
    assert_eq!(import.answer, Answer::Equal, "{}\n{}", told(import), import.policy);
    assert_eq!(rules(&import.policy), expected, "{}", import.policy);
}

#[test]
fn an_office_on_nft() {
    let import = Files::default().nft_json(OFFICE_NFT).interfaces(OFFICE_INTERFACES).import(&[]).expect("a policy");
    equal(
        &import,
        &[
            "forward: port = [\"tcp/80\", \"tcp/443\"] to = \"192.168.30.10\" hairpin = false",
            "forward: port = \"tcp/2222\" to = \"192.168.30.10\" to_port = 22 hairpin = false",
            "accept: from = \"administrators\" to = \"gateway\" service = [\"https\", \"ssh\"]",
            "accept: from = \"office\" to = \"internet\"",
            "accept: from = \"office\" to = \"servers\" service = \"dns\"",
            "accept: from = \"servers\" to = [\"office/192.168.20.16/28\", \"office/192.168.20.40\"] service = \"tcp/9100\"",
            "accept: from = \"administrators\" to = \"segments\"",
        ],
    );
    assert!(import.policy.contains("routes = [{ to = \"172.16.0.0/16\", via = \"192.168.30.2\" }]"));
    assert!(import.policy.contains("[log]\ndrops = { limit = \"10/minute burst 5\" }"), "{}", import.policy);
}

#[test]
fn default_accept_becomes_everything_and_drops() {
    let import = save(
        ":INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD -i eth2 -o eth3 -p tcp --dport 22 -j DROP\n\
         -A FORWARD -i eth1 -j DROP\n-A INPUT -i eth1 -j DROP\n-A INPUT -i eth2 -p tcp --dport 22 -j DROP\n",
        "-A POSTROUTING -o eth1 -j MASQUERADE\n",
    );
    assert_eq!(import.answer, Answer::Equal, "{}\n{}", told(&import), import.policy);
    let text = rules(&import.policy);
    assert!(text.contains(&"drop: from = \"clients\" to = \"servers\" service = \"ssh\"".to_owned()), "{text:#?}");
    assert!(text.contains(&"drop: from = \"clients\" to = \"gateway\" service = \"ssh\"".to_owned()), "{text:#?}");
    assert!(text.len() <= 8, "{text:#?}");
}

#[test]
fn a_forward_is_one_with_its_accept() {
    let import = save(
        &format!("{CLOSED}-A FORWARD -i eth1 -o eth3 -d 10.3.0.5 -p tcp --dport 8443 -j ACCEPT\n"),
        "-A PREROUTING -i eth1 -p tcp --dport 443 -j DNAT --to-destination 10.3.0.5:8443\n\
         -A PREROUTING -i eth1 -p tcp --dport 25 -j DNAT --to-destination 10.3.0.6\n\
         -A POSTROUTING -o eth1 -j SNAT --to-source 203.0.113.2\n",
    );
    equal(&import, &["forward: port = \"tcp/443\" to = \"10.3.0.5\" to_port = 8443 hairpin = false"]);
    // The accept lets packets pass that nothing translated, too: a hole, and closed.
    let straight = |one: &&segwall_core::import::Difference| one.which == Which::Class(Class::Straight);
    assert!(import.differences.iter().any(|one| straight(&one) && one.how == How::Closed), "{}", told(&import));
    let notes = import.notes.join("\n");
    assert!(notes.contains("tcp/25 to 10.3.0.6 is translated, but no rule accepts it then"), "{notes}");
}

#[test]
fn a_forward_from_a_part_of_the_internet() {
    let import = save(
        &format!("{CLOSED}-A FORWARD -i eth1 -d 10.3.0.5 -p tcp --dport 22 -s 198.51.100.0/24 -j ACCEPT\n"),
        "-A PREROUTING -i eth1 -p tcp --dport 22 -j DNAT --to-destination 10.3.0.5\n",
    );
    equal(
        &import,
        &["forward: port = \"tcp/22\" to = \"10.3.0.5\" from = \"internet/198.51.100.0/24\" hairpin = false"],
    );
}

/// A drop of everything else would cancel the port forward.
#[test]
fn drops_spare_port_forwards() {
    let import = save(
        ":INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n-A FORWARD -i eth1 -p tcp --dport 443 -d 10.3.0.5 -j ACCEPT\n\
         -A FORWARD -i eth1 -o eth3 -p tcp -j DROP\n-A FORWARD -i eth1 -o eth3 -j ACCEPT\n",
        "-A PREROUTING -i eth1 -p tcp --dport 443 -j DNAT --to-destination 10.3.0.5\n",
    );
    assert_eq!(import.answer, Answer::Equal, "{}\n{}", told(&import), import.policy);
    assert!(rules(&import.policy)[0].starts_with("forward: port = \"tcp/443\""), "{}", import.policy);
}

#[test]
fn source_ports_are_lost_or_kept_for_every_port() {
    let text =
        format!("*filter\n{CLOSED}-A FORWARD -i eth2 -o eth3 -p tcp --sport 1024:65535 --dport 80 -j ACCEPT\nCOMMIT\n");
    let files = Files::default().save("rules.v4", TableFamily::Ip, &text).interfaces(INTERFACES);
    let import = files.import(&[]).expect("a policy");
    assert_eq!(import.answer, Answer::Different, "{}", told(&import));
    assert_eq!(rules(&import.policy), Vec::<String>::new());
    assert!(import.holes.contains(&(Class::SourcePort, false)), "{}", told(&import));
    let import = files.import(&[Class::SourcePort]).expect("a policy");
    equal(&import, &["accept: from = \"clients\" to = \"servers\" service = \"http\""]);
    let opened = |one: &&segwall_core::import::Difference| one.which == Which::Class(Class::SourcePort);
    assert!(import.differences.iter().any(|one| opened(&one) && one.how == How::Opened), "{}", told(&import));
}

#[test]
fn what_no_policy_can_say_is_said() {
    // One MAC address of all.
    let import =
        save(&format!("{CLOSED}-A FORWARD -i eth2 -o eth3 -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT\n"), "");
    assert_eq!(import.answer, Answer::Different, "{}", told(&import));
    let promised: Vec<_> = import.differences.iter().filter(|one| one.is_promised()).collect();
    assert_eq!(promised.len(), 1, "{}", told(&import));
    assert_eq!((promised[0].how, promised[0].rules[0].as_str()), (How::Closed, "rules.v4:6"));
    // A limit.
    let import = save(&format!("{CLOSED}-A FORWARD -i eth2 -o eth3 -m limit --limit 1/s -j ACCEPT\n"), "");
    assert_eq!(import.answer, Answer::Undetermined, "{}", told(&import));
    assert!(import.reasons.iter().any(|reason| reason.contains("limit")), "{:?}", import.reasons);
}

#[test]
fn the_box_itself_may_be_kept_from_sending() {
    let import = save(
        ":INPUT DROP\n:FORWARD DROP\n:OUTPUT DROP\n-A OUTPUT -o lo -j ACCEPT\n-A OUTPUT -p udp --dport 123 -j ACCEPT\n\
         -A OUTPUT -d 10.3.0.53 -p udp --dport 53 -j ACCEPT\n",
        "",
    );
    assert_eq!(import.answer, Answer::Equal, "{}\n{}", told(&import), import.policy);
    assert!(import.policy.contains("output = \"drop\""));
    assert_eq!(
        rules(&import.policy),
        [
            "accept: from = \"gateway\" to = [\"clients\", \"servers\", \"internet\"] service = \"ntp\"",
            "accept: from = \"gateway\" to = \"servers/10.3.0.53\" service = \"dns\"",
        ]
        .map(|text| text.replace("\"dns\"", "\"udp/53\""))
    );
}

#[test]
fn logged_accepts_are_logged() {
    let import = save(
        &format!(
            "{CLOSED}-A FORWARD -i eth2 -o eth3 -p tcp --dport 22 -j LOG\n-A FORWARD -i eth2 -o eth3 -p tcp --dport 22 -j ACCEPT\n"
        ),
        "",
    );
    equal(&import, &["accept: from = \"clients\" to = \"servers\" service = \"ssh\" log = true"]);
}

#[test]
fn reservations_become_hosts_and_pools_are_free() {
    let text = "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n-A FORWARD -s 10.2.0.0/24 -d 10.3.0.7 -p tcp --dport 631 -j ACCEPT\nCOMMIT\n";
    let import = Files::default()
        .save("rules.v4", TableFamily::Ip, text)
        .interfaces(INTERFACES)
        .dhcpd(
            "subnet 10.3.0.0 netmask 255.255.255.0 { range 10.3.0.1 10.3.0.100; option domain-name-servers 10.3.0.1, 10.3.0.7; }\n\
             host Printer.1 { hardware ethernet 02:00:00:00:00:07; fixed-address 10.3.0.7; }\n\
             subnet 10.9.0.0 netmask 255.255.255.0 { }\n",
        )
        .import(&[])
        .expect("a policy");
    equal(&import, &["accept: from = \"clients\" to = \"printer-1\" service = \"ipp\""]);
    assert!(
        import.policy.contains("dhcp = { pool = \"10.3.0.8-10.3.0.100\", dns = [\"gateway\", \"printer-1\"] }"),
        "{}",
        import.policy
    );
    assert!(import.policy.contains("[hosts.printer-1]\naddress = \"10.3.0.7\"\nmac = \"02:00:00:00:00:07\""));
    assert!(
        import.notes.iter().any(|note| note.contains("10.9.0.0/24, which is behind no interface")),
        "{:?}",
        import.notes
    );
}

#[test]
fn files_that_make_no_policy_say_why() {
    let none =
        Files::default().save("rules.v4", TableFamily::Ip, "*filter\nCOMMIT\n").import(&[]).expect_err("no policy");
    assert!(none[0].contains("no interface has an address"), "{none:?}");
    let overlap = "iface eth2 inet static\n address 10.0.0.1/16\niface eth3 inet static\n address 10.0.3.1/24\n";
    let faults = Files::default()
        .save("rules.v4", TableFamily::Ip, "*filter\nCOMMIT\n")
        .interfaces(overlap)
        .import(&[])
        .expect_err("networks overlap");
    assert!(faults.iter().any(|fault| fault.contains("overlap")), "{faults:?}");
}
