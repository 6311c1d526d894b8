//! Another policy over a running one, with traffic before and after: one transaction, in which nothing is forgotten that
//! both have in common, and nobody else's rules are touched.

use jiff::Timestamp;
use segwall_core::emit::nft::{Program, compile};
use segwall_core::ruleset::At;

use crate::common::load;
use crate::harness::Case;
use crate::net::{CLIENT, Net, SERVER, SYN, from_client, tcp, udp};

pub const ALL: &[Case] = &[
    ("an_update_forgets_nothing_that_stays", an_update_forgets_nothing_that_stays),
    ("an_update_ends_as_a_fresh_load", an_update_ends_as_a_fresh_load),
    ("a_whole_text_goes_over_an_older_generation", a_whole_text_goes_over_an_older_generation),
];

/// Somebody else's table.
const FOREIGN: &str = "table ip foreign { counter c { packets 5 bytes 60 }\n set s { type ipv4_addr; elements = { 192.0.2.99 } }\n \
                       chain f { type filter hook forward priority 10; ip saddr @s counter packets 3 bytes 4 drop; }\n}";

fn program(services: &str) -> Program {
    let text = format!(
        "[segments.a]\ninterface = \"left\"\nsubnets = [\"192.0.2.0/24\"]\n\
         [segments.b]\ninterface = \"right\"\nsubnets = [\"198.51.100.0/24\"]\n\
         [[accept]]\nfrom = \"a\"\nto = \"b\"\nservice = [{services}]\n\
         [[accept]]\nfrom = \"a\"\nto = \"b\"\nservice = \"udp/53\"\nlimit = \"2/hour burst 2\"\nlimit_by = \"source\"\n\
         [[drop]]\nfrom = \"a\"\nto = \"b\"\nservice = \"tcp/25\"\n"
    );
    let (_, ruleset) = load("segwall.toml", &text);
    compile(&ruleset, At::Instant(Timestamp::now()))
}

fn old() -> Program {
    program("\"tcp/80\", \"tcp/81\"")
}

fn new() -> Program {
    program("\"tcp/80\", \"tcp/443\"")
}

/// Opens connections to these ports of the server: which of them arrived.
fn open(net: &mut Net, sport: u16, ports: &[u16]) -> Vec<u16> {
    let frames: Vec<_> = ports.iter().map(|port| from_client(tcp(CLIENT, SERVER, sport, *port, SYN))).collect();
    net.client.send(&frames).unwrap();
    net.arrived()
}

fn ask(net: &mut Net, sports: std::ops::Range<u16>) -> usize {
    let frames: Vec<_> = sports.map(|sport| from_client(udp(CLIENT, SERVER, sport, 53, b""))).collect();
    net.client.send(&frames).unwrap();
    net.arrived().len()
}

fn list(net: &Net, args: &[&str]) -> String {
    net.nft().list(&net.gateway, args).unwrap()
}

fn listed(net: &Net) -> String {
    list(net, &["-nn", "list", "table", "inet", "segwall"])
}

/// Elements of a set, as nft prints them.
fn elements(listing: &str, set: &str) -> String {
    let block = listing.split(&format!("set {set} {{")).nth(1).unwrap_or_else(|| panic!("no set {set} in\n{listing}"));
    let block = block.split("\n\t}").next().unwrap();
    block.split_once("elements = ").map_or(String::new(), |(_, elements)| elements.to_owned())
}

/// The set of a table whose elements speak of this.
fn set_with(listing: &str, wanted: &str) -> String {
    let sets = listing.split("\tset ").skip(1);
    let found = sets.filter(|block| block.split("\n\t}").next().is_some_and(|block| block.contains(wanted)));
    found
        .map(|block| block.split_whitespace().next().unwrap().to_owned())
        .next()
        .unwrap_or_else(|| panic!("{wanted}: {listing}"))
}

/// What only one of two tables has.
fn differences(one: &Net, other: &Net) -> Vec<String> {
    let (one, other) = (shape(one), shape(other));
    assert!(one.len() > 10 && other.len() > 10, "{one:#?}");
    let missing =
        |in_this: &[String], of: &[String]| of.iter().filter(|b| !in_this.contains(b)).cloned().collect::<Vec<_>>();
    [missing(&one, &other), missing(&other, &one)].concat()
}

/// The old program, after traffic of every sort.
fn used() -> Net {
    let mut net = Net::new();
    net.load(FOREIGN);
    net.load(&old().script());
    assert_eq!(open(&mut net, 2000, &[80, 81, 443, 25]), [80, 81]);
    assert_eq!(open(&mut net, 2001, &[80]), [80]);
    assert_eq!(ask(&mut net, 3000..3005), 2, "the bucket holds two");
    net
}

fn assert_remembered(net: &Net, counts_accepts: bool) {
    let listing = listed(net);
    if counts_accepts {
        let accepts = elements(&listing, &set_with(&listing, "\"left\" . \"right\" . 6 . 80"));
        assert!(accepts.contains("6 . 80 counter packets 2 bytes"), "{listing}");
        assert!(accepts.contains("6 . 443 counter packets 0 bytes"), "{listing}");
        assert!(!accepts.contains("6 . 81"), "{listing}");
    }
    let counter =
        |name: &str| listing.split(&format!("counter {name} {{")).nth(1).unwrap().lines().nth(1).unwrap().trim();
    assert!(counter("drop_rule").starts_with("packets 1 "), "{listing}");
    // Port 443 once, and what was above the limit.
    assert!(counter("drop_unnamed").starts_with("packets 4 "), "{listing}");
    let pairs = elements(&listing, "pairs_dropped");
    assert!(pairs.contains("\"left\" . \"right\"") && pairs.contains("counter packets 5 bytes"), "{listing}");
    assert!(elements(&listing, "if_drop_unnamed").contains("\"left\" counter packets 4 bytes"), "{listing}");
    let sources = set_with(&listing, "192.0.2.10 limit rate");
    assert!(elements(&listing, &sources).contains("expires"), "{listing}");
}

fn an_update_forgets_nothing_that_stays() {
    let mut net = used();
    let foreign = list(&net, &["list", "table", "ip", "foreign"]);
    net.load(&new().update_from(&old()));
    assert_remembered(&net, true);
    assert_eq!(list(&net, &["list", "table", "ip", "foreign"]), foreign);
    assert_eq!(list(&net, &["list", "tables"]).lines().count(), 2);
    // And it does what it says: the bucket is still empty, 81 is closed, 443 open.
    assert_eq!(ask(&mut net, 3100..3102), 0, "the bucket is as empty as before");
    assert_eq!(open(&mut net, 2002, &[80, 81, 443, 25]), [80, 443]);
    let listing = listed(&net);
    assert!(
        listing.contains("6 . 80 counter packets 3 bytes") && listing.contains("6 . 443 counter packets 1 bytes"),
        "{listing}"
    );
    // The same again is no change at all.
    assert_eq!(new().update_from(&new()), "");
}

/// A table without what traffic left in it, in an order of its own.
fn shape(net: &Net) -> Vec<String> {
    let listing = list(net, &["-nn", "-s", "list", "table", "inet", "segwall"]);
    let mut blocks: Vec<String> = listing
        .split("\n\n")
        .flat_map(|block| block.split("\n\t}\n"))
        .map(|block| match block.split_once("elements = {") {
            Some((head, _)) if head.contains("dynamic") => head.trim().to_owned(),
            Some((head, elements)) => {
                let mut elements: Vec<&str> = elements.split([',', '}']).map(str::trim).collect();
                elements.sort_unstable();
                format!("{}{elements:?}", head.trim())
            }
            None => block.trim().trim_end_matches('}').trim().to_owned(),
        })
        .filter(|block| !block.is_empty())
        .collect();
    blocks.sort();
    blocks
}

fn an_update_ends_as_a_fresh_load() {
    let updated = used();
    updated.load(&new().update_from(&old()));
    let fresh = Net::new();
    fresh.load(&new().script());
    assert_eq!(differences(&updated, &fresh), [] as [String; 0]);
    // And back.
    updated.load(&old().update_from(&new()));
    let fresh = Net::new();
    fresh.load(&old().script());
    assert_eq!(differences(&updated, &fresh), [] as [String; 0]);
}

fn a_whole_text_goes_over_an_older_generation() {
    let mut net = used();
    let foreign = list(&net, &["list", "table", "ip", "foreign"]);
    net.load(&new().script());
    assert_remembered(&net, false);
    assert_eq!(list(&net, &["list", "table", "ip", "foreign"]), foreign);
    assert_eq!(open(&mut net, 2002, &[80, 81, 443, 25]), [80, 443]);
    let fresh = Net::new();
    fresh.load(&new().script());
    let missing: Vec<String> = shape(&fresh).into_iter().filter(|block| !shape(&net).contains(block)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
