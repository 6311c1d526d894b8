//! The collector goes away and comes back; the daemon does; the disk is full.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount, umount};
use nix::sys::signal::Signal;
use segwall_host::exec;
use segwall_watch::forward::{Connection, Forwarder, Options, Target, Timing, Transport};

use crate::certificates::Certificates;
use crate::collector::{Collector, Input};
use crate::harness::Case;
use crate::sending::trusting;
use crate::world::{
    Arrived, COLLECTOR, PORT, SHORT, World, arrived, hand_over, is_full, line, lost_nothing, wait_for, wait_for_lines,
};

pub const ALL: &[Case] = &[
    ("tcp_collector_vanishes", tcp_collector_vanishes),
    ("tls_collector_vanishes", tls_collector_vanishes),
    ("answers_get_lost", answers_get_lost),
    ("collector_hangs", collector_hangs),
    ("collector_restarts", collector_restarts),
    ("daemon_restarts_while_the_collector_is_away", daemon_restarts_while_the_collector_is_away),
    ("daemon_is_killed_while_the_collector_is_away", daemon_is_killed_while_the_collector_is_away),
    ("disk_is_full_and_then_not", disk_is_full_and_then_not),
];

/// The first argument of a daemon that is to be killed.
pub const MARK: &str = "--as-helper";

/// How long a hand-over may take.
const HAND_OVER_MAX: Duration = Duration::from_millis(1);

fn vanishes(world: &World, input: &Input<'_>, transport: Transport, mut options: Options) {
    let away = if is_full() { Duration::from_secs(60) } else { Duration::from_secs(5) };
    if is_full() {
        options.timing = Timing::default();
    }
    let collector = Collector::start(world, input);
    let forwarder = world.forward(transport, &options);
    let pause = Duration::from_millis(1);
    let mut took = hand_over(&forwarder, 0..2000, pause);
    let mut next = 2000;
    world.blackhole();
    let vanished = Instant::now();
    let before = arrived(&collector.file).lines;
    while vanished.elapsed() < away {
        took.extend(hand_over(&forwarder, next..next + 500, pause));
        next += 500;
    }
    let waiting = forwarder.numbers();
    assert!(waiting.queued > next / 2, "they wait: {waiting:?}");
    assert!(arrived(&collector.file).lines <= before + 100, "the hole is one");
    if !is_full() {
        assert!(matches!(waiting.connection, Connection::Down { .. }), "it was noticed: {waiting:?}");
    }
    world.open();
    took.extend(hand_over(&forwarder, next..next + 500, pause));
    next += 500;
    let back = Instant::now();
    // The longest wait between two tries, and what a try takes.
    let found = wait_for_lines(&collector.file, next, options.timing.retry_max + Duration::from_secs(30));
    let caught_up = back.elapsed();
    let numbers = forwarder.stop(Duration::from_secs(5));
    lost_nothing(&numbers, next);
    assert_eq!(arrived(&collector.file), found);
    assert!(found.seams < numbers.connections, "{found:?}, {} connections", numbers.connections);
    took.sort_unstable_by_key(|handed| handed.took);
    let ours: Vec<Duration> = took.iter().filter(|handed| !handed.was_preempted).map(|handed| handed.took).collect();
    let (largest, largest_ours) = (took[took.len() - 1].took, ours[ours.len() - 1]);
    let late = ours.iter().filter(|took| **took > HAND_OVER_MAX).count();
    println!(
        "    away {} s: {next} lines in order, {} again at {} seams; caught up within {:.1} s; handing over: median {:?}, \
         largest {largest_ours:?}, and where the kernel took the core away {largest:?}",
        away.as_secs(),
        found.again,
        found.seams,
        caught_up.as_secs_f64(),
        ours[ours.len() / 2],
    );
    // The other thread may lose its core while it holds the lock; a wait for disk or network would be seconds.
    assert!(late * 1000 <= ours.len() && largest < Duration::from_millis(500), "{late} late, {largest:?}");
}

fn tcp_collector_vanishes() {
    let world = World::new();
    let options = world.options();
    vanishes(&world, &Input::Tcp, Transport::Tcp, options);
}

fn tls_collector_vanishes() {
    let world = World::new();
    let certificates = Certificates::new(world.dir.path());
    certificates.issue("good", "ca", &COLLECTOR.to_string(), 30);
    let options = trusting(&world, &certificates);
    vanishes(&world, &Input::Tls(&certificates, "good"), Transport::Tls, options);
}

/// The collector has lines, and we cannot know it: they come again, and nothing else does.
fn answers_get_lost() {
    let world = World::new();
    let collector = Collector::start(&world, &Input::Tcp);
    let forwarder = world.forward(Transport::Tcp, &world.options());
    hand_over(&forwarder, 0..100, Duration::ZERO);
    wait_for("the first", Duration::from_secs(10), || forwarder.numbers().sent == 100);
    world.mute();
    hand_over(&forwarder, 100..150, Duration::from_millis(1));
    wait_for("the connection to be given up", Duration::from_secs(10), || {
        matches!(forwarder.numbers().connection, Connection::Down { .. })
    });
    assert_eq!((forwarder.numbers().sent, forwarder.numbers().queued), (100, 50));
    world.open();
    wait_for("all to be delivered", Duration::from_secs(10), || forwarder.numbers().sent == 150);
    let found = arrived(&collector.file);
    assert!(found.lines == 150 && (1..=50).contains(&found.again) && found.seams == 1, "{found:?}");
    lost_nothing(&forwarder.stop(Duration::from_secs(5)), 150);
    println!("    150 lines in order, {} again at {} seam", found.again, found.seams);
}

/// Its kernel answers, but it reads nothing. It is given up, and whatever its kernel took over several connections is all
/// there when it goes on; only their order among each other is the collector's.
fn collector_hangs() {
    let world = World::new();
    let collector = Collector::start(&world, &Input::Tcp);
    let forwarder = world.forward(Transport::Tcp, &world.options());
    hand_over(&forwarder, 0..100, Duration::ZERO);
    wait_for_lines(&collector.file, 100, Duration::from_secs(10));
    collector.signal(Signal::SIGSTOP);
    // More than the buffers of both kernels.
    let mut next = 100;
    while next < 100_000 {
        hand_over(&forwarder, next..next + 900, Duration::ZERO);
        next += 900;
        thread::sleep(Duration::from_millis(20));
    }
    wait_for("the silence to be noticed", Duration::from_secs(15), || {
        forwarder
            .numbers()
            .last_failure
            .is_some_and(|failure| failure.text.contains("has acknowledged nothing for 2 s"))
    });
    collector.signal(Signal::SIGCONT);
    wait_for("all to be delivered", Duration::from_secs(30), || forwarder.numbers().queued == 0);
    let numbers = forwarder.stop(Duration::from_secs(5));
    lost_nothing(&numbers, next);
    wait_for("all to be written", Duration::from_secs(10), || {
        let text = std::fs::read_to_string(&collector.file).unwrap();
        let found: BTreeSet<&str> = text.lines().collect();
        (0..next).all(|number| found.contains(line(number).as_str()))
    });
    println!("    {next} lines arrived over {} connections", numbers.connections);
}

/// What the collector's kernel had taken, and the collector had not read, comes again.
fn collector_restarts() {
    let world = World::new();
    let mut collector = Collector::start(&world, &Input::Tcp);
    let forwarder = world.forward(Transport::Tcp, &world.options());
    let mut next = 0;
    for _ in 0..3 {
        hand_over(&forwarder, next..next + 2000, Duration::from_micros(200));
        next += 2000;
        collector.stop();
        hand_over(&forwarder, next..next + 1000, Duration::ZERO);
        next += 1000;
        collector = Collector::start(&world, &Input::Tcp);
    }
    let found = wait_for_lines(&collector.file, next, Duration::from_secs(20));
    lost_nothing(&forwarder.stop(Duration::from_secs(5)), next);
    println!("    restarted 3 times: {next} lines in order, {} again at {} seams", found.again, found.seams);
}

fn daemon_restarts_while_the_collector_is_away() {
    let world = World::new();
    let mut collector = Collector::start(&world, &Input::Tcp);
    collector.stop();
    for round in 0..3 {
        let forwarder = world.forward(Transport::Tcp, &world.options());
        hand_over(&forwarder, round * 700..(round + 1) * 700, Duration::ZERO);
        wait_for("a refusal", Duration::from_secs(5), || forwarder.numbers().last_failure.is_some());
        let begun = Instant::now();
        let numbers = forwarder.stop(Duration::from_secs(5));
        assert!(begun.elapsed() < Duration::from_secs(6));
        assert_eq!((numbers.queued, numbers.sent, numbers.lost.messages()), ((round + 1) * 700, 0, 0), "{numbers:?}");
    }
    collector = Collector::start(&world, &Input::Tcp);
    let forwarder = world.forward(Transport::Tcp, &world.options());
    let found = wait_for_lines(&collector.file, 2100, Duration::from_secs(20));
    assert_eq!(found, Arrived { lines: 2100, again: 0, seams: 0 });
    lost_nothing(&forwarder.stop(Duration::from_secs(5)), 2100);
    // What a stop knew as delivered does not come again.
    let forwarder = world.forward(Transport::Tcp, &world.options());
    hand_over(&forwarder, 2100..2200, Duration::ZERO);
    wait_for_lines(&collector.file, 2200, Duration::from_secs(20));
    assert_eq!(arrived(&collector.file), Arrived { lines: 2200, again: 0, seams: 0 });
    lost_nothing(&forwarder.stop(Duration::from_secs(5)), 100);
}

/// The daemon that is killed: hands lines over until then, and says how many have been long enough.
pub fn helper(dir: &str, address: &str) {
    let target = Target { transport: Transport::Tcp, host: address.to_owned(), port: PORT };
    let forwarder = Forwarder::start(target, &Options { timing: SHORT, ..Options::new(dir) }).unwrap();
    for number in 0..1_000_000 {
        forwarder.hand_over(line(number));
        if number % 500 == 499 {
            thread::sleep(Duration::from_millis(50));
            println!("{}", number + 1);
            std::io::stdout().flush().unwrap();
        }
    }
}

fn daemon_is_killed_while_the_collector_is_away() {
    let world = World::new();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(MARK).arg(world.path("spool")).arg(COLLECTOR.to_string()).stdout(Stdio::piped());
    let mut daemon = exec::spawn(&world.gateway, &mut command).unwrap();
    let said = BufReader::new(daemon.stdout.take().unwrap()).lines().take(8).last().unwrap().unwrap();
    let certain: u64 = said.parse().unwrap();
    thread::sleep(Duration::from_millis(7));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let collector = Collector::start(&world, &Input::Tcp);
    let forwarder = world.forward(Transport::Tcp, &world.options());
    let found = wait_for_lines(&collector.file, certain, Duration::from_secs(20));
    assert_eq!((found.again, found.seams), (0, 0));
    let numbers = forwarder.stop(Duration::from_secs(5));
    assert_eq!((numbers.queued, numbers.lost.messages()), (0, 0), "{numbers:?}");
    assert!(numbers.sent >= certain);
    println!("    killed after {certain} lines or more: {} arrived", numbers.sent);
}

fn disk_is_full_and_then_not() {
    let world = World::new();
    let disk = world.path("disk");
    std::fs::create_dir(&disk).unwrap();
    mount(Some("tmpfs"), &disk, Some("tmpfs"), MsFlags::empty(), Some("size=1m")).unwrap();
    let options = Options { timing: SHORT, ..Options::new(disk.join("spool")) };
    let forwarder = world.forward(Transport::Tcp, &options);
    // Nobody listens yet. Twice what the disk takes, in pieces that the queue in memory takes.
    for round in 0..10 {
        hand_over(&forwarder, round * 1000..(round + 1) * 1000, Duration::ZERO);
        // What waits in memory counts as queued, and may still be lost.
        let mut before = None;
        wait_for("the disk", Duration::from_secs(10), || {
            thread::sleep(Duration::from_millis(50));
            let numbers = forwarder.numbers();
            let is_still = before.replace((numbers.queued, numbers.lost)) == Some((numbers.queued, numbers.lost));
            is_still && numbers.queued + numbers.lost.messages() == (round + 1) * 1000
        });
    }
    let numbers = forwarder.numbers();
    let lost = numbers.lost.spool.unwritten;
    assert!(lost > 1000 && numbers.queued > 1000 && lost == numbers.lost.messages(), "{numbers:?}");
    let collector = Collector::start(&world, &Input::Tcp);
    let kept = numbers.queued;
    // The oldest were kept, the newest lost; once they are away there is room again.
    let found = wait_for_lines(&collector.file, kept, Duration::from_secs(20));
    assert_eq!(found, Arrived { lines: kept, again: 0, seams: 0 });
    wait_for("room", Duration::from_secs(10), || forwarder.numbers().queued == 0);
    hand_over(&forwarder, kept..kept + 1000, Duration::ZERO);
    wait_for_lines(&collector.file, kept + 1000, Duration::from_secs(20));
    let numbers = forwarder.stop(Duration::from_secs(5));
    assert_eq!((numbers.sent, numbers.queued, numbers.lost.messages()), (kept + 1000, 0, lost), "{numbers:?}");
    println!("    1 MiB: {kept} lines kept and delivered, {lost} counted as lost, then all again");
    umount(&disk).unwrap();
}
