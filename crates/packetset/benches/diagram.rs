//! Many boxes made one set: by the sweep, and pair by pair.

// The macro of criterion makes a public function without a word.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use segwall_packetset::{Cube, Field, Set, Space, interface};

const SEGMENTS: u128 = 1_000;
/// Segments that each one reaches, and services on each: 29,970 boxes in all, less what is for the segment itself.
const NEIGHBOURS: u128 = 10;
const SERVICES: [(u128, u128, u128); 3] = [(6, 22, 22), (6, 443, 443), (17, 5000, 5010)];

fn name(segment: u128) -> u128 {
    interface(&format!("vlan{segment}")).expect("short")
}

fn pairs() -> impl Iterator<Item = (u128, u128)> {
    (0..SEGMENTS).flat_map(|from| (1..=NEIGHBOURS).map(move |step| (from, (from + step * step * 7) % SEGMENTS)))
}

fn service(cube: Cube, (proto, first, last): (u128, u128, u128)) -> Cube {
    cube.with(Field::Proto, proto, proto).with(Field::Dport, first, last)
}

/// From segment to segment: interfaces, protocol, port.
fn by_interface() -> Vec<Cube> {
    let cube = |from, to| Cube::all().with(Field::In, name(from), name(from)).with(Field::Out, name(to), name(to));
    pairs().flat_map(|(from, to)| SERVICES.map(|wanted| service(cube(from, to), wanted))).collect()
}

/// From network to network, each port of its own: nothing is shared.
fn by_address() -> Vec<Cube> {
    let net = |field, cube: Cube, at: u128| cube.with(field, 0x0a00_0000 + (at << 8), 0x0a00_00ff + (at << 8));
    let cube = |from, to| net(Field::Dst, net(Field::Src, Cube::all().with(Field::Family, 0, 0), from), to);
    pairs()
        .enumerate()
        .flat_map(|(at, (from, to))| {
            [0, 1, 2].map(|port| {
                let port = 1024 + (at as u128 * 3 + port) % 60_000;
                service(cube(from, to), (6, port, port))
            })
        })
        .collect()
}

/// Hosts, networks around them and larger ones around those, from ten interfaces: ranges inside ranges.
fn nested() -> Vec<Cube> {
    (0..30_000u128)
        .map(|at| {
            let spread = (at * 0x9e37_79b9) >> 8;
            let bits = match at % 100 {
                0 => 16,
                1..20 => 8,
                _ => 0,
            };
            let first = (0x0a00_0000 + spread % (1 << 24)) & !((1 << bits) - 1);
            let cube = Cube::all().with(Field::In, name(spread % 10), name(spread % 10));
            let port = spread % 977;
            service(cube.with(Field::Src, first, first + (1 << bits) - 1), (6, port, port))
        })
        .collect()
}

fn report(what: &str, cubes: &[Cube]) {
    let mut space = Space::default();
    let set = space.cubes(cubes).expect("fits");
    let (nodes, edges, size) = (space.nodes(), space.edges(), space.size(set));
    println!("{what}: {} boxes, the set has {size} nodes, the space {nodes} nodes and {edges} edges", cubes.len());
}

fn pairwise(space: &mut Space, cubes: &[Cube]) -> Set {
    let sets: Vec<Set> = cubes.iter().map(|cube| space.cube(cube).expect("fits")).collect();
    space.union_all(&sets).expect("fits")
}

fn sweep(c: &mut Criterion) {
    for (what, cubes) in [("interfaces", by_interface()), ("addresses", by_address()), ("nested", nested())] {
        report(what, &cubes);
        let mut group = c.benchmark_group(what);
        group.sample_size(10);
        group.bench_function("sweep", |b| {
            b.iter(|| Space::default().cubes(black_box(&cubes)).expect("fits"));
        });
        group.bench_function("balanced pairs", |b| {
            b.iter(|| pairwise(&mut Space::default(), black_box(&cubes)));
        });
        group.bench_function("one after another, a tenth", |b| {
            b.iter(|| {
                let mut space = Space::default();
                cubes.iter().take(cubes.len() / 10).fold(Set::EMPTY, |all, cube| {
                    let set = space.cube(cube).expect("fits");
                    space.union(all, set).expect("fits")
                })
            });
        });
        group.finish();
    }
}

criterion_group!(benches, sweep);
criterion_main!(benches);
