//! A disk that is full, and then not: nobody waits, what is lost is counted and said, and it goes on by itself.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount, umount};
use segwall_watch::At;
use segwall_watch::live::now;
use segwall_watch::store::read::{Period, Reader};
use segwall_watch::store::{Options, Store};

use crate::flow;
use crate::harness::Case;

pub const ALL: &[Case] = &[("disk_is_full_and_then_not", filled), ("disk_is_full_from_the_start", full_at_first)];

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn disk(dir: &Path, size: &str) {
    mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), Some(format!("size={size}").as_str())).unwrap();
}

/// Leaves so many bytes, which a store of ours does not need to be there.
fn fill(path: &Path) {
    let piece = vec![0; 4_096];
    let mut file = fs::File::create(path).unwrap();
    while std::io::Write::write_all(&mut file, &piece).is_ok() {}
}

fn options(dir: &Path) -> Options {
    Options {
        every: Duration::from_millis(50),
        linger: Duration::ZERO,
        waiting_max: 5_000,
        pending_max: 20_000,
        ..Options::new(dir)
    }
}

fn stored(dir: &Path) -> u64 {
    let (mut count, period) = (0, Period { since: At(i64::MIN), until: At(i64::MAX) });
    Reader::open(dir).unwrap().flows(period, |_| true, |_| count += 1).unwrap();
    count
}

fn filled() {
    let dir = tempfile::tempdir().unwrap();
    disk(dir.path(), "12m");
    let place = dir.path().join("store");
    let store = Store::start(options(&place)).unwrap();
    let mut given = 0;
    let mut longest = Duration::ZERO;
    let mut give = |store: &Store, count: u64| {
        for _ in 0..count {
            let begun = Instant::now();
            store.flow(flow(given, now()));
            longest = longest.max(begun.elapsed());
            given += 1;
        }
        given
    };
    give(&store, 1_000);
    wait_for("the first", || store.numbers().flows == 1_000);
    fill(&dir.path().join("ballast"));
    // More than memory takes.
    for _ in 0..20 {
        give(&store, 1_000);
        thread::sleep(Duration::from_millis(30));
    }
    wait_for("the loss", || store.numbers().lost > 0 && store.ill().is_some());
    let ill = store.ill().unwrap();
    assert!(ill.contains("store.db") && ill.contains("full"), "{ill}");
    let said = store.sentences();
    assert_eq!(said.len(), 1, "once: {said:?}");
    assert!(said[0].contains("make room, it is tried again"), "{said:?}");
    fs::remove_file(dir.path().join("ballast")).unwrap();
    wait_for("it to be well", || store.ill().is_none() && store.numbers().waiting == 0);
    let said = store.sentences();
    assert!(said.len() == 1 && said[0].contains("can be stored again"), "{said:?}");
    let given = give(&store, 1_000);
    wait_for("the last", || store.numbers().flows + store.numbers().lost == given);
    let numbers = store.stop(Duration::from_secs(10));
    assert_eq!(numbers.flows + numbers.lost, given, "each is stored or counted: {numbers:?}");
    assert_eq!(stored(&place), numbers.flows);
    println!(
        "    {given} flows: {} stored, {} counted as lost; the longest hand-over took {longest:?}",
        numbers.flows, numbers.lost
    );
    // A machine that is busy takes the core away for a while; a wait for the disk would be for as long as it is full.
    assert!(longest < Duration::from_millis(500), "{longest:?}");
    umount(dir.path()).unwrap();
}

fn full_at_first() {
    let dir = tempfile::tempdir().unwrap();
    disk(dir.path(), "4m");
    fill(&dir.path().join("ballast"));
    let place = dir.path().join("store");
    let store = Store::start(options(&place)).unwrap();
    (0..100).for_each(|number| store.flow(flow(number, now())));
    wait_for("it to be ill", || store.ill().is_some());
    fs::remove_file(dir.path().join("ballast")).unwrap();
    wait_for("all to be stored", || store.numbers().flows == 100);
    assert_eq!((store.numbers().lost, store.ill()), (0, None));
    store.stop(Duration::from_secs(10));
    assert_eq!(stored(&place), 100);
    umount(dir.path()).unwrap();
}
