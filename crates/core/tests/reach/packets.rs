//! First packets of connections, at the edges of what a generated save file names.

use segwall_core::netfilter::{Hook, Program, TableFamily, read_iptables_save};
use segwall_core::source::Source;
use segwall_core::testing::Seeded;
use segwall_packetset::{Field, Point, interface, proto};

/// Ports that a generated file can name.
pub const PORTS: [u128; 18] =
    [22, 25, 53, 80, 110, 123, 143, 161, 389, 443, 445, 514, 587, 993, 3306, 3389, 5432, 8080];
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

/// What one rule of a file asks for.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    src: Option<(u128, u128)>,
    dst: Option<(u128, u128)>,
    input: Option<u128>,
    port: Option<u128>,
}

/// What a file's rules ask for, and addresses beside.
#[derive(Debug)]
pub struct Edges {
    rules: Vec<Asked>,
    addresses: Vec<u128>,
}

pub fn edges(text: &str) -> Edges {
    let network = |word: &str| {
        let range: segwall_packetset::AddrRange = word.parse().expect("a network");
        let number = |addr: std::net::IpAddr| match addr {
            std::net::IpAddr::V4(addr) => u128::from(u32::from(addr)),
            std::net::IpAddr::V6(addr) => u128::from(addr),
        };
        (number(range.first()), number(range.last()))
    };
    let mut edges = Edges { rules: Vec::new(), addresses: vec![0, 0x0a00_0001, u128::from(u32::MAX)] };
    let other = |line: &str| line.contains("-p udp") || line.contains("-p icmp");
    for line in text.lines().filter(|line| line.starts_with("-A") && !other(line)) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut asked = Asked::default();
        for pair in words.windows(2) {
            match pair[0] {
                "-s" => asked.src = Some(network(pair[1])),
                "-d" => asked.dst = Some(network(pair[1])),
                "--dport" | "--dports" => {
                    let first = pair[1].split(',').next().expect("a part");
                    asked.port = Some(first.parse().expect("a port"));
                }
                "-i" => asked.input = Some(interface(pair[1]).expect("a name")),
                _ => {}
            }
        }
        for (first, last) in asked.src.iter().chain(&asked.dst) {
            edges.addresses.extend([first - 1, *first, *last, last + 1]);
        }
        edges.rules.push(asked);
    }
    edges
}

fn eth(number: u64) -> u128 {
    interface(&format!("eth{number}")).expect("a name")
}

/// A first packet of a TCP connection at a hook: mostly one that some rule asks for, to its port or else to this one.
pub fn opening(choices: &mut Seeded, hook: Hook, edges: &Edges, port: u128) -> Point {
    let rule = edges.rules[usize::try_from(choices.below(edges.rules.len() as u64)).unwrap()];
    let mut addr = |range: Option<(u128, u128)>| match range {
        Some((first, last)) if choices.below(8) > 0 => [first, last][usize::try_from(choices.below(2)).unwrap()],
        _ => edges.addresses[usize::try_from(choices.below(edges.addresses.len() as u64)).unwrap()],
    };
    let (src, dst) = (addr(rule.src), addr(rule.dst));
    let point = Point::default()
        .with(Field::Proto, u128::from(proto::TCP))
        .with(Field::Flags, SYN)
        .with(Field::Src, src)
        .with(Field::Dst, dst)
        .with(Field::Sport, [1, 1023, 1024, 40_000][usize::try_from(choices.below(4)).unwrap()])
        .with(Field::Dport, rule.port.unwrap_or(port))
        .with(Field::SrcType, UNICAST)
        .with(Field::DstType, UNICAST)
        .with(Field::Hops, 64);
    let (any, output) = (eth(choices.below(9)), eth(choices.below(9)));
    let input = rule.input.unwrap_or(any);
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
