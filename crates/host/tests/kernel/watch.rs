//! What is told of traffic, against known packets.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use segwall_host::attr;
use segwall_host::conntrack::{Entry, Event, Events, Heard, Key, Volume};
use segwall_host::nf_tables::{Changes, Count, NfTables, fields};
use segwall_host::rtnl::{Change, Rtnl};
use segwall_host::rtnl_dump;
use segwall_host::sysctl;
use segwall_host::watch::{Fill, PacketLog, Surrounding, Surroundings, fill};

use crate::net::{CLIENT, CLIENT_MAC, Net, SERVER, SYN, from_client, tcp, udp};

pub const ALL: &[(&str, fn())] = &[
    ("logged_packets_come_gathered_and_numbered", logged_packets_come_gathered_and_numbered),
    ("each_group_has_its_own_numbers", each_group_has_its_own_numbers),
    ("a_log_that_nobody_reads_says_what_it_lost", a_log_that_nobody_reads_says_what_it_lost),
    ("connections_are_heard_as_they_begin_and_end", connections_are_heard_as_they_begin_and_end),
    ("lost_events_are_told_and_the_table_tells_the_rest", lost_events_are_told_and_the_table_tells_the_rest),
    ("counters_say_what_was_sent", counters_say_what_was_sent),
    ("five_thousand_counters_are_read_in_no_time", five_thousand_counters_are_read_in_no_time),
    ("a_large_set_is_read_whole", a_large_set_is_read_whole),
    ("what_is_not_there_is_told", what_is_not_there_is_told),
    ("a_change_of_the_rules_is_heard", a_change_of_the_rules_is_heard),
    ("interfaces_addresses_and_neighbours_are_heard", interfaces_addresses_and_neighbours_are_heard),
    ("the_table_of_connections_says_how_full_it_is", the_table_of_connections_says_how_full_it_is),
];

/// Nothing takes longer here.
const PATIENCE: Duration = Duration::from_secs(5);
const READS: usize = 1024;

/// Waits until something can be read.
fn wait(source: &impl AsFd) {
    let timeout = PollTimeout::try_from(Duration::from_millis(50)).unwrap();
    poll(&mut [PollFd::new(source.as_fd(), PollFlags::POLLIN)], timeout).unwrap();
}

/// What one reader was given.
#[derive(Default)]
struct Got {
    packets: u64,
    by_group: std::collections::BTreeMap<u16, Vec<u32>>,
}

fn read_until(log: &mut PacketLog, got: &mut Got, done: impl Fn(&PacketLog, &Got) -> bool) {
    let begun = Instant::now();
    while !done(log, got) {
        assert!(begun.elapsed() < PATIENCE, "{} packets, {:?}", got.packets, log.losses());
        wait(log);
        log.receive(READS, |logged| {
            got.packets += 1;
            got.by_group.entry(logged.group).or_default().push(logged.sequence.unwrap());
        })
        .unwrap();
    }
}

fn many(count: u16, payload: &[u8]) -> Vec<Vec<u8>> {
    (0..count).map(|n| from_client(udp(CLIENT, SERVER, 1000, n, payload))).collect()
}

fn logged_packets_come_gathered_and_numbered() {
    let net = Net::new();
    net.load("table ip t { chain f { type filter hook forward priority 0; meta mark set 42 log prefix \"seen \" group 7 drop; }\n}");
    let mut log = net.gateway.run(|| PacketLog::open(&[7])).unwrap().unwrap();
    let left =
        net.gateway.run(rtnl_dump::links).unwrap().unwrap().into_values().find(|link| link.name == "left").unwrap();
    let frames = many(1000, &[7; 200]);
    net.client.send(&frames).unwrap();
    let mut sequences = Vec::new();
    let begun = Instant::now();
    let mut reads = 0;
    while sequences.len() < 1000 {
        assert!(begun.elapsed() < PATIENCE);
        wait(&log);
        reads += 1;
        log.receive(READS, |logged| {
            assert_eq!((logged.group, logged.hook, logged.ether_type), (7, 2, 0x800));
            assert_eq!((logged.prefix, logged.mark, logged.mac), ("seen ", Some(42), Some(CLIENT_MAC)));
            assert_eq!(logged.input, Some(left.index));
            assert!(logged.output.is_some());
            // Forwarding made the time to live one less; the ports are as they were sent.
            assert_eq!(logged.payload.len(), 96);
            assert_eq!(logged.payload[20..24], frames[sequences.len()][34..38]);
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            assert!(now.abs_diff(logged.time.unwrap()) < PATIENCE);
            sequences.push(logged.sequence.unwrap());
        })
        .unwrap();
    }
    assert_eq!(sequences, (0..1000).collect::<Vec<u32>>());
    assert!(reads <= 20, "gathered, not one at a time: {reads}");
    assert_eq!(log.losses(), segwall_host::watch::Losses::default());
}

fn each_group_has_its_own_numbers() {
    let net = Net::new();
    net.load(
        "table ip t { chain f { type filter hook forward priority 0; udp dport < 10 log group 7 drop; log group 8 drop; }\n}",
    );
    let mut log = net.gateway.run(|| PacketLog::open(&[7, 8])).unwrap().unwrap();
    net.client.send(&many(30, b"")).unwrap();
    let mut got = Got::default();
    read_until(&mut log, &mut got, |_, got| got.packets == 30);
    assert_eq!(got.by_group[&7], (0..10).collect::<Vec<u32>>());
    assert_eq!(got.by_group[&8], (0..20).collect::<Vec<u32>>());
    assert_eq!(log.losses().packets, 0);
    assert!(net.gateway.run(|| PacketLog::open(&[8])).unwrap().is_err(), "a group has one reader");
}

fn a_log_that_nobody_reads_says_what_it_lost() {
    const ROUNDS: u64 = 150;
    let net = Net::new();
    net.load("table ip t { chain f { type filter hook forward priority 0; log group 7 drop; }\n}");
    let mut log = net.gateway.run(|| PacketLog::open(&[7])).unwrap().unwrap();
    let frames = many(1000, &[7; 100]);
    for _ in 0..ROUNDS {
        net.client.send(&frames).unwrap();
    }
    let mut got = Got::default();
    // What waited is read, and the next packets tell how many were lost.
    read_until(&mut log, &mut got, |log, _| log.losses().overruns > 0);
    let begun = Instant::now();
    while got.packets + log.losses().packets < ROUNDS * 1000 && begun.elapsed() < PATIENCE {
        net.client.send(&frames[..1]).unwrap();
        std::thread::sleep(Duration::from_millis(120));
        log.receive(READS, |_| got.packets += 1).unwrap();
    }
    let (lost, extra) = (log.losses().packets, got.packets + log.losses().packets - ROUNDS * 1000);
    println!("    {} packets read, {lost} lost, {extra} sent to see it", got.packets);
    assert!(lost > 0 && got.packets > 0);
    assert!(extra <= 3, "everything is either read or counted as lost: {extra} more than were sent");
}

const COUNTED: &str =
    "table ip t { chain f { type filter hook forward priority 0; ct state new ct mark set 77; accept; }\n}";

fn hear(events: &mut Events, enough: impl Fn(&[Event]) -> bool) -> Vec<Event> {
    let mut list = Vec::new();
    let begun = Instant::now();
    while !enough(&list) {
        assert!(begun.elapsed() < PATIENCE, "{list:?}");
        wait(events);
        assert_ne!(events.receive(READS, |event| list.push(event)).unwrap(), Heard::Lost);
    }
    list
}

fn connections_are_heard_as_they_begin_and_end() {
    let mut net = Net::new();
    net.load(COUNTED);
    net.gateway
        .run(|| {
            sysctl::set("net/netfilter/nf_conntrack_acct", "1").unwrap();
            sysctl::set("net/netfilter/nf_conntrack_timestamp", "1").unwrap();
        })
        .unwrap();
    let mut events = net.gateway.run(Events::listen).unwrap().unwrap();
    let frame = from_client(udp(CLIENT, SERVER, 1000, 53, b"hello"));
    net.client.send(&[frame.clone(), frame.clone(), frame]).unwrap();
    net.client.send(&[from_client(tcp(CLIENT, SERVER, 1001, 80, SYN))]).unwrap();
    let heard = hear(&mut events, |list| list.len() == 2);
    let begun = |event: &Event| match event {
        Event::New(entry) => *entry,
        Event::Ended(entry) => panic!("it did not end: {entry:?}"),
    };
    let (dns, web) = (begun(&heard[0]), begun(&heard[1]));
    assert_eq!((dns.original.proto, dns.original.key), (17, Key::Ports { src: 1000, dst: 53 }));
    assert_eq!((dns.original.src, dns.reply), (IpAddr::V4(CLIENT), dns.original.reversed()));
    assert_eq!((dns.mark, web.mark, web.tcp_state), (77, 77, Some(1)), "SYN was sent");
    assert!(!dns.is_answered());
    // What the table counted so far.
    let listed: Vec<Entry> = net.conntrack.list().unwrap();
    let dns_now = listed.iter().find(|entry| entry.id == dns.id).unwrap();
    assert_eq!(dns_now.sent, Some(Volume { packets: 3, bytes: 3 * (20 + 8 + 5) }));
    assert_eq!(dns_now.answered, Some(Volume::default()));
    assert!(dns_now.expires_s.is_some() && dns_now.began_ns.is_some());
    net.conntrack.flush().unwrap();
    let heard = hear(&mut events, |list| list.len() == 2);
    let ended: Vec<&Entry> = heard
        .iter()
        .map(|event| match event {
            Event::Ended(entry) => entry,
            Event::New(entry) => panic!("it did not begin: {entry:?}"),
        })
        .collect();
    let dns_last = ended.iter().find(|entry| entry.id == dns.id).unwrap();
    assert_eq!(dns_last.sent, Some(Volume { packets: 3, bytes: 99 }));
    assert!(dns_last.ended_ns > dns_last.began_ns);
}

fn lost_events_are_told_and_the_table_tells_the_rest() {
    const CONNECTIONS: u16 = 20_000;
    let mut net = Net::new();
    net.load(COUNTED);
    let mut events = net.gateway.run(Events::listen).unwrap().unwrap();
    for chunk in many(CONNECTIONS, b"").chunks(1000) {
        net.client.send(chunk).unwrap();
    }
    let (mut heard, mut lost) = (0, 0);
    loop {
        match events.receive(READS, |_| heard += 1).unwrap() {
            Heard::Lost => lost += 1,
            Heard::Some => {}
            Heard::All => break,
        }
    }
    assert!(lost > 0 && heard < usize::from(CONNECTIONS), "{heard} heard");
    assert_eq!(net.conntrack.list().unwrap().len(), usize::from(CONNECTIONS));
    // The socket goes on.
    net.client.send(&[from_client(udp(CLIENT, SERVER, 1001, 53, b""))]).unwrap();
    assert_eq!(hear(&mut events, |list| !list.is_empty()).len(), 1);
    let full = net.gateway.run(fill).unwrap().unwrap();
    assert_eq!(full.count, u64::from(CONNECTIONS) + 1);
}

fn counters_say_what_was_sent() {
    let net = Net::new();
    net.load(
        "table inet segwall { counter a { }\ncounter b { }\n \
         set pairs { type ifname . ifname . inet_service; flags dynamic, timeout; timeout 1h; size 100; }\n \
         chain f { type filter hook forward priority 0; \
         udp dport 53 counter name a; udp dport 54 counter name b; \
         update @pairs { iifname . oifname . th dport counter }; }\n}\n\
         table inet other { counter a { packets 9 bytes 9 }\n}",
    );
    let send =
        |port: u16, payload: &[u8]| net.client.send(&[from_client(udp(CLIENT, SERVER, 1000, port, payload))]).unwrap();
    send(53, b"hello");
    send(53, b"");
    send(54, b"1234567890");
    let mut tables = net.gateway.run(NfTables::open).unwrap().unwrap();
    let counters = tables.counters("segwall").unwrap();
    assert_eq!(counters.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(counters["a"], Count { packets: 2, bytes: 33 + 28 });
    assert_eq!(counters["b"], Count { packets: 1, bytes: 38 });
    let mut pairs = tables.elements("segwall", "pairs").unwrap();
    pairs.sort_by_key(|pair| pair.count);
    let counts: Vec<_> = pairs.iter().map(|pair| pair.count.unwrap().packets).collect();
    assert_eq!(counts, [1, 2]);
    let key = fields(&pairs[1].key, &[16, 16, 2]).unwrap();
    assert_eq!((attr::text(key[0]), attr::text(key[1]), attr::be16(key[2])), (Some("left"), Some("right"), Some(53)));
    assert_eq!(pairs[1].timeout_ms, None, "as long as the set says");
    assert!(pairs[1].expires_ms.unwrap() <= 3_600_000);
}

fn five_thousand_counters_are_read_in_no_time() {
    let net = Net::new();
    let counters: Vec<String> =
        (0..5000).map(|n| format!("add counter inet segwall pair{n} {{ packets {n} bytes {}; }}\n", 2 * n)).collect();
    net.load("add table inet segwall");
    // A user namespace sends only so much at once.
    counters.chunks(500).for_each(|some| net.load(&some.concat()));
    let mut tables = net.gateway.run(NfTables::open).unwrap().unwrap();
    let used = || {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        let micros = |time: TimeVal| u64::try_from(time.num_microseconds()).unwrap();
        Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time()))
    };
    let before = used();
    let read = tables.counters("segwall").unwrap();
    let took = used() - before;
    println!("    5,000 counters in {:.1} ms of CPU", took.as_secs_f64() * 1e3);
    assert_eq!(read.len(), 5000);
    assert!((0..5000).all(|n| read[&format!("pair{n}")] == Count { packets: n, bytes: 2 * n }));
    assert!(took < Duration::from_millis(250), "{took:?}");
}

fn a_large_set_is_read_whole() {
    let net = Net::new();
    let elements: Vec<String> =
        (0..20_000u32).map(|n| format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255)).collect();
    net.load(
        "add table inet segwall\n\
         add set inet segwall s { type ipv4_addr; counter; }\n\
         add set inet segwall r { type ipv4_addr; flags interval; }\n\
         add element inet segwall r { 10.0.0.0/24, 10.0.2.0-10.0.2.9 }",
    );
    for some in elements.chunks(1000) {
        net.load(&format!("add element inet segwall s {{ {} }}", some.join(", ")));
    }
    let mut tables = net.gateway.run(NfTables::open).unwrap().unwrap();
    let begun = Instant::now();
    let read = tables.elements("segwall", "s").unwrap();
    println!("    20,000 elements in {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    let mut found: Vec<u32> = read.iter().map(|one| attr::be32(&one.key).unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, (0..20_000u32).map(|n| 0x0a00_0000 + n).collect::<Vec<u32>>());
    assert!(read.iter().all(|one| one.count == Some(Count::default()) && one.expires_ms.is_none()));
    let mut ranges: Vec<_> = tables.elements("segwall", "r").unwrap();
    ranges.retain(|one| attr::be32(&one.key) != Some(0));
    let mut edges: Vec<_> = ranges.iter().map(|one| (attr::be32(&one.key).unwrap(), one.ends_range)).collect();
    edges.sort_unstable();
    assert_eq!(edges, [(0x0a00_0000, false), (0x0a00_0100, true), (0x0a00_0200, false), (0x0a00_020a, true)]);
}

fn what_is_not_there_is_told() {
    let net = Net::new();
    let mut tables = net.gateway.run(NfTables::open).unwrap().unwrap();
    assert!(tables.counters("segwall").unwrap().is_empty());
    let error = tables.elements("segwall", "s").unwrap_err();
    assert!(error.is_missing(), "{error:?}");
}

fn a_change_of_the_rules_is_heard() {
    let net = Net::new();
    let mut changes = net.gateway.run(Changes::listen).unwrap().unwrap();
    assert!(!changes.any());
    net.load("table inet segwall { set s { type ipv4_addr; flags timeout; }\n}");
    assert!(changes.any() && !changes.any());
    net.load("add element inet segwall s { 192.0.2.7 timeout 1h }");
    assert!(changes.any());
    let held = net.gateway.run(NfTables::open).unwrap().unwrap().elements("segwall", "s").unwrap();
    assert_eq!((held.len(), held[0].timeout_ms), (1, Some(3_600_000)));
    assert!(!changes.any(), "reading changes nothing");
}

fn interfaces_addresses_and_neighbours_are_heard() {
    let net = Net::new();
    let links = net.gateway.run(rtnl_dump::links).unwrap().unwrap();
    let left = links.values().find(|link| link.name == "left").unwrap().clone();
    let known = net.gateway.run(rtnl_dump::neighbours).unwrap().unwrap();
    assert!(known.contains(&rtnl_dump::Neighbour { link: left.index, addr: CLIENT.into(), mac: Some(CLIENT_MAC) }));
    let mut around = net.gateway.run(Surroundings::listen).unwrap().unwrap();
    let mut list = Vec::new();
    assert_eq!(around.receive(READS, |change| list.push(change)).unwrap(), Heard::All);
    // The kernel gives its link-local addresses when it has time.
    assert!(list.iter().all(|change| matches!(change, Surrounding::Address(_))), "{list:?}");
    let (addr, mac) = ("192.0.2.77".parse().unwrap(), [2, 0, 0, 0, 0, 0x77]);
    let mut rtnl = net.gateway.run(Rtnl::open).unwrap().unwrap();
    let own = "198.51.100.3".parse().unwrap();
    let address = Change::Address { link: left.index, addr: own, prefix_len: 24 };
    rtnl.apply(&[address, Change::Neighbour { link: left.index, addr, mac }, Change::Delete("right".to_owned())])
        .unwrap();
    let begun = Instant::now();
    let neighbour = Surrounding::Neighbour(rtnl_dump::Neighbour { link: left.index, addr, mac: Some(mac) });
    let is_gone = |change: &Surrounding| matches!(change, Surrounding::LinkGone(link) if link.name == "right");
    let address = Surrounding::Address(rtnl_dump::AddressFacts { link: left.index, addr: own, prefix_len: 24 });
    while !(list.contains(&address) && list.contains(&neighbour) && list.iter().any(is_gone)) {
        assert!(begun.elapsed() < PATIENCE, "{list:?}");
        wait(&around);
        around.receive(READS, |change| list.push(change)).unwrap();
    }
    assert!(
        list.iter().any(|change| matches!(change, Surrounding::Link(link) if link.name == "right" && !link.carrier)),
        "it went down first: {list:?}"
    );
}

fn the_table_of_connections_says_how_full_it_is() {
    let net = Net::new();
    net.load(COUNTED);
    net.client.send(&many(12, b"")).unwrap();
    let Fill { count, max } = net.gateway.run(fill).unwrap().unwrap();
    assert_eq!(count, 12);
    assert!(max > 12);
}
