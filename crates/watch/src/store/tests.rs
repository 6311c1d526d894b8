//! The store as a whole, in a directory of its own.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::thread;

use proptest::prelude::*;
use segwall_packetset::{Header, proto};

use super::read::{Period, Reader, Subject};
use super::rollup::{Key, Rollups, Sort, Step, Sums};
use super::*;
use crate::event::{Answer, Iface, Volume};
use crate::network::Zone;

const HOUR_S: i64 = 3_600;
const ALWAYS: Period = Period { since: At(i64::MIN), until: At(i64::MAX) };
/// 2026-11-25, 12:00 UTC.
const NOON_S: i64 = 1_795_608_000;

fn flow(number: u32, at: At) -> Flow {
    let src = match number % 3 {
        0 => IpAddr::V6(Ipv6Addr::from(0xfd00_u128 << 112 | u128::from(number))),
        _ => IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number)),
    };
    let (proto, header) = match number % 4 {
        0 => (proto::ICMP, Header::Icmp { kind: 8, code: 0 }),
        1 => (47, Header::Other),
        _ => (proto::TCP, Header::Ports { sport: 40_000, dport: 443 }),
    };
    Flow {
        ended: at,
        began: number.is_multiple_of(2).then_some(At(at.0 - 5_000_000)),
        from: "guest".to_owned(),
        to: "internet".to_owned(),
        proto,
        src,
        dst: "203.0.113.9".parse().expect("of a test"),
        header,
        server: number
            .is_multiple_of(5)
            .then(|| flow::Server { addr: "192.168.20.5".parse().expect("of a test"), port: 8_443 }),
        sent: Volume { packets: 3, bytes: u64::from(number) },
        received: Volume { packets: 2, bytes: 1_000 },
        answer: [Answer::None, Answer::Refused, Answer::Answered, Answer::Unknown][number as usize % 4],
    }
}

fn quick(dir: &Path) -> Options {
    Options { every: Duration::from_millis(20), linger: Duration::from_millis(40), ..Options::new(dir) }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn all(dir: &Path, period: Period) -> Vec<Flow> {
    let mut found = Vec::new();
    Reader::open(dir).expect("of a test").flows(period, |_| true, |flow| found.push(flow)).expect("of a test");
    found.sort_by_key(|flow| flow.sent.bytes);
    found
}

fn files(dir: &Path) -> Vec<String> {
    // Before the first start has made the directory there are none.
    let entries = fs::read_dir(dir.join("flows")).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|one| one.expect("of a test").file_name().into_string().expect("of a test")).collect();
    names.sort();
    names
}

#[test]
fn what_is_handed_over_is_found_again_in_rows_and_files() {
    let dir = tempfile::tempdir().expect("of a test");
    let store = Store::start(quick(dir.path())).expect("of a test");
    let now = crate::live::now();
    // Two hours of the past become files at once, the present stays in the database.
    let time = |number: u32| match number % 3 {
        0 => At::of_s(NOON_S + i64::from(number)),
        1 => At::of_s(NOON_S + HOUR_S),
        _ => now,
    };
    let given: Vec<Flow> = (0..300).map(|number| flow(number, time(number))).collect();
    given.iter().for_each(|flow| store.flow(flow.clone()));
    until("two files, and rows out of the database", || {
        let left = Reader::open(dir.path()).map(|reader| {
            let mut rows = 0;
            reader.follow(0, |_| rows += 1).expect("of a test");
            rows
        });
        files(dir.path()).len() == 2 && left.is_ok_and(|left| left == 100)
    });
    assert_eq!(files(dir.path()), ["2026-11-25T12-0.parquet", "2026-11-25T13-0.parquet"]);
    assert_eq!(all(dir.path(), ALWAYS), given);
    let hour = Period { since: At::of_s(NOON_S), until: At::of_s(NOON_S + 90) };
    assert_eq!(all(dir.path(), hour).len(), 30);
    let numbers = store.stop(Duration::from_secs(10));
    assert_eq!((numbers.flows, numbers.lost, numbers.errors), (300, 0, 0));
    // And after it ended.
    assert_eq!(all(dir.path(), ALWAYS), given);
}

#[test]
fn too_many_rows_become_a_file_before_their_hour_is_over() {
    let dir = tempfile::tempdir().expect("of a test");
    let store = Store::start(Options { pending_max: 500, ..quick(dir.path()) }).expect("of a test");
    for number in 0..2_000 {
        store.flow(flow(number, crate::live::now()));
        if number % 100 == 0 {
            thread::sleep(Duration::from_millis(10));
        }
    }
    until("files", || files(dir.path()).len() >= 2 && store.numbers().flows == 2_000);
    assert_eq!(all(dir.path(), ALWAYS).len(), 2_000);
    assert_eq!(store.stop(Duration::from_secs(10)).lost, 0);
    assert_eq!(all(dir.path(), ALWAYS).len(), 2_000);
}

#[test]
fn a_start_takes_away_what_is_half_and_takes_in_what_is_whole() {
    let dir = tempfile::tempdir().expect("of a test");
    let store = Store::start(quick(dir.path())).expect("of a test");
    (0..50).for_each(|number| store.flow(flow(number, At::of_s(NOON_S))));
    until("a file", || files(dir.path()) == ["2026-11-25T12-0.parquet"] && store.numbers().flows == 50);
    thread::sleep(Duration::from_millis(200));
    store.stop(Duration::from_secs(10));
    // As if it was killed between the name and the transaction, and while it wrote; and a damaged database with it.
    let connection = rusqlite::Connection::open(dir.path().join("store.db")).expect("of a test");
    connection.execute("INSERT INTO files (name, done) VALUES ('2026-11-25T12-1.parquet', 0)", []).expect("of a test");
    drop(connection);
    let flows = dir.path().join("flows");
    fs::copy(flows.join("2026-11-25T12-0.parquet"), flows.join("2026-11-25T12-1.parquet")).expect("of a test");
    fs::write(flows.join("2026-11-25T14-0.parquet-new"), "half").expect("of a test");
    fs::write(flows.join("2026-11-25T15-0.parquet"), "not a file of flows").expect("of a test");
    let store = Store::start(quick(dir.path())).expect("of a test");
    until("the start", || files(dir.path()) == ["2026-11-25T12-0.parquet", "2026-11-25T15-0.parquet"]);
    let what = "2026-11-25T15-0.parquet is passed over";
    until("what is said of it", || store.sentences().iter().any(|one| one.contains(what)));
    assert_eq!(all(dir.path(), ALWAYS).len(), 50);
    store.stop(Duration::from_secs(10));
    fs::write(dir.path().join("store.db"), "no database at all, only words".repeat(1_000)).expect("of a test");
    let store = Store::start(quick(dir.path())).expect("of a test");
    until("the words", || store.sentences().iter().any(|one| one.contains("it is damaged; it is now ")));
    until("the flows", || all(dir.path(), ALWAYS).len() == 50);
    store.flow(flow(50, crate::live::now()));
    until("the next", || store.numbers().flows == 1);
    assert_eq!(all(dir.path(), ALWAYS).len(), 51);
    store.stop(Duration::from_secs(10));
}

#[test]
fn what_is_too_much_or_too_old_goes_from_the_oldest_on() {
    let dir = tempfile::tempdir().expect("of a test");
    let (connection, _) = schema::open(dir.path(), At::of_s(NOON_S)).expect("of a test");
    fs::create_dir(dir.path().join("flows")).expect("of a test");
    let mut database = write::Database::new(connection, dir.path().join("store.db")).expect("of a test");
    for number in 0..10 {
        let name = format!("{number}.parquet");
        fs::write(dir.path().join("flows").join(&name), "x").expect("of a test");
        let last = At::of_s(NOON_S + number * HOUR_S).0;
        database
            .connection
            .execute(
                "INSERT INTO files (name, done, first, last, rows, bytes) VALUES (?1, 1, ?2, ?2, 1, 1000000)",
                rusqlite::params![name, last],
            )
            .expect("of a test");
    }
    let keep = Keep { flows: Duration::from_secs(5 * 3_600), ..Keep::default() };
    let now = At::of_s(NOON_S + 9 * HOUR_S);
    retain::tidy(&mut database, dir.path(), &keep, now, false).expect("of a test");
    assert_eq!(files(dir.path()).len(), 10, "the clock is in doubt");
    retain::tidy(&mut database, dir.path(), &keep, now, true).expect("of a test");
    assert_eq!(files(dir.path()), ["4.parquet", "5.parquet", "6.parquet", "7.parquet", "8.parquet", "9.parquet"]);
    let keep = Keep { bytes_max: 3_500_000, ..keep };
    retain::tidy(&mut database, dir.path(), &keep, now, false).expect("of a test");
    assert_eq!(files(dir.path()), ["7.parquet", "8.parquet", "9.parquet"]);
}

#[test]
fn two_do_not_write_to_one_store() {
    let dir = tempfile::tempdir().expect("of a test");
    let first = Store::start(quick(dir.path())).expect("of a test");
    until("the first", || dir.path().join("store.db").exists() && first.ill().is_none());
    let second = Store::start(quick(dir.path())).expect("of a test");
    until("the second's complaint", || {
        second.ill().is_some_and(|ill| ill.contains("another `segwall watch` writes to"))
    });
    second.stop(Duration::from_secs(10));
    first.stop(Duration::from_secs(10));
}

fn increment(src: u32, second: i64, bytes: u64) -> Increment {
    let between = Between {
        from: Zone::Interface(Iface::new(b"guest")),
        to: Zone::Internet,
        src: IpAddr::V4(Ipv4Addr::from(src)),
        dst: "203.0.113.9".parse().expect("of a test"),
        proto: proto::TCP,
        dport: 443,
    };
    let carried = Carried { ended: 1, sent: Volume { packets: 1, bytes }, received: Volume::default() };
    Increment { at: At::of_s(second), between, carried }
}

#[test]
fn the_largest_talkers_of_a_period_are_found_also_after_a_restart() {
    let dir = tempfile::tempdir().expect("of a test");
    let network = Network::unknown();
    for round in 0..2 {
        let store = Store::start(quick(dir.path())).expect("of a test");
        for second in (0..3_600).step_by(30) {
            let list = (1..=20).map(|host| increment(host, NOON_S + second, u64::from(host) * 100));
            store.traffic(&network, At::of_s(NOON_S + second), list.map(|one| (one.between, one.carried)));
            if second % 600 == 0 {
                thread::sleep(Duration::from_millis(30));
            }
        }
        store.stop(Duration::from_secs(10));
        let reader = Reader::open(dir.path()).expect("of a test");
        let times = 120 * (round + 1);
        for period in [(0, 3_600), (-60, 3_660), (-50_000, 86_400)] {
            let period = Period { since: At::of_s(NOON_S + period.0), until: At::of_s(NOON_S + period.1) };
            let top = reader.top(Sort::Talkers, period).expect("of a test");
            assert_eq!(top.len(), 21);
            // The server received all of it.
            assert_eq!(top[0].1.received.bytes, 21_000 * times);
            let addr = IpAddr::V4(Ipv4Addr::from(20));
            assert_eq!(top[1].0, Subject::Talker { zone: "guest".to_owned(), addr });
            assert_eq!((top[1].1.sent.bytes, top[1].1.flows), (2_000 * times, times));
            let pair = Subject::Pair { from: "guest".to_owned(), to: "internet".to_owned() };
            let pairs = reader.top(Sort::Pairs, period).expect("of a test");
            assert_eq!((&pairs[0].0, pairs[0].1.flows), (&pair, 20 * times));
            assert_eq!(
                reader.top(Sort::Ports, period).expect("of a test")[0].0,
                Subject::Port { proto: proto::TCP, port: 443 }
            );
        }
    }
}

#[test]
fn a_flood_of_addresses_is_bounded_and_hides_no_large_one() {
    let mut rollups = Rollups::default();
    for number in 0..200_000_u32 {
        rollups.add(0, 1, &increment(0x0a00_0000 + number, NOON_S + i64::from(number / 10_000), 40));
        if number % 100 == 0 {
            rollups.add(0, 1, &increment(7, NOON_S + i64::from(number / 10_000), 1_000_000));
        }
    }
    for bucket in rollups.buckets() {
        bucket.bound();
        assert!(bucket.rows() <= 3 * bucket.step.rows_max(), "{:?}: {}", bucket.step, bucket.rows());
        let large =
            bucket.unsaved().find(|(key, _)| *key == Key::Talker(0, IpAddr::V4(Ipv4Addr::from(7)))).expect("of a test");
        assert_eq!(large.1.sent.bytes, 2_000 * 1_000_000);
        let all: u64 =
            bucket.unsaved().filter(|(key, _)| key.sort() == Sort::Talkers).map(|(_, one)| one.sent.bytes).sum();
        assert_eq!(all, 200_000 * 40 + 2_000 * 1_000_000, "nothing is lost among the others");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever comes in which order, with commits and restarts in between: sums in the database are those of a plain count.
    #[test]
    fn sums_are_those_of_a_plain_count(
        steps in proptest::collection::vec((0_u32..3_000, 0_i64..20, 0_u64..1_000_000, 0_u8..40), 1..600)
    ) {
        let dir = tempfile::tempdir().expect("of a test");
        let (connection, _) = schema::open(dir.path(), At::of_s(NOON_S)).expect("of a test");
        let mut database = write::Database::new(connection, dir.path().join("store.db")).expect("of a test");
        let mut rollups = Rollups::default();
        let mut plain: BTreeMap<(Step, i64), Sums> = BTreeMap::new();
        let mut second = 0;
        for (src, pause, bytes, what) in steps {
            // Now and then the clock is set back or ahead.
            second += if what == 39 { 1_000 - 200 * pause } else { pause };
            let increment = increment(src, NOON_S + second, bytes);
            rollups.add(0, 1, &increment);
            for step in Step::ALL {
                let sums = plain.entry((step, step.begin(NOON_S + second))).or_default();
                sums.add(&Sums { flows: 1, sent: increment.carried.sent, received: increment.carried.received });
            }
            if what < 6 {
                database.write(&mut write::Batch::default(), &mut rollups).expect("of a test");
            }
            if what == 0 {
                rollups = Rollups::default();
            }
        }
        database.write(&mut write::Batch::default(), &mut rollups).expect("of a test");
        prop_assert_eq!(rollups.lost, 0);
        for ((step, begin), wanted) in plain {
                for sort in [0, 1, 2] {
                    let found = database.connection.query_row(
                        "SELECT sum(flows), sum(sent_packets), sum(sent_bytes), sum(received_packets), sum(received_bytes)
                         FROM sums WHERE step = ?1 AND begin = ?2 AND sort = ?3 AND (sort != 1 OR b != x'cb007109')",
                        rusqlite::params![step.seconds(), begin, sort],
                        |row| write::sums_of(row, 0),
                    ).expect("of a test");
                    prop_assert_eq!(found, wanted, "{:?} {} {}", step, begin, sort);
                }
            }
    }
}
