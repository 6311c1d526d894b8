//! Points as packets: which there are, and which ones people are shown.

use proptest::prelude::*;
use segwall_packetset::{Cube, Field, Point, Set, Space, interface, interface_text, interfaces_starting_with, proto};

use crate::cases;

/// What [`Space::wellformed`] promises, said of one packet.
fn is_packet(point: &Point) -> bool {
    let zero = |field| point.get(field) == 0;
    let is_v4 = point.get(Field::Family) == 0;
    let protocol = u8::try_from(point.get(Field::Proto)).expect("within the domain");
    let has_ports = proto::has_ports(protocol);
    let is_icmp = protocol == if is_v4 { proto::ICMP } else { proto::ICMPV6 };
    let is_translated = !zero(Field::Translated);
    let has_connection = point.get(Field::State) <= 2;
    (!is_v4 || [Field::Src, Field::Dst, Field::SentDst].iter().all(|field| point.get(*field) >> 32 == 0))
        && (has_ports || [Field::Sport, Field::Dport, Field::SentDport].into_iter().all(zero))
        && (is_icmp || zero(Field::IcmpType) && zero(Field::IcmpCode))
        && (protocol == proto::TCP || zero(Field::Flags))
        && (is_translated || zero(Field::SentDst) && zero(Field::SentDport))
        && (!is_translated || has_connection)
}

/// Mostly 0, so that packets are not rare.
fn field_value(field: Field) -> BoxedStrategy<u128> {
    let max = field.max();
    match field {
        Field::Family | Field::Translated => (0..=1u128).boxed(),
        Field::State => (0..=4u128).boxed(),
        Field::Proto => {
            prop_oneof![4 => prop::sample::select(vec![1, 6, 17, 33, 58, 132, 136]), 1 => 0..=255u128].boxed()
        }
        Field::Src | Field::Dst | Field::SentDst => {
            prop_oneof![6 => Just(0), 1 => Just((1 << 32) - 1), 1 => Just(1 << 32), 1 => 0..=max].boxed()
        }
        _ => prop_oneof![9 => Just(0), 1 => 0..=max, 1 => Just(max)].boxed(),
    }
}

fn points() -> impl Strategy<Value = Point> {
    Field::ALL.map(field_value).to_vec().prop_map(|values| {
        Field::ALL.into_iter().zip(values).fold(Point::default(), |point, (field, value)| point.with(field, value))
    })
}

proptest! {
    #![proptest_config(cases(2_000, 20_000))]

    #[test]
    fn packets_are_told_from_what_is_none(point in points()) {
        let mut space = Space::default();
        let packets = space.wellformed().expect("small");
        prop_assert_eq!(space.contains(packets, &point), is_packet(&point));
    }
}

#[test]
fn wellformed_is_asked_once_and_is_small() {
    let mut space = Space::default();
    let packets = space.wellformed().expect("small");
    let nodes = space.nodes();
    assert_eq!(space.wellformed(), Ok(packets));
    assert_eq!(space.nodes(), nodes);
    assert!(nodes < 1_000, "{nodes}");
}

#[test]
fn a_witness_names_an_interface_where_one_can_be_named() {
    let mut space = Space::default();
    let named = |name: &str| interface(name).expect("short");
    let known: Vec<Set> = ["eth0", "eth1", "lo"]
        .iter()
        .map(|name| space.range(Field::In, named(name), named(name)).expect("small"))
        .collect();
    let none = space.range(Field::In, 0, 0).expect("small");
    let known = space.union_all(&[known, vec![none]].concat()).expect("small");
    let unknown = space.complement(known).expect("small");
    let name = |space: &Space, set| interface_text(space.witness(set).expect("not empty").get(Field::In));
    assert_eq!(name(&space, unknown).as_deref(), Some("0"));

    let (first, last) = interfaces_starting_with("eth").expect("short");
    let eth = space.range(Field::In, first, last).expect("small");
    let others = space.minus(eth, known).expect("small");
    let only_above = space.range(Field::In, named("eth0") + 1, u128::MAX).expect("small");
    let above = space.intersect(others, only_above).expect("small");
    assert_eq!(name(&space, above).as_deref(), Some("eth00"));

    // The first interval has no name inside: 16 bytes. The second has.
    let long = named("abcdefghijklmnn");
    let set = space.ranges(Field::In, &[(long + 1, long + 5), (named("b"), named("b"))]).expect("small");
    assert_eq!(name(&space, set).as_deref(), Some("b"));
    let unnamed = space.range(Field::In, long + 1, long + 5).expect("small");
    assert_eq!(space.witness(unnamed).map(|point| point.get(Field::In)), Some(long + 1));
}

/// A forward of port 8080 of one address to port 80 of another: what arrives in a set, asked backwards.
#[test]
fn what_a_port_forward_sends_into_a_set() {
    let mut space = Space::default();
    let (outside, inside) = (0xc000_0201, 0x0a00_0005);
    let delivered = Cube::all()
        .with(Field::Family, 0, 0)
        .with(Field::Proto, 6, 6)
        .with(Field::Dst, inside, inside)
        .with(Field::Dport, 80, 80)
        .with(Field::Translated, 1, 1)
        .with(Field::SentDst, outside, outside)
        .with(Field::SentDport, 8000, 8999);
    let accepted = space.cube(&delivered).expect("small");
    let fixed = [(Field::Dst, inside), (Field::Dport, 80), (Field::Translated, 1)];
    let before =
        fixed.into_iter().try_fold(accepted, |set, (field, value)| space.restrict(set, field, value)).expect("small");
    let before = space.substitute(before, Field::SentDst, Field::Dst).expect("small");
    let before = space.substitute(before, Field::SentDport, Field::Dport).expect("small");
    let sent = Cube::all().with(Field::Family, 0, 0).with(Field::Proto, 6, 6).with(Field::Dst, outside, outside).with(
        Field::Dport,
        8000,
        8999,
    );
    assert_eq!(space.cube(&sent), Ok(before));
}

#[test]
fn sets_move_to_another_space() {
    let mut old = Space::default();
    let packets = old.wellformed().expect("small");
    for port in 0..2_000u128 {
        old.cube(&Cube::all().with(Field::Sport, port, port + 9).with(Field::Mark, port, port)).expect("fits");
    }
    let web = old.ranges(Field::Dport, &[(80, 80), (443, 443)]).expect("small");
    let web = old.intersect(packets, web).expect("small");
    let mut fresh = Space::default();
    let moved = fresh.import(&old, &[packets, web, Set::ALL, Set::EMPTY]).expect("fits");
    assert!(fresh.nodes() < old.nodes() / 2);
    assert_eq!(moved[2..], [Set::ALL, Set::EMPTY]);
    assert_eq!(fresh.wellformed(), Ok(moved[0]));
    let again = fresh.ranges(Field::Dport, &[(80, 80), (443, 443)]).expect("small");
    assert_eq!(fresh.intersect(moved[0], again), Ok(moved[1]));
    assert!(Space::new(10).import(&old, &[packets]).is_err());
}
