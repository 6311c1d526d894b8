//! A host is cut off while it talks, through applies and a reboot; and rules that would let it through are found out.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::thread;
use std::time::Duration;

use segwall_core::analysis::proof::{Answer, prove};
use segwall_core::netfilter;
use segwall_core::quarantine::Held;
use segwall_core::ruleset::At;
use segwall_core::ruleset::quarantine::SET4;
use segwall_host::apply::{Compiled, Host, Verdict, boot, temporary};
use segwall_host::conntrack::Conntrack;
use segwall_host::linux::quarantine::{LIST, in_kernel, neighbours};
use segwall_host::netns::Netns;
use segwall_host::nf_tables::NfTables;
use segwall_host::nft::Nft;
use segwall_packetset::Space;

use crate::harness::Case;
use crate::wires::Wires;
use crate::world::{Dir, compiled, policy};

pub const ALL: &[Case] = &[
    ("an_open_flow_stops_and_only_what_is_allowed_goes_on", an_open_flow_stops_and_only_what_is_allowed_goes_on),
    ("loading_rules_keeps_who_is_in_quarantine", loading_rules_keeps_who_is_in_quarantine),
    ("a_list_that_cannot_be_written_keeps_nobody_going", a_list_that_cannot_be_written_keeps_nobody_going),
    ("a_reboot_keeps_who_is_in_quarantine", a_reboot_keeps_who_is_in_quarantine),
    ("a_card_is_found_among_the_neighbours", a_card_is_found_among_the_neighbours),
    ("rules_that_break_quarantine_are_refuted", rules_that_break_quarantine_are_refuted),
];

const LEFT: &str = "192.0.2.10";
const LEFT6: &str = "2001:db8:1::10";
const RIGHT: &str = "198.51.100.10";
const SERVICES: &str = "\"tcp/80\", \"tcp/81\"";

fn held(addr: &str, for_s: Option<u64>) -> Held {
    Held {
        addr: addr.parse().unwrap(),
        host: addr.to_owned(),
        mac: None,
        since_s: jiff::Timestamp::now().as_second(),
        for_s,
        because: None,
        user: "tester".to_owned(),
        via: "test".to_owned(),
    }
}

fn allowing(end: &str) -> String {
    format!("{}[quarantine]\nallow = \"{end}\"\n", policy(SERVICES))
}

/// Whether a byte goes from one end to the other.
fn speaks(near: &mut TcpStream, far: &mut TcpStream) -> bool {
    far.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    near.write_all(b"x").unwrap();
    match far.read(&mut [0]) {
        Ok(1) => true,
        Ok(_) => false,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
        Err(error) => panic!("{error}"),
    }
}

fn an_open_flow_stops_and_only_what_is_allowed_goes_on() {
    let dir = Dir::new("quarantine");
    let wires = Wires::new();
    let mut linux = dir.linux();
    let rules = compiled(&mut linux, 1, &policy(SERVICES));
    wires.gateway.run(|| linux.load(None, Some(&rules)).unwrap()).unwrap();
    let (mut near, mut far) = wires.connect(0, 80);
    let (mut near6, mut far6) = wires.connect(1, 80);
    assert!(speaks(&mut near, &mut far) && speaks(&mut far, &mut near) && speaks(&mut near6, &mut far6));

    // How fast, `tests/watch/counts` tells of the program itself: here the disk is everybody's.
    let cut = wires.gateway.run(|| linux.quarantine(vec![held(LEFT, Some(600))], &[]).unwrap()).unwrap();
    assert_eq!(cut, 1, "the connection by IPv4");
    assert!(!speaks(&mut near, &mut far) && !speaks(&mut far, &mut near), "nothing goes either way");
    assert!(speaks(&mut near6, &mut far6), "its other address was not asked for");
    assert!(!wires.connects(81));
    let listed = wires.gateway.run(Conntrack::open).unwrap().unwrap().list().unwrap();
    assert!(listed.iter().all(|entry| entry.original.src != LEFT.parse::<IpAddr>().unwrap()), "{listed:?}");
    wires.gateway.run(|| proved(&mut linux, &rules)).unwrap();
    let counted = wires.gateway.run(|| NfTables::open().unwrap().counters("segwall").unwrap()).unwrap();
    assert!(counted["drop_quarantine"].packets >= 3, "{counted:?}");

    wires.gateway.run(|| linux.release(&[LEFT.parse().unwrap()]).unwrap()).unwrap();
    assert!(wires.connects(81), "it is let go");
    assert!(!speaks(&mut near, &mut far), "what was cut stays so");

    // What is allowed goes on, in both directions, and is not cut.
    let rules2 = compiled(&mut linux, 2, &allowing(&format!("right/{RIGHT}")));
    wires.gateway.run(|| linux.load(Some(&rules), Some(&rules2)).unwrap()).unwrap();
    let (mut near, mut far) = wires.connect(0, 80);
    let allowed = rules2.ruleset.quarantine_allow.clone();
    let cut = wires.gateway.run(|| linux.quarantine(vec![held(LEFT, None)], &allowed).unwrap()).unwrap();
    assert_eq!(cut, 0);
    assert!(speaks(&mut near, &mut far) && speaks(&mut far, &mut near));
    assert!(wires.connects(81) && !wires.connects(82), "as far as the policy accepts it");
    wires.gateway.run(|| proved(&mut linux, &rules2)).unwrap();
}

fn proved(linux: &mut segwall_host::linux::Linux, rules: &Compiled) {
    match linux.prove(Some(rules)).unwrap() {
        Verdict::Proved => {}
        Verdict::Refuted(why) => panic!("{why:?}"),
        Verdict::Undetermined(why) => panic!("{why:?}"),
        // In a user namespace some filters cannot be asked for.
        Verdict::Beside(why) => {
            assert!(!why.iter().any(|one| one.contains("is not decided") || one.contains("policy says")), "{why:?}");
        }
    }
}

fn left_ms(set: &str) -> Vec<Option<u64>> {
    let elements = NfTables::open().unwrap().elements("segwall", set).unwrap();
    elements.iter().map(|element| element.expires_ms).collect()
}

fn loading_rules_keeps_who_is_in_quarantine() {
    let dir = Dir::new("quarantine-apply");
    let wires = Wires::new();
    let mut linux = dir.linux();
    let old = compiled(&mut linux, 1, &policy(SERVICES));
    let new = compiled(&mut linux, 2, &policy("\"tcp/80\""));
    wires
        .gateway
        .run(|| {
            linux.load(None, Some(&old)).unwrap();
            linux.quarantine(vec![held(LEFT, Some(100)), held(LEFT6, None)], &[]).unwrap();
            thread::sleep(Duration::from_millis(2100));
            for (from, to) in [(Some(&old), &new), (Some(&new), &old), (None, &old)] {
                linux.load(from, Some(to)).unwrap();
                let left = left_ms("quarantine4");
                assert!(matches!(left[..], [Some(90_000..=98_500)]), "its time goes on: {left:?}");
                assert_eq!(left_ms("quarantine6").len(), 1);
                proved(&mut linux, to);
            }
            // Somebody takes all rules away: with them it comes back.
            Nft::find().unwrap().load(&Netns::current().unwrap(), "flush ruleset").unwrap();
            assert!(in_kernel().unwrap().is_empty());
            linux.load(Some(&old), Some(&old)).unwrap();
            assert_eq!(in_kernel().unwrap(), BTreeSet::from([LEFT, LEFT6].map(|addr| addr.parse().unwrap())));
            assert_eq!(linux.let_go().unwrap(), BTreeSet::new());
            // Somebody empties a set and nothing else: the rules are proved as before, and this one goes free.
            let emptied = format!("flush set inet segwall {SET4}");
            Nft::find().unwrap().load(&Netns::current().unwrap(), &emptied).unwrap();
            proved(&mut linux, &old);
            assert_eq!(linux.let_go().unwrap(), BTreeSet::from([LEFT.parse().unwrap()]));
            linux.load(Some(&old), Some(&old)).unwrap();
            assert_eq!(linux.let_go().unwrap(), BTreeSet::new());
            linux.quarantine(vec![held(LEFT, Some(5))], &[]).unwrap();
            assert!(matches!(left_ms("quarantine4")[..], [Some(1..=5_000)]), "the new time is what holds");
        })
        .unwrap();
    assert!(!wires.connects(80));
    thread::sleep(Duration::from_millis(5_200));
    assert!(wires.connects(80), "its time is over");
}

fn a_list_that_cannot_be_written_keeps_nobody_going() {
    let dir = Dir::new("quarantine-disk");
    let wires = Wires::new();
    let mut linux = dir.linux();
    let rules = compiled(&mut linux, 1, &policy(SERVICES));
    wires.gateway.run(|| linux.load(None, Some(&rules)).unwrap()).unwrap();
    assert!(wires.connects(80));
    // Where the new list would be written stands a directory that is not empty.
    std::fs::create_dir_all(dir.path().join(format!(".{}/full", temporary(LIST)))).unwrap();
    let error = wires.gateway.run(|| linux.quarantine(vec![held(LEFT, Some(600))], &[]).unwrap_err()).unwrap();
    assert!(error.to_string().contains("keep the quarantine over the next start"), "{error}");
    assert!(!wires.connects(80), "it is cut off all the same");
}

fn a_reboot_keeps_who_is_in_quarantine() {
    let dir = Dir::new("quarantine-boot");
    let wires = Wires::new();
    let mut linux = dir.linux();
    let rules = compiled(&mut linux, 1, &policy(SERVICES));
    wires
        .gateway
        .run(|| {
            linux.load(None, Some(&rules)).unwrap();
            linux.quarantine(vec![held(LEFT, Some(600)), held("192.0.2.11", Some(1))], &[]).unwrap();
        })
        .unwrap();
    thread::sleep(Duration::from_millis(1_100));
    drop(wires);
    // Another kernel, as far as the rules go; the same disk.
    let wires = Wires::new();
    let mut linux = dir.linux();
    let broken = linux.read(LIST).unwrap().unwrap();
    let bytes = [b"no line of ours\n", &broken.bytes[..]].concat();
    linux.put(LIST, &segwall_core::plan::FileState { bytes, ..broken }).unwrap();
    wires
        .gateway
        .run(|| {
            // What the boot service does where nothing was confirmed: it loads the closed rules it is given.
            boot::start(&mut linux, |_| Ok(Some(rules.clone()))).unwrap();
            assert_eq!(in_kernel().unwrap(), BTreeSet::from([LEFT.parse().unwrap()]));
            assert_eq!(linux.quarantine_list().unwrap().skipped, 1);
            segwall_host::sysctl::set("net/ipv4/ip_forward", "1").unwrap();
        })
        .unwrap();
    assert!(!wires.connects(80));
    wires.gateway.run(|| linux.release(&[LEFT.parse().unwrap()]).unwrap()).unwrap();
    assert!(wires.connects(80));
}

fn a_card_is_found_among_the_neighbours() {
    let wires = Wires::new();
    let _both = (wires.connect(0, 80), wires.connect(1, 80));
    let known = wires.gateway.run(neighbours).unwrap().unwrap();
    let card = [2, 0, 0, 0, 0, 2];
    for addr in [LEFT, LEFT6] {
        assert!(known.contains(&(addr.parse().unwrap(), card)), "{addr}: {known:?}");
    }
}

/// Single faults in the emitted rules, with nobody in quarantine: each is refuted all the same.
fn rules_that_break_quarantine_are_refuted() {
    let dir = Dir::new("quarantine-faults");
    let mut linux = dir.linux();
    let rules = compiled(&mut linux, 1, &allowing("right/198.51.100.80"));
    let script = rules.program.script();
    let answer = |text: &str| {
        let json = Nft::find().unwrap().read_text(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let program = netfilter::read_nft_json(json.as_bytes()).unwrap();
        prove(&mut Space::default(), &rules.ruleset, &[&program], At::ClockUnknown).answer
    };
    let now = answer(&script);
    assert_eq!(now, Answer::Proved);
    // Whoever is in: the answer is the same.
    let full = format!(
        "{script}add element inet segwall quarantine4 {{ 192.0.2.10 timeout 1h, 198.51.100.10 }}\n\
         add element inet segwall quarantine6 {{ 2001:db8:1::10 timeout 1m }}\n"
    );
    assert_eq!(answer(&full), Answer::Proved);

    let lines: Vec<&str> = script.lines().collect();
    let is_quarantine =
        |line: &str| line.starts_with("add rule") && line.contains("quarantine") && !line.contains("log prefix");
    let mut tried = 0;
    let mut refuted = |text: &str, what: &str| {
        tried += 1;
        match answer(text) {
            Answer::Refuted(list) => {
                assert!(list.iter().all(|one| one.quarantined.words().is_some()), "{what}: {list:?}");
                assert!(list[0].packet().contains("quarantined host"), "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
    };
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_quarantine(line)) {
        // Chains end in a drop; a rule that only counts drops nothing.
        if !line.contains("counter name") && !line.contains("neighbour discovery") {
            let mut without = lines.clone();
            without.remove(at);
            refuted(&without.join("\n"), line);
        }
    }
    let edit = |from: &str, to: &str| {
        let text = script.replacen(from, to, 1);
        assert_ne!(text, script, "`{from}` stands in the rules");
        text
    };
    for (from, to) in [
        ("drop_quarantine drop", "drop_quarantine accept"),
        ("quarantined_from goto drop_quarantine", "quarantined_from return"),
        ("quarantined_to goto drop_quarantine", "quarantined_to accept"),
        ("quarantined_from ip daddr @quarantine_allow4 return", "quarantined_from ip daddr @quarantine_allow4 accept"),
        ("quarantined_from ip daddr @quarantine_allow4", "quarantined_from ip saddr @quarantine_allow4"),
        ("forward ip saddr @quarantine4 jump", "forward ip saddr @quarantine4 iifname \"left\" jump"),
        ("forward ip daddr @quarantine4 jump", "forward ip daddr @quarantine4 ct state new jump"),
        ("th dport { 67, 547 } return", "th dport { 67, 547, 22 } return"),
        ("th dport { 68, 546 } return", "accept"),
        ("icmpv6 type { 131, 132, 133, 135, 136, 143 } return", "icmpv6 type { 131, 132, 133, 135, 136, 143 } accept"),
    ] {
        refuted(&edit(from, to), to);
    }
    // Behind the state, where what is open would go on.
    for hook in ["input", "forward", "output"] {
        let of = |line: &&str| line.starts_with(&format!("add rule inet segwall {hook} "));
        let (lookups, rest): (Vec<&str>, Vec<&str>) =
            lines.iter().copied().partition(|line| of(line) && line.contains("@quarantine"));
        let state = rest.iter().position(|line| of(line) && line.contains("ct state vmap")).unwrap();
        let moved = [&rest[..=state], &lookups, &rest[state + 1..]].concat();
        refuted(&moved.join("\n"), hook);
    }
    assert!(tried >= 20, "{tried}");
    // A use of the sets that is none of ours is not decided.
    let odd = edit("forward ip saddr @quarantine4 jump", "forward ip saddr & 255.255.255.0 @quarantine4 jump");
    assert!(!matches!(answer(&odd), Answer::Proved));
}
