//! A host in a segment tries what the policy says of it, with ordinary sockets, through a real gateway.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use jiff::tz::TimeZone;
use segwall_core::policy::{self, Context};
use segwall_core::ruleset::{At, lower};
use segwall_core::source::Source;
use segwall_core::verify::{Expected, Judgement, Kind, List, Probe, Seen, judge, list};
use segwall_host::apply::Host;
use segwall_host::netns::Netns;
use segwall_host::nft::Nft;
use segwall_host::reach::{self, Came};

use crate::harness::Case;
use crate::wires::Wires;
use crate::world::{Dir, compiled, policy};

pub const ALL: &[Case] = &[("what_a_host_sees_is_what_the_policy_says", what_a_host_sees_is_what_the_policy_says)];

const PATIENCE: Duration = Duration::from_millis(200);
const HOSTS: &str = "[hosts]\nserver = { address = \"198.51.100.10\" }\n";

fn nft(text: &str) {
    Nft::find().unwrap().load(&Netns::current().unwrap(), text).unwrap();
}

fn try_it(probe: &Probe) -> Seen {
    let to = SocketAddr::new(probe.to, probe.port.unwrap_or_default());
    let came = match probe.kind {
        Kind::Tcp => reach::tcp(to, PATIENCE),
        Kind::Udp => reach::udp(to, PATIENCE),
        Kind::Ping => reach::ping(probe.to, PATIENCE),
    };
    match came {
        Came::Answer => Seen::Answered,
        Came::Refusal => Seen::Refused,
        Came::Unreachable => Seen::Unreachable,
        Came::Nothing => Seen::Silent,
        Came::Unsent(error) => Seen::Untried(error.to_string()),
    }
}

fn wrong(wires: &Wires, list: &List) -> Vec<String> {
    let differs =
        |probe: &&Probe| matches!(judge(probe, &wires.left.run(|| try_it(probe)).unwrap()), Judgement::Wrong(_));
    list.probes.iter().filter(differs).map(|probe| format!("{:?} {} {:?}", probe.kind, probe.to, probe.port)).collect()
}

fn what_a_host_sees_is_what_the_policy_says() {
    let wires = Wires::new();
    let dir = Dir::new("probes");
    let text = policy("\"tcp/80\", \"tcp/81\"") + HOSTS;
    let source = Source::new("segwall.toml", &*text);
    let today = "2026-11-26".parse().unwrap();
    let policy = policy::load(&source, &Context { today, timezone: TimeZone::UTC }).policy.unwrap();
    let ruleset = lower(&policy, &source, &TimeZone::UTC);
    let left = &policy.segments[0];
    let list = list(&policy, &ruleset, left, "192.0.2.10".parse().unwrap(), At::ClockUnknown, Some(1));
    let count = |expected| list.probes.iter().filter(|probe| probe.expected == expected).count();
    assert!(count(Expected::Accept) >= 4 && count(Expected::Drop) >= 10, "{:#?}", list.probes);
    // A fresh namespace lets nobody send echo requests by ordinary sockets.
    wires.left.run(|| segwall_host::sysctl::set("net/ipv4/ping_group_range", "0 0")).unwrap().unwrap();
    let mut linux = dir.linux();
    wires
        .gateway
        .run(|| {
            let one = compiled(&mut linux, 1, &text);
            linux.load(None, Some(&one)).unwrap();
        })
        .unwrap();
    // 80 is open and 81 closed on the host: both were reached.
    let _listener = wires.right.run(|| TcpListener::bind("198.51.100.10:80")).unwrap().unwrap();
    let seen = |port| {
        let to = SocketAddr::new("198.51.100.10".parse().unwrap(), port);
        wires.left.run(|| reach::tcp(to, PATIENCE)).unwrap()
    };
    assert!(matches!(seen(80), Came::Answer), "{:?}", seen(80));
    assert!(matches!(seen(81), Came::Refusal), "{:?}", seen(81));
    assert!(matches!(seen(22), Came::Nothing), "{:?}", seen(22));
    assert_eq!(wrong(&wires, &list), [""; 0]);
    // A hole, and a block: each is seen where it is, and nowhere else.
    wires.gateway.run(|| nft("insert rule inet segwall forward tcp dport 22 accept")).unwrap();
    assert_eq!(wrong(&wires, &list), ["Tcp 198.51.100.10 Some(22)"]);
    wires.gateway.run(|| nft("insert rule inet segwall input icmp type echo-request drop")).unwrap();
    let found = wrong(&wires, &list);
    assert!(found.contains(&"Ping 192.0.2.1 None".to_owned()) && found.len() == 2, "{found:?}");
}
