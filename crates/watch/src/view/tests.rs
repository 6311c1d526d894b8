//! Events in, views out.

use std::net::IpAddr;
use std::time::Instant;

use segwall_host::rtnl_dump::{LinkCounts, LinkFacts};
use segwall_packetset::{Header, TcpFlags};

use super::*;
use crate::alert::Kind;
use crate::event::{Answer, At, Connection, Counted, Event, Iface, Packet, Reading, Reason, Tuple, Verdict, Volume};
use crate::network::Network;
use crate::state::{Options, State};
use crate::totals::Totals;
use crate::traffic::Traffic;

struct World {
    state: State,
    totals: Totals,
    traffic: Traffic,
    board: Board,
    at: At,
}

impl World {
    fn new() -> Self {
        let mut board = Board::default();
        board.seen(true);
        Self {
            state: State::new(Network::unknown(), Options::default()),
            totals: Totals::default(),
            traffic: Traffic::default(),
            board,
            at: At::of_s(1_000),
        }
    }

    fn event(&mut self, event: &Event) {
        self.totals.event(self.state.network(), event);
        self.traffic.event(self.state.network(), event);
        self.board.event(self.at, event, &self.traffic);
        for alert in self.state.step(self.at, event) {
            self.board.told(&alert);
        }
    }

    fn view(&self, links: &[(LinkFacts, LinkCounts)]) -> View {
        let Self { state, totals, traffic, .. } = self;
        self.board.view(Seen { at: self.at, state, totals, traffic, links, policy: "generation 7" })
    }
}

fn connection(number: u32, from: &str, to: &str, bytes: u64) -> Connection {
    let [.., a, b, c] = number.to_be_bytes();
    let (opener, answerer) = (IpAddr::from([10, a, b, c]), IpAddr::from([10, 200, 0, 1]));
    let tuple = |src, dst, sport, dport| Tuple { src, dst, proto: 6, header: Header::Ports { sport, dport } };
    let volume = Volume { packets: bytes / 1_000, bytes };
    Connection {
        original: tuple(opener, answerer, 40_000, 443),
        reply: tuple(answerer, opener, 443, 40_000),
        id: number,
        mark: 0,
        began: None,
        input: Iface::new(from.as_bytes()),
        output: Iface::new(to.as_bytes()),
        sent: volume,
        received: Volume { packets: 2 * volume.packets, bytes: 2 * bytes },
        answer: Answer::Answered,
    }
}

fn refused(port: u16) -> Event {
    Event::Packet(Packet {
        verdict: Verdict::Refused(Reason::Unnamed),
        input: Iface::new(b"guest"),
        output: Iface::new(b"srv"),
        src: "10.0.0.7".parse().expect("as this test made it"),
        dst: "10.1.0.9".parse().expect("as this test made it"),
        proto: 6,
        header: Header::Ports { sport: 40_000, dport: port },
        flags: TcpFlags(0x02),
        len: 60,
        mac: None,
        to_all: false,
    })
}

#[test]
fn a_view_holds_what_happened_and_only_the_newest_of_it() {
    let mut world = World::new();
    for port in 1..=u16::try_from(DROPS_MAX).expect("as this test made it") + 5 {
        world.event(&refused(port));
    }
    let counted = Counted::Pair { input: Iface::new(b"guest"), output: Iface::new(b"srv") };
    world.event(&Event::Counters(vec![Reading { counted, packets: 9_000 }]));
    world.event(&Event::Conntrack { count: 3, max: 10 });
    world.event(&Event::Table { there: true });
    let link = |index: u32, name: &str| LinkFacts {
        index,
        name: name.to_owned(),
        kind: None,
        below: None,
        vlan: None,
        up: true,
        carrier: index == 1,
        mac: None,
    };
    let counts = LinkCounts { rx_bytes: 5, rx_errors: 1, tx_errors: 2, ..LinkCounts::default() };
    let view = world.view(&[(link(1, "srv"), counts), (link(2, "a\u{1b}[2J"), LinkCounts::default())]);
    assert_eq!((view.drops.len(), view.drops[0].number, view.drops[0].dport), (DROPS_MAX, 6, Some(6)));
    assert_eq!((view.drops[0].flags.as_str(), view.drops[0].from.as_str()), ("SYN", "guest"));
    let name = |place: u32| view.zones[place as usize].name.as_str();
    assert_eq!(view.pairs.len(), 1);
    assert_eq!((name(view.pairs[0].from), name(view.pairs[0].to), view.pairs[0].refused), ("guest", "srv", 9_000));
    assert_eq!(view.interfaces.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a?[2J", "srv"]);
    assert_eq!((view.interfaces[1].errors, view.interfaces[0].up, view.interfaces[1].up), (3, false, true));
    assert_eq!((view.conntrack, view.table), (Some(Fill { count: 3, max: 10 }), Some(true)));
    assert!(view.alerts.iter().any(|one| one.open && one.kind == Kind::ScanVertical.word()), "{:?}", view.alerts);
    // What is told once more than an hour later is over, and is still shown.
    world.at = world.at.plus_s(3_000);
    world.event(&Event::Tick);
    let later = world.view(&[]);
    assert!(later.alerts.iter().all(|one| !one.open) && !later.alerts.is_empty());
    // A view is the same after its way through a socket.
    let line = serde_json::to_string(&view).expect("as this test made it");
    assert!(!line.contains('\n'));
    assert_eq!(serde_json::from_str::<View>(&line).expect("as this test made it"), view);
}

#[test]
fn rates_are_what_came_between_two_listings() {
    let mut world = World::new();
    world.event(&Event::Going(connection(1, "lan", "wan", 50_000)));
    world.event(&Event::Listed);
    // What it carried before anybody looked has no rate.
    assert_eq!(world.view(&[]).flows[0].sent_s, 0);
    world.at = world.at.plus_s(2);
    world.event(&Event::Going(connection(1, "lan", "wan", 52_000)));
    world.event(&Event::Going(connection(2, "lan", "wan", 8_000)));
    world.event(&Event::Listed);
    let view = world.view(&[]);
    let rates: Vec<_> = view.flows.iter().map(|flow| (flow.src.to_string(), flow.sent_s, flow.received_s)).collect();
    assert_eq!(rates, [("10.0.0.2".to_owned(), 4_000, 8_000), ("10.0.0.1".to_owned(), 1_000, 2_000)]);
    assert_eq!((view.flows_open, view.left_out.flows, view.listed_ms), (2, 0, Some(1_002_000)));
    let lan: Vec<_> = view.talkers.iter().filter(|one| view.zones[one.zone as usize].name == "lan").collect();
    assert_eq!((lan[0].addr.to_string().as_str(), lan[0].sent_s, lan[0].sent.bytes), ("10.0.0.2", 4_000, 8_000));
    assert_eq!((lan[1].sent_s, lan[1].sent.bytes), (1_000, 52_000));
    // Nobody looks on any more: nothing is kept for them.
    world.board.seen(false);
    assert_eq!(world.view(&[]).flows, []);
}

#[test]
fn only_the_busiest_are_shown_and_the_others_are_counted() {
    let mut world = World::new();
    for round in 1..=2u64 {
        for number in 0..3 * u32::try_from(FLOWS_MAX).expect("as this test made it") {
            let rate = u64::from(number) * 1_000;
            world.event(&Event::Going(connection(number, "lan", "wan", round * rate)));
        }
        world.event(&Event::Listed);
        world.at = world.at.plus_s(1);
    }
    let view = world.view(&[]);
    assert_eq!((view.flows.len(), view.flows_open), (FLOWS_MAX, 1_500));
    assert_eq!((view.flows[0].sent_s, view.left_out.flows), (1_499_000, 1_000));
    let lan = view.talkers.iter().filter(|one| view.zones[one.zone as usize].name == "lan");
    assert_eq!(lan.count(), TALKERS_OF_ZONE_MAX);
    assert!(view.left_out.talkers >= 1_479, "{:?}", view.left_out);
}

/// What a view of a thousand zones with as many pairs as are counted costs the daemon. Said, and bounded loosely: other
/// tests run beside it.
#[test]
fn a_large_view_is_made_quickly() {
    let mut world = World::new();
    let name = |place: u32| format!("seg{:04}", place % 1_000);
    for number in 0..30_000u32 {
        let (from, to) = (name(number), name(number + 1 + number / 1_000 * 30));
        world.event(&Event::Going(connection(number, &from, &to, 1_000)));
    }
    world.event(&Event::Listed);
    let begun = Instant::now();
    let view = world.view(&[]);
    let made = begun.elapsed();
    let bytes = serde_json::to_vec(&view).expect("as this test made it").len();
    let all = begun.elapsed();
    println!("{} pairs: made in {made:?}, with JSON of {bytes} bytes {all:?}", view.pairs.len());
    assert!(view.pairs.len() > 16_000 && all.as_secs() < 2);
}
