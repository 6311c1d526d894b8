//! The spool against a list in memory, with crashes in between; and any bytes as its files.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;

const ROOMY: u64 = 64 * 1024 * 1024;

fn text(number: u64) -> Vec<u8> {
    // Lengths differ, so that records end everywhere.
    let mut message = number.to_string().into_bytes();
    message.resize(message.len() + usize::try_from(number * 37 % 400).expect("small"), b'.');
    message
}

fn append(spool: &mut Spool, numbers: std::ops::Range<u64>) -> Result<(), SpoolError> {
    let messages: Vec<Vec<u8>> = numbers.map(text).collect();
    spool.append(messages.iter().map(Vec::as_slice))
}

/// Everything that is left, in pieces of an odd size.
fn rest(spool: &mut Spool, from: Position) -> Vec<Record> {
    let (mut at, mut all) = (from, Vec::new());
    loop {
        let records = spool.read(at, 1500);
        let Some(last) = records.last() else { return all };
        at = last.end;
        all.extend(records);
    }
}

fn messages(records: Vec<Record>) -> Vec<Vec<u8>> {
    records.into_iter().map(|record| record.message).collect()
}

#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    Deliver(usize),
    KeepPosition,
    Sync,
    /// Killed: everything that was written is there.
    Kill,
    /// Killed between writing the new position and renaming it.
    KillBeforeRename,
    /// The power went away: this many bytes of the last segment never got to the disk, and perhaps the last rename.
    PowerCut(u64, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..300_u64).prop_map(Step::Append),
        5 => (0..200_usize).prop_map(Step::Deliver),
        3 => Just(Step::KeepPosition),
        1 => Just(Step::Sync),
        2 => Just(Step::Kill),
        1 => Just(Step::KillBeforeRename),
        2 => (0..3000_u64, any::<bool>()).prop_map(|(bytes, rename)| Step::PowerCut(bytes, rename)),
    ]
}

/// What should be in the spool.
#[derive(Default)]
struct Model {
    appended: u64,
    /// Those not delivered for certain, with the place behind each.
    waiting: Vec<(Position, Vec<u8>)>,
    /// How many of them were read and delivered since the position was kept.
    delivered: usize,
    position: Option<Vec<u8>>,
    position_before: Option<Vec<u8>>,
    /// Delivered between the last two kept positions: they come again when the last rename is undone.
    before: Vec<(Position, Vec<u8>)>,
}

fn play(steps: &[Step]) {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let position_file = dir.join("position");
    let mut spool = Spool::open(dir, ROOMY).expect("it opens");
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Append(count) => {
                let end = model.waiting.last().map_or(spool.first(), |(end, _)| *end);
                append(&mut spool, model.appended..model.appended + count).expect("there is room");
                let new = rest(&mut spool, end);
                assert_eq!(new.len() as u64, *count);
                model.appended += count;
                model.waiting.extend(new.into_iter().map(|record| (record.end, record.message)));
            }
            Step::Deliver(count) => {
                let count = (*count).min(model.waiting.len() - model.delivered);
                if count > 0 {
                    model.delivered += count;
                    spool.delivered(model.waiting[model.delivered - 1].0, count as u64);
                }
            }
            Step::KeepPosition => {
                spool.keep_position().expect("there is room");
                let text = fs::read(&position_file).ok();
                if text != model.position {
                    model.before = model.waiting.drain(..model.delivered).collect();
                    model.delivered = 0;
                    model.position_before = std::mem::replace(&mut model.position, text);
                }
            }
            Step::Sync => spool.sync().expect("the disk takes it"),
            Step::Kill | Step::KillBeforeRename | Step::PowerCut(..) => {
                drop(spool);
                match step {
                    Step::KillBeforeRename => {
                        fs::write(dir.join("position.new"), "99 1234").expect("there is room");
                    }
                    Step::PowerCut(bytes, undo) => {
                        if *undo && let Some(before) = &model.position_before {
                            fs::write(&position_file, before).expect("there is room");
                            model.position.clone_from(&model.position_before);
                            // What was taken away is gone; the rest of it comes again.
                            let there: Vec<_> = model
                                .before
                                .drain(..)
                                .filter(|(end, _)| files::path(dir, end.segment).exists())
                                .collect();
                            model.waiting.splice(0..0, there);
                        }
                        cut_last(dir, *bytes, &mut model.waiting);
                    }
                    _ => {}
                }
                // Segments that were delivered whole are gone, whatever the position says.
                model.waiting.retain(|(end, _)| files::path(dir, end.segment).exists());
                model.delivered = 0;
                model.before.clear();
                model.position_before = None;
                spool = Spool::open(dir, ROOMY).expect("it opens");
                assert_eq!(spool.waiting(), model.waiting.len() as u64);
                let found: Vec<_> = rest(&mut spool, Position::default())
                    .into_iter()
                    .map(|record| (record.end, record.message))
                    .collect();
                assert!(found == model.waiting, "{} found, {} expected", found.len(), model.waiting.len());
            }
        }
        let from = model.delivered.checked_sub(1).map_or(spool.first(), |last| model.waiting[last].0);
        let expected: Vec<_> = model.waiting[model.delivered..].iter().map(|(_, message)| message.clone()).collect();
        assert!(messages(rest(&mut spool, from)) == expected, "{} expected", expected.len());
        assert_eq!(spool.waiting(), expected.len() as u64);
    }
    let lost = spool.lost();
    assert_eq!((lost.dropped, lost.unwritten, lost.unreadable, lost.damaged_bytes), (0, 0, 0, 0));
}

/// Cuts the end of the newest segment, and takes what was there from the model.
fn cut_last(dir: &Path, bytes: u64, waiting: &mut Vec<(Position, Vec<u8>)>) {
    let Some(number) = files::numbers(dir).expect("it is there").pop() else { return };
    let len = files::len(dir, number).saturating_sub(bytes);
    fs::OpenOptions::new().write(true).open(files::path(dir, number)).expect("a file").set_len(len).expect("it is cut");
    waiting.retain(|(end, _)| end.segment != number || end.offset <= len);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn nothing_whole_is_lost_and_nothing_read_twice(steps in proptest::collection::vec(step(), 1..40)) {
        play(&steps);
    }

    #[test]
    fn at_the_limit_the_oldest_go_and_are_counted(
        rounds in proptest::collection::vec((1..2000_u64, 0..1500_usize), 1..12),
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::open(dir.path(), LEN_MIN).expect("it opens");
        let (mut appended, mut delivered) = (0, 0);
        for (count, take) in rounds {
            append(&mut spool, appended..appended + count).expect("there is room");
            appended += count;
            prop_assert!(spool.bytes_on_disk() <= LEN_MIN);
            let records = rest(&mut spool, Position::default());
            // The newest are all there, in order.
            let first = appended - records.len() as u64;
            prop_assert!(messages(records.clone()) == (first..appended).map(text).collect::<Vec<_>>());
            if let Some(last) = records[..take.min(records.len())].last() {
                delivered += take.min(records.len()) as u64;
                spool.delivered(last.end, take.min(records.len()) as u64);
            }
            prop_assert_eq!(spool.lost().dropped + delivered + spool.waiting(), appended);
        }
        prop_assert!(fs::read_dir(dir.path()).expect("there").count() as u64 <= LEN_MIN / (64 * 1024) + 3);
    }

    #[test]
    fn any_bytes_as_files_leave_it_usable(
        files in proptest::collection::vec((0..6_usize, damaged()), 0..6),
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        let names = ["0000000000000001.segment", "0000000000000002.segment", "7ffffffffffffff0.segment",
            "position", "position.new", "ffffffffffffffff.segment"];
        for (name, bytes) in files {
            fs::write(dir.path().join(names[name]), bytes).expect("there is room");
        }
        let mut spool = Spool::open(dir.path(), ROOMY).expect("it opens");
        let found = rest(&mut spool, Position::default());
        prop_assert_eq!(found.len() as u64, spool.waiting());
        append(&mut spool, 0..50).expect("there is room");
        let all = rest(&mut spool, Position::default());
        let new: Vec<_> = (0..50).map(text).collect();
        prop_assert!(messages(all[found.len()..].to_vec()) == new);
        // What was found is delivered, or where that is nothing the first new one.
        let count = found.len().max(1);
        spool.delivered(all[count - 1].end, count as u64);
        spool.keep_position().expect("there is room");
        drop(spool);
        let mut spool = Spool::open(dir.path(), ROOMY).expect("it opens again");
        let left = messages(rest(&mut spool, Position::default()));
        prop_assert!(left == new[usize::from(found.is_empty())..], "{} are left", left.len());
    }
}

/// A tenth, unless all are asked for.
fn cases() -> u32 {
    if std::env::var_os("SEGWALL_FULL").is_some_and(|value| value == "1") { 2000 } else { 200 }
}

/// Random bytes, or records of which something was changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let random = proptest::collection::vec(any::<u8>(), 0..600);
    let changed = (0..60_u64, proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4), any::<usize>());
    let changed = changed.prop_map(|(count, changes, cut)| {
        let mut bytes = Vec::new();
        (0..count).for_each(|number| record::push(&mut bytes, &text(number)));
        for (at, byte) in changes {
            if let Some(len) = bytes.len().checked_sub(1) {
                bytes[at % (len + 1)] = byte;
            }
        }
        if cut % 3 == 0 {
            bytes.truncate(cut % (bytes.len() + 1));
        }
        bytes
    });
    prop_oneof![random, changed]
}

#[test]
fn what_is_damaged_is_counted_and_the_rest_comes() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut spool = Spool::open(dir.path(), ROOMY).expect("it opens");
    append(&mut spool, 0..100).expect("there is room");
    drop(spool);
    let path = files::path(dir.path(), 1);
    let mut bytes = fs::read(&path).expect("written");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).expect("there is room");
    fs::create_dir(files::path(dir.path(), 9)).expect("a folder where a file should be");
    let mut spool = Spool::open(dir.path(), ROOMY).expect("it opens");
    assert_eq!(rest(&mut spool, Position::default()).len(), 99);
    assert_eq!(spool.waiting(), 99);
    assert!(spool.lost().damaged_bytes > 0 && spool.lost().torn_bytes == 0 && spool.lost().files == 1);
    assert!(dir.path().join("put-aside").exists());
}

#[test]
fn what_goes_bad_while_it_waits_is_counted() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut spool = Spool::open(dir.path(), LEN_MIN).expect("it opens");
    append(&mut spool, 0..900).expect("there is room");
    let (second, _) = spool.segments.iter().nth(1).expect("more than one");
    assert!(spool.segments.len() > 2);
    fs::remove_file(files::path(dir.path(), *second)).expect("somebody took it away");
    let found = rest(&mut spool, Position::default());
    let last = found.last().expect("others are there").end;
    spool.delivered(last, found.len() as u64);
    assert_eq!(found.len() as u64 + spool.lost().unreadable, 900);
    assert!(spool.lost().unreadable > 0 && spool.waiting() == 0);
    append(&mut spool, 900..1300).expect("there is room");
    assert_eq!(rest(&mut spool, last).len(), 400);
}

#[test]
fn a_folder_that_is_taken_away_is_made_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path().join("spool");
    let mut spool = Spool::open(&dir, ROOMY).expect("it opens");
    append(&mut spool, 0..10).expect("there is room");
    fs::remove_dir_all(&dir).expect("somebody tidies up");
    assert_eq!(rest(&mut spool, Position::default()), []);
    append(&mut spool, 10..20).expect("there is room");
    let records = rest(&mut spool, Position::default());
    assert_eq!(messages(records.clone()), (10..20).map(text).collect::<Vec<_>>());
    spool.delivered(records[9].end, 10);
    assert_eq!((spool.waiting(), spool.lost().unreadable), (0, 10));
}

#[test]
fn a_spool_has_one_user_and_modes() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path().join("spool/deep");
    let mut spool = Spool::open(&dir, ROOMY).expect("it makes the folder");
    assert!(matches!(Spool::open(&dir, ROOMY), Err(SpoolError::Used { .. })));
    append(&mut spool, 0..1).expect("there is room");
    let end = rest(&mut spool, Position::default())[0].end;
    spool.delivered(end, 1);
    spool.keep_position().expect("there is room");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for entry in fs::read_dir(&dir).expect("there") {
        assert_eq!(mode(&entry.expect("there").path()), 0o600);
    }
    drop(spool);
    Spool::open(&dir, ROOMY).expect("the lock ends with its holder");
    let error = Spool::open(Path::new("/proc/none"), ROOMY).expect_err("nobody writes there").to_string();
    assert!(error.starts_with("cannot use the spool /proc/none: "), "{error}");
}

#[test]
fn what_is_delivered_takes_no_room() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut spool = Spool::open(dir.path(), ROOMY).expect("it opens");
    for round in 0..50 {
        append(&mut spool, round * 100..(round + 1) * 100).expect("there is room");
        let records = rest(&mut spool, Position::default());
        assert_eq!(messages(records.clone()), (round * 100..(round + 1) * 100).map(text).collect::<Vec<_>>());
        spool.delivered(records.last().expect("a hundred").end, 100);
        assert!(spool.bytes_on_disk() <= DONE_LEN_MIN, "{}", spool.bytes_on_disk());
    }
    assert_eq!((spool.waiting(), spool.lost()), (0, Lost::default()));
}
