//! First packets of connections, at the edges of what a generated save file names.

use segwall_core::netfilter::{Hook, Program, TableFamily, read_iptables_save};
use segwall_core::source::Source;
use segwall_core::testing::Seeded;
use segwall_packetset::{Field, Point, interface, proto};

/// MAC addresses that a generated file can name, and one that it cannot.
pub const MACS: u64 = 201;
const MAC: u128 = 0x0016_3e00_0000;
const SYN: u128 = 0x02;
const UNICAST: u128 = 1;

pub fn read(text: &str) -> Program {
    let program = read_iptables_save(&Source::new("rules.v4", text), TableFamily::Ip);
    assert_eq!(program.notes, [], "{text}");
    program
}

/// Addresses that a file names, with those beside them.
pub fn edges(text: &str) -> Vec<u128> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut list = vec![0, 0x0a00_0001, u128::from(u32::MAX)];
    for pair in words.windows(2).filter(|pair| matches!(pair[0], "-s" | "-d")) {
        let range: segwall_packetset::AddrRange = pair[1].parse().expect("a network");
        let number = |addr: std::net::IpAddr| match addr {
            std::net::IpAddr::V4(addr) => u128::from(u32::from(addr)),
            std::net::IpAddr::V6(addr) => u128::from(addr),
        };
        let (first, last) = (number(range.first()), number(range.last()));
        list.extend([first - 1, first, last, last + 1]);
    }
    list.sort_unstable();
    list.dedup();
    list
}

fn eth(number: u64) -> u128 {
    interface(&format!("eth{number}")).expect("a name")
}

/// A first packet of a TCP connection to a port, at a hook.
pub fn opening(choices: &mut Seeded, hook: Hook, edges: &[u128], port: u128) -> Point {
    let addr = |choices: &mut Seeded| edges[usize::try_from(choices.below(edges.len() as u64)).unwrap()];
    let (src, dst) = (addr(choices), addr(choices));
    let point = Point::default()
        .with(Field::Proto, u128::from(proto::TCP))
        .with(Field::Flags, SYN)
        .with(Field::Src, src)
        .with(Field::Dst, dst)
        .with(Field::Sport, [1, 1023, 1024, 40_000][usize::try_from(choices.below(4)).unwrap()])
        .with(Field::Dport, port)
        .with(Field::SrcType, UNICAST)
        .with(Field::DstType, UNICAST)
        .with(Field::Hops, 64);
    let (input, output) = (eth(choices.below(9)), eth(choices.below(9)));
    match hook {
        Hook::Forward => point.with(Field::In, input).with(Field::Out, output),
        Hook::Input => point.with(Field::In, input),
        Hook::Output => point.with(Field::Out, output),
        other => panic!("{other:?}"),
    }
}

/// The same packet with another MAC address.
pub fn with_mac(point: &Point, number: u64) -> Point {
    point.with(Field::Mac, MAC + u128::from(number))
}
