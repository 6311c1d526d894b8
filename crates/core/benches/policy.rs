//! What each stage costs on generated policies: each segment reaches ten others on three services, management all.

// The macro of criterion makes a public function without a word.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::civil::date;
use jiff::tz::TimeZone;
use segwall_core::analysis::{check, matrix};
use segwall_core::policy::{Context, Policy, load};
use segwall_core::ruleset::{At, Ruleset, lower};
use segwall_core::source::Source;
use segwall_core::testing::scale_policy;
use segwall_packetset::{Flow, Header, InterfaceId, Place, proto};

const SIZES: [usize; 3] = [5, 1_000, 10_000];

fn noon() -> At {
    At::Instant("2026-11-25T12:00:00Z".parse().expect("a constant"))
}

fn read(source: &Source) -> Policy {
    let context = Context { today: date(2026, 11, 25), timezone: TimeZone::UTC };
    let loaded = load(source, &context);
    loaded.policy.unwrap_or_else(|| panic!("the generated policy is sound: {:#?}", loaded.diagnostics.first()))
}

/// A flow between two segments: accepted by a rule, and one that nobody names.
fn flows(ruleset: &Ruleset) -> [Flow; 2] {
    let count = u32::try_from(ruleset.interfaces.len()).expect("fewer than four billion") - 1;
    let middle = (count / 2).max(1);
    let between = |from: u32, to: u32| {
        let host = |at: u32| ruleset.interface(InterfaceId(at)).networks[0].nth(10).expect("256 addresses");
        Flow {
            input: Place::Interface(InterfaceId(from)),
            output: Place::Interface(InterfaceId(to)),
            proto: proto::TCP,
            src: host(from),
            dst: host(to),
            header: Header::Ports { sport: 40_000, dport: 443 },
            sent: None,
        }
    };
    [between(middle, middle + 1), between(middle, 0)]
}

fn stages(criterion: &mut Criterion) {
    for size in SIZES {
        let source = Source::new("scale.toml", scale_policy(size));
        let policy = read(&source);
        let ruleset = lower(&policy, &source, &TimeZone::UTC);
        let mut group = criterion.benchmark_group("policy");
        group.sample_size(10);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("parse", size), |bench| bench.iter(|| read(black_box(&source))));
        group.bench_function(BenchmarkId::new("lower", size), |bench| {
            bench.iter(|| lower(black_box(&policy), &source, &TimeZone::UTC));
        });
        group.bench_function(BenchmarkId::new("check", size), |bench| {
            bench.iter(|| check(black_box(&policy), &ruleset, noon()));
        });
        group.bench_function(BenchmarkId::new("matrix", size), |bench| {
            bench.iter(|| matrix(black_box(&policy), &ruleset, noon()));
        });
        group.finish();
        let mut group = criterion.benchmark_group("eval");
        for (word, flow) in ["accepted", "unnamed"].into_iter().zip(flows(&ruleset)) {
            group.bench_function(BenchmarkId::new(word, size), |bench| {
                bench.iter(|| ruleset.eval(black_box(&flow), noon()));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, stages);
criterion_main!(benches);
