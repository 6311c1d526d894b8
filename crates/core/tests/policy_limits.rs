//! Files that nobody writes by hand: each gives a clear error or a policy, within a second, and never a panic.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use segwall_core::policy::{Context, Loaded, codes, load};
use segwall_core::source::Source;

fn loaded(text: String) -> (Source, Loaded) {
    let context = Context { today: jiff::civil::date(2026, 11, 22), timezone: jiff::tz::TimeZone::UTC };
    let source = Source::new("big.toml", text);
    let loaded = load(&source, &context);
    (source, loaded)
}

/// Generous: the machine that runs the tests may be busy, and the build may not be optimised.
const PATIENCE: Duration = Duration::from_secs(5);

fn timed(text: String) -> Loaded {
    let start = Instant::now();
    let found = loaded(text).1;
    assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
    found
}

#[test]
fn deep_nesting_is_one_clear_error() {
    let count = 1_000_000;
    let cases = [
        format!("x = {}", "[".repeat(count)),
        format!("x = {}{}", "[".repeat(count), "]".repeat(count)),
        "[".repeat(count),
        "[\n".repeat(count),
        format!("x = {}", "{ a = ".repeat(count)),
        format!("x = {}1{}", "{ a = ".repeat(count), " }".repeat(count)),
        format!("{}a = 1", "a.".repeat(count)),
        format!("[{}a]", "a.".repeat(count)),
        format!("x = {{ {}a = 1 }}", "a . ".repeat(count)),
    ];
    for case in cases {
        let found = timed(case);
        assert!(found.policy.is_none());
        assert_eq!(found.diagnostics.len(), 1, "{:?}", &found.diagnostics[..2]);
        assert_eq!(found.diagnostics[0].code, codes::TOO_DEEP);
    }
}

#[test]
fn noise_is_refused_quickly() {
    for noise in ["]", "=", "\"", "'", "a\n", "a=\n", "[a\n", "[a]\n", "a=[\n", "a={\n", "\u{1}", "\\", "$ ", "\r", "é"]
    {
        let found = timed(noise.repeat(200_000));
        assert!(found.policy.is_none(), "{noise:?}");
        assert!(!found.diagnostics.is_empty(), "{noise:?}");
    }
}

#[test]
fn many_faults_are_all_found_in_little_time() {
    let mut text = "[segments.lan]\ninterface = \"eth1\"\nsubnets = [\"10.0.0.0/8\"]\n".to_owned();
    for number in 0..20_000 {
        writeln!(text, "[[accept]]\nfrom = \"lan{number}\"\nto = \"lan\"").expect("a string takes all");
    }
    let found = timed(text);
    assert_eq!(found.diagnostics.len(), 20_000);
}

#[test]
fn groups_in_groups_do_not_fill_the_memory() {
    let mut text = "[segments.lan]\ninterface = \"eth1\"\nsubnets = [\"10.0.0.0/8\"]\n".to_owned();
    for number in 0..3_000 {
        writeln!(text, "[hosts.h{number}]\naddress = \"10.0.{}.{}\"", 1 + number / 200, 1 + number % 200)
            .expect("a string takes all");
    }
    text.push_str("[groups]\ng0 = [\"h0\"]\n");
    for number in 1..3_000 {
        writeln!(text, "g{number} = [\"g{}\", \"h{number}\", \"g{}\"]", number - 1, number - 1)
            .expect("a string takes all");
    }
    let found = timed(text);
    assert_eq!(found.diagnostics.len(), 1, "{:?}", found.diagnostics.iter().take(3).collect::<Vec<_>>());
    assert_eq!(found.diagnostics[0].code, codes::TOO_MANY_ENDS);
}

#[test]
fn a_large_network_is_checked_in_linear_time() {
    let build = |count: usize| {
        let mut text =
            "[gateway]\ntrunk = \"eth0\"\n[uplinks.wan]\ninterface = \"eth1\"\naddresses = [\"dhcp\"]\n".to_owned();
        for number in 0..count {
            let (trunk, vlan) = (number / 4000, number % 4000 + 1);
            writeln!(
                text,
                "[segments.s{number}]\nvlan = {vlan}\ntrunk = \"t{trunk}\"\nsubnets = [\"10.{}.{}.0/24\"]\n\
                 dhcp = {{ pool = \"10.{}.{}.100-10.{}.{}.200\", dns = [\"gateway\"] }}",
                number / 256,
                number % 256,
                number / 256,
                number % 256,
                number / 256,
                number % 256,
            )
            .expect("a string takes all");
        }
        for number in 0..count {
            let to: Vec<String> = (1..=10).map(|step| format!("\"s{}\"", (number + step) % count)).collect();
            writeln!(
                text,
                "[[accept]]\nfrom = \"s{number}\"\nto = [{}]\nservice = [\"http\", \"https\", \"tcp/8000-8010\"]",
                to.join(", ")
            )
            .expect("a string takes all");
        }
        text.push_str("[[accept]]\nfrom = \"s0\"\nto = \"segments\"\n");
        text
    };
    let time = |count: usize| {
        let text = build(count);
        let start = Instant::now();
        let (_, found) = loaded(text);
        assert!(found.policy.is_some(), "{:?}", found.diagnostics.first());
        start.elapsed()
    };
    time(100);
    let (small, large) = (time(1_000), time(10_000));
    eprintln!("1,000 segments: {small:?}, 10,000: {large:?}");
    assert!(large < PATIENCE, "10,000 segments took {large:?}");
}
