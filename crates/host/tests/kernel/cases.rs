//! The tests.

use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::process::Command;

use segwall_host::conntrack::{Key, Tuple};
use segwall_host::exec::{self, Interactive};
use segwall_host::netns::Netns;
use segwall_host::nflog::Nflog;
use segwall_host::nft::{Nft, NftError};
use segwall_host::rawip::RawIp;
use segwall_host::rtnl::{Change, Rtnl, RtnlError, VethEnd};
use segwall_host::sysctl;
use segwall_host::userns::{self, UsernsError};

use crate::net::{ACK, CLIENT, GATEWAY_LEFT, GATEWAY_RIGHT, Net, SERVER, SYN, from_client, tcp, udp};

/// Before this process enters namespaces.
pub const OUTSIDE: &[crate::harness::Case] =
    &[("a_text_is_read_in_a_namespace_of_its_own", a_text_is_read_in_a_namespace_of_its_own)];

pub const ALL: &[(&str, fn())] = &[
    ("frames_are_forwarded_and_seen", frames_are_forwarded_and_seen),
    ("many_frames_in_one_call_all_arrive", many_frames_in_one_call_all_arrive),
    ("a_full_ring_counts_what_it_lost", a_full_ring_counts_what_it_lost),
    ("an_nft_drop_is_a_drop", an_nft_drop_is_a_drop),
    ("reject_answers_the_sender", reject_answers_the_sender),
    ("nflog_delivers_prefix_payload_and_interface", nflog_delivers_prefix_payload_and_interface),
    ("nflog_keeps_up_with_a_batch", nflog_keeps_up_with_a_batch),
    ("an_entered_connection_is_established", an_entered_connection_is_established),
    ("entered_connections_are_listed_and_flushed", entered_connections_are_listed_and_flushed),
    ("the_gateway_sends_through_its_output_hook", the_gateway_sends_through_its_output_hook),
    ("a_refused_rule_set_says_why", a_refused_rule_set_says_why),
    ("a_refused_change_is_named", a_refused_change_is_named),
    ("neighbours_in_bulk", neighbours_in_bulk),
    ("vlan_support_is_found_out_and_cleaned_up", vlan_support_is_found_out_and_cleaned_up),
    ("namespaces_leave_us_where_we_were", namespaces_leave_us_where_we_were),
    ("settings_stay_in_their_namespace", settings_stay_in_their_namespace),
    ("commands_run_in_a_namespace", commands_run_in_a_namespace),
    ("children_die_with_us", children_die_with_us),
    ("threads_are_refused", threads_are_refused),
];

fn frames_are_forwarded_and_seen() {
    let mut net = Net::new();
    net.client.send(&[from_client(udp(CLIENT, SERVER, 1000, 53, b"hello"))]).unwrap();
    assert_eq!(net.arrived(), [53]);
    assert_eq!(net.arrived(), [] as [u16; 0], "a frame is handed out once");
}

fn many_frames_in_one_call_all_arrive() {
    let mut net = Net::new();
    // More than a ring: it must wrap around.
    for round in 0..20u16 {
        let frames: Vec<_> = (0..100).map(|n| from_client(udp(CLIENT, SERVER, 1000, round * 100 + n, b""))).collect();
        net.client.send(&frames).unwrap();
        assert_eq!(net.arrived(), (0..100).map(|n| round * 100 + n).collect::<Vec<u16>>());
    }
    assert_eq!(net.server.lost().unwrap(), 0);
}

fn a_full_ring_counts_what_it_lost() {
    let mut net = Net::new();
    let frames: Vec<_> = (0..400).map(|n| from_client(udp(CLIENT, SERVER, 1000, n, b""))).collect();
    net.client.send(&frames).unwrap();
    let arrived = net.arrived().len();
    let lost = net.server.lost().unwrap() as usize;
    assert!(lost > 0);
    assert_eq!(arrived + lost, 400);
    assert_eq!(net.server.lost().unwrap(), 0, "asking starts anew");
}

fn an_nft_drop_is_a_drop() {
    let mut net = Net::new();
    net.load("table ip t { chain f { type filter hook forward priority 0; udp dport 54 drop; }\n}");
    let frames: Vec<_> = [53, 54, 55].map(|port| from_client(udp(CLIENT, SERVER, 1000, port, b""))).into();
    net.client.send(&frames).unwrap();
    assert_eq!(net.arrived(), [53, 55]);
}

fn reject_answers_the_sender() {
    let mut net = Net::new();
    net.load("table ip t { chain f { type filter hook forward priority 0; reject with icmp port-unreachable; }\n}");
    net.client.send(&[from_client(udp(CLIENT, SERVER, 1000, 54, b""))]).unwrap();
    let mut kinds = Vec::new();
    net.client.receive(|frame| kinds.push((frame[23], frame[34], frame[35])));
    assert_eq!(kinds, [(1, 3, 3)], "ICMP destination unreachable, port unreachable");
}

fn nflog_delivers_prefix_payload_and_interface() {
    let net = Net::new();
    net.load("table ip t { chain i { type filter hook input priority 0; log prefix \"to the box\" group 7 drop; }\n}");
    let mut log = net.gateway.run(|| Nflog::open(7)).unwrap().unwrap();
    let packet = udp(CLIENT, GATEWAY_LEFT, 1000, 53, b"payload");
    net.client.send(&[from_client(packet.clone())]).unwrap();
    let mut seen = 0;
    log.receive(|logged| {
        seen += 1;
        assert_eq!(logged.prefix, "to the box");
        assert_eq!(logged.payload, packet);
        assert!(logged.input.is_some());
        assert_eq!(logged.output, None);
    })
    .unwrap();
    assert_eq!(seen, 1);
}

fn nflog_keeps_up_with_a_batch() {
    let net = Net::new();
    net.load("table ip t { chain i { type filter hook input priority 0; log group 7 drop; }\n}");
    let mut log = net.gateway.run(|| Nflog::open(7)).unwrap().unwrap();
    let frames: Vec<_> = (0..128).map(|n| from_client(udp(CLIENT, GATEWAY_LEFT, 1000, n, &[0; 32]))).collect();
    for _ in 0..10 {
        net.client.send(&frames).unwrap();
        let mut seen = 0;
        log.receive(|_| seen += 1).unwrap();
        assert_eq!(seen, 128);
    }
}

const STATEFUL: &str = "table ip t { chain f { type filter hook forward priority 0; policy drop; \
                        ct state established accept; }\n}";

fn tcp_tuple() -> Tuple {
    Tuple { proto: 6, src: IpAddr::V4(CLIENT), dst: IpAddr::V4(SERVER), key: Key::Ports { src: 1000, dst: 80 } }
}

fn an_entered_connection_is_established() {
    let mut net = Net::new();
    net.load(STATEFUL);
    net.conntrack.establish(&[tcp_tuple()]).unwrap();
    let frames: Vec<_> = [80, 81].map(|port| from_client(tcp(CLIENT, SERVER, 1000, port, ACK))).into();
    net.client.send(&frames).unwrap();
    assert_eq!(net.arrived(), [80]);
    let udp_tuple = Tuple { proto: 17, ..tcp_tuple() };
    net.conntrack.establish(&[udp_tuple]).unwrap();
    let frames: Vec<_> = [80, 81].map(|port| from_client(udp(CLIENT, SERVER, 1000, port, b""))).into();
    net.client.send(&frames).unwrap();
    assert_eq!(net.arrived(), [80]);
    net.client.send(&[from_client(tcp(CLIENT, SERVER, 1000, 82, SYN))]).unwrap();
    assert_eq!(net.arrived(), [] as [u16; 0]);
}

fn entered_connections_are_listed_and_flushed() {
    let mut net = Net::new();
    net.load(STATEFUL);
    let v6 = |text: &str| text.parse::<IpAddr>().unwrap();
    let (a, b) = (v6("2001:db8::1"), v6("2001:db8::2"));
    let mut tuples = vec![
        tcp_tuple(),
        Tuple { proto: 17, ..tcp_tuple() },
        Tuple { proto: 1, key: Key::EchoId(77), ..tcp_tuple() },
        Tuple { proto: 58, src: a, dst: b, key: Key::EchoId(78) },
        Tuple { proto: 6, src: a, dst: b, key: Key::Ports { src: 5, dst: 6 } },
    ];
    net.conntrack.establish(&tuples).unwrap();
    let mut listed: Vec<Tuple> = net
        .conntrack
        .list()
        .unwrap()
        .into_iter()
        .inspect(|entry| assert!(entry.is_answered() && entry.reply == entry.original.reversed()))
        .map(|entry| entry.original)
        .collect();
    listed.sort();
    tuples.sort();
    assert_eq!(listed, tuples);
    assert!(net.conntrack.establish(&[tcp_tuple()]).is_err(), "it is there already");
    net.conntrack.flush().unwrap();
    assert_eq!(net.conntrack.list().unwrap(), []);
}

fn the_gateway_sends_through_its_output_hook() {
    let mut net = Net::new();
    net.load("table ip t { chain o { type filter hook output priority 0; udp dport 54 drop; }\n}");
    let raw = net.gateway.run(RawIp::open).unwrap().unwrap();
    let to = IpAddr::V4(SERVER);
    raw.send(&udp(GATEWAY_RIGHT, SERVER, 1000, 53, b""), to, None).unwrap();
    let refused = raw.send(&udp(GATEWAY_RIGHT, SERVER, 1000, 54, b""), to, None).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(1), "EPERM");
    assert_eq!(net.arrived(), [53]);
}

fn a_refused_rule_set_says_why() {
    let net = Net::new();
    let error = net.nft().load(&net.gateway, "table ip t { chain c { nonsense } }").unwrap_err();
    let NftError::Refused(text) = error else { panic!("{error}") };
    assert!(text.contains("syntax error"), "{text}");
    assert_eq!(net.nft().list(&net.gateway, &["list", "ruleset"]).unwrap(), "");
}

fn a_refused_change_is_named() {
    let mut rtnl = Rtnl::open().unwrap();
    let lo = rtnl.links().unwrap()["lo"].index;
    let address = Change::Address { link: 9999, addr: IpAddr::V4(CLIENT), prefix_len: 24 };
    let error = rtnl.apply(&[Change::Up(lo), address, Change::Up(lo)]).unwrap_err();
    assert!(matches!(error, RtnlError::Refused { .. }));
    assert_eq!(error.to_string(), "cannot apply: address 192.0.2.10/24 on interface 9999");
    // The socket is usable afterwards.
    rtnl.apply(&[Change::Up(lo)]).unwrap();
}

fn neighbours_in_bulk() {
    let netns = Netns::create().unwrap();
    let end = |name: &str, last| VethEnd { name: name.into(), mac: [2, 0, 0, 0, 1, last], netns: netns.as_fd() };
    let mut rtnl = netns.run(Rtnl::open).unwrap().unwrap();
    rtnl.apply(&[Change::Veth(end("a", 1), end("b", 2))]).unwrap();
    let link = rtnl.links().unwrap()["a"].index;
    let mut changes = vec![Change::Up(link)];
    for n in 0..700u16 {
        let [high, low] = n.to_be_bytes();
        let mac = [2, 0, 0, 1, high, low];
        changes.push(Change::Neighbour { link, addr: format!("10.0.{high}.{low}").parse().unwrap(), mac });
        changes.push(Change::Neighbour { link, addr: format!("2001:db8::{n:x}").parse().unwrap(), mac });
    }
    rtnl.apply(&changes).unwrap();
    let arp = netns.run(|| std::fs::read_to_string("/proc/thread-self/net/arp")).unwrap().unwrap();
    assert_eq!(arp.lines().count(), 701);
    assert!(arp.contains("10.0.2.187"), "{arp}");
}

fn vlan_support_is_found_out_and_cleaned_up() {
    let netns = Netns::create().unwrap();
    let mut rtnl = netns.run(Rtnl::open).unwrap().unwrap();
    let found = rtnl.has_vlan(netns.as_fd()).unwrap();
    println!("8021q: {}", if found { "here" } else { "not in this kernel" });
    assert_eq!(rtnl.links().unwrap().keys().filter(|name| name.starts_with("sw-")).count(), 0);
    assert_eq!(found, rtnl.has_vlan(netns.as_fd()).unwrap());
}

fn inode_of_own_namespace() -> std::path::PathBuf {
    std::fs::read_link("/proc/thread-self/ns/net").unwrap()
}

fn namespaces_leave_us_where_we_were() {
    let before = inode_of_own_namespace();
    let netns = Netns::create().unwrap();
    assert_eq!(inode_of_own_namespace(), before);
    let inside = netns.run(inode_of_own_namespace).unwrap();
    assert_ne!(inside, before);
    assert_eq!(inode_of_own_namespace(), before);
    let caught = std::panic::catch_unwind(|| netns.run(|| std::panic::resume_unwind(Box::new(()))));
    assert!(caught.is_err());
    assert_eq!(inode_of_own_namespace(), before);
}

fn settings_stay_in_their_namespace() {
    let (one, other) = (Netns::create().unwrap(), Netns::create().unwrap());
    let key = "net/ipv4/ip_forward";
    one.run(|| sysctl::set(key, "1")).unwrap().unwrap();
    assert_eq!(one.run(|| sysctl::get(key)).unwrap().as_deref(), Some("1"));
    assert_eq!(other.run(|| sysctl::get(key)).unwrap().as_deref(), Some("0"));
    assert!(!sysctl::set_if_present("net/ipv4/no_such_thing", "1").unwrap());
    let error = sysctl::set("net/ipv4/no_such_thing", "1").unwrap_err();
    assert_eq!(error.to_string(), "cannot set net/ipv4/no_such_thing to 1");
}

fn commands_run_in_a_namespace() {
    let netns = Netns::create().unwrap();
    let inside = netns.run(inode_of_own_namespace).unwrap();
    let script = "test \"$(readlink /proc/self/ns/net)\" = \"$EXPECTED\" || exit 1; exit 42";
    let args: Vec<OsString> = vec!["-c".into(), script.into()];
    let env = [("EXPECTED", inside.to_str().unwrap())];
    let shell = Interactive::start(&netns, OsStr::new("sh"), &args, &env).unwrap();
    assert_eq!(shell.wait().unwrap(), 42);
    let killed = Interactive::start(&netns, OsStr::new("sh"), &["-c".into(), "kill -9 $$".into()], &[]).unwrap();
    assert_eq!(killed.wait().unwrap(), 137);
    assert!(Interactive::start(&netns, OsStr::new("no-such-program"), &[], &[]).is_err());
}

/// A copy of this test binary starts a child and is killed; the child must go too.
#[allow(clippy::zombie_processes)] // that is what it tests
fn children_die_with_us() {
    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::waitpid;
    use nix::unistd::{ForkResult, Pid, fork, pipe, read, write};
    let netns = Netns::create().unwrap();
    let (reader, writer) = pipe().unwrap();
    // SAFETY of the test: one thread, so the child may do anything.
    #[allow(unsafe_code)]
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            #[expect(clippy::zombie_processes, reason = "this process is killed before its child")]
            let child = exec::spawn(&netns, Command::new("sleep").arg("600")).unwrap();
            write(&writer, &child.id().to_ne_bytes()).unwrap();
            loop {
                nix::unistd::pause();
            }
        }
        ForkResult::Parent { child } => {
            let mut id = [0; 4];
            assert_eq!(read(&reader, &mut id).unwrap(), 4);
            let grandchild = Pid::from_raw(i32::from_ne_bytes(id));
            assert!(kill(grandchild, None).is_ok());
            kill(child, Signal::SIGKILL).unwrap();
            waitpid(child, None).unwrap();
            let stat = format!("/proc/{grandchild}/stat");
            for _ in 0..500 {
                // Gone, or a zombie that nobody has collected yet.
                match std::fs::read_to_string(&stat) {
                    Ok(text) if !text.contains(") Z ") => {
                        std::thread::sleep(std::time::Duration::from_millis(10));
                    }
                    _ => return,
                }
            }
            panic!("the child lives on");
        }
    }
}

fn threads_are_refused() {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || stopped.recv());
    let refused = userns::enter();
    drop(stop);
    let _ = thread.join();
    let Err(UsernsError::Threads(2)) = refused else { panic!("{refused:?}") };
}

fn a_text_is_read_in_a_namespace_of_its_own() {
    let nft = Nft::find().unwrap();
    let json = match nft.read_text("table ip read_text {\n chain c {\n  tcp dport 22 accept\n }\n}\n") {
        // No namespaces here: the cases behind this one say so, too.
        Err(NftError::Run(_)) => return,
        other => other.unwrap(),
    };
    assert!(json.contains(r#""name": "read_text""#) && json.contains(r#""right": 22"#), "{json}");
    assert!(!nft.read_text("").unwrap().contains("read_text"));
    let error = nft.read_text("table ip t { chain c { nonsense } }").unwrap_err();
    assert!(matches!(error, NftError::Refused(_)), "{error}");
}
