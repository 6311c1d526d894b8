//! The model against the kernel.

use std::collections::BTreeSet;
use std::io::Write as _;

use segwall_core::netfilter::meaning::{Hooked, Options, path};
use segwall_core::netfilter::{Hook, Program, read_nft_json};
use segwall_core::testing::Seeded;
use segwall_host::nft::Nft;
use segwall_packetset::{Set, Space, proto};

use crate::draw::{Drawer, possible};
use crate::harness::Case;
use crate::packet::Shot;
use crate::random_nft;
use crate::wire::Wire;

pub const ALL: &[Case] =
    &[("random_nft_programs_mean_what_the_kernel_does", random_nft_programs_mean_what_the_kernel_does)];

const SEED: u64 = 0x4e46_7400;
const PROGRAMS: u64 = 50;
const PROGRAMS_FULL: u64 = 500;
const PACKETS: usize = 200;
/// Draws for one packet before the set is taken to have no other.
const DRAWS_MAX: usize = 20;
pub const NODES_MAX: usize = 2_000_000;
pub const SHOWN_MAX: usize = 5;

/// What came of all programs.
#[derive(Default)]
pub struct Tally {
    pub accepted: usize,
    pub dropped: usize,
    pub undecided: usize,
    pub certain_programs: usize,
    pub unlisted: u64,
    pub wrong: Vec<String>,
}

fn random_nft_programs_mean_what_the_kernel_does() {
    let full = std::env::var_os("SEGWALL_FULL").is_some_and(|value| value == "1");
    let count = if full { PROGRAMS_FULL } else { PROGRAMS };
    let one = std::env::var("PROGRAM_SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    let seeds = one.map_or(SEED..SEED + count, |seed| seed..seed + 1);
    let nft = Nft::find().unwrap();
    let mut wire = Wire::new();
    let mut space = Space::new(NODES_MAX);
    let possible = possible(&mut space);
    let everything = Drawer::new(&space, possible);
    let mut tally = Tally::default();
    for seed in seeds {
        let mut choices = Seeded(seed);
        let text = load(&nft, &wire, random_nft::text(&mut choices), seed);
        let replay = |what: &str| format!("PROGRAM_SEED={seed}: {what}\n{text}");
        wire.conntrack.flush().unwrap();
        let listed = nft.list(&wire.gateway, &["-j", "list", "ruleset"]);
        let listed = match listed {
            Ok(listed) => listed,
            // nft 1.0.6 aborts when it is to list `meta l4proto 103 iifname . oifname . meta l4proto . th dport @set`.
            Err(error) if error.to_string().contains("Assertion") => {
                tally.unlisted += 1;
                continue;
            }
            Err(error) => panic!("{}", replay(&error.to_string())),
        };
        let program: Program = read_nft_json(listed.as_bytes()).unwrap();
        assert!(program.notes.is_empty(), "{}", replay(&format!("{:?}", program.notes)));
        let hooked = path(&mut space, &[&program], Hook::Forward, &Options::default()).unwrap();
        if let Err(what) = is_sound(&mut space, &hooked) {
            tally.wrong.push(replay(&what));
        }
        tally.certain_programs += usize::from(hooked.unknown.is_empty());
        let shots = shots(&mut space, &hooked, possible, &everything, &mut choices);
        let known: Vec<_> = shots.iter().filter(|shot| shot.is_established()).map(Shot::tuple).collect();
        wire.conntrack.establish(&known).unwrap();
        let arrived = wire.send(&shots);
        judge(&space, &hooked, &shots, &arrived, &mut tally, &replay);
        print!(".");
        let _ = std::io::stdout().flush();
    }
    println!(
        "\n{count} programs, {} of them certain throughout, {} that nft cannot list; packets: {} accepted, {} dropped, {} undecided",
        tally.certain_programs, tally.unlisted, tally.accepted, tally.dropped, tally.undecided
    );
    let shown: Vec<&str> = tally.wrong.iter().take(SHOWN_MAX).map(String::as_str).collect();
    assert!(shown.is_empty(), "{} programs differ:\n{}", tally.wrong.len(), shown.join("\n"));
    if one.is_none() {
        // A test that sees one outcome only, or certainty nowhere, shows nothing.
        let packets = tally.accepted + tally.dropped;
        assert!(tally.accepted * 10 > packets && tally.dropped * 10 > packets && tally.undecided * 10 < packets);
        assert!(tally.unlisted * 20 <= count, "{} programs could not be listed", tally.unlisted);
    }
}

/// Loads a text without the rules that nft itself refuses: conditions that cannot hold together.
fn load(nft: &Nft, wire: &Wire, text: String, seed: u64) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    loop {
        let whole = format!("flush ruleset\n{}\n", lines.join("\n"));
        let Err(error) = nft.load(&wire.gateway, &whole) else { return lines.join("\n") };
        let complaint = error.to_string();
        // `/dev/stdin:LINE:COLUMN-COLUMN: Error: …`; the first line is the flush.
        let numbers =
            complaint.lines().filter_map(|line| line.split_once(": Error")?.0.split(':').rev().nth(1)?.parse().ok());
        let refused: BTreeSet<usize> = numbers.map(|line: usize| line - 2).collect();
        let are_rules = refused.iter().all(|line| lines[*line].starts_with("  ") && !lines[*line].contains(" hook "));
        assert!(are_rules && !refused.is_empty(), "PROGRAM_SEED={seed}: {complaint}\n{text}");
        for line in refused.into_iter().rev() {
            lines.remove(line);
        }
    }
}

/// Every packet is somewhere; where nothing is undecided, in one place only.
pub fn is_sound(space: &mut Space, hooked: &Hooked) -> Result<(), String> {
    let all = space.union(hooked.may_accept, hooked.may_drop).unwrap();
    let both = space.intersect(hooked.may_accept, hooked.may_drop).unwrap();
    if !all.is_all() {
        return Err(format!("neither accepted nor dropped: {:?}", space.complement(all).map(|set| space.witness(set))));
    }
    let reached: Vec<Set> = hooked.unknown.iter().map(|unknown| unknown.reached).collect();
    let reached = space.union_all(&reached).unwrap();
    let without_reason = space.minus(both, reached).unwrap();
    if without_reason.is_empty() {
        Ok(())
    } else {
        Err(format!("undecided without a reason: {:?}", space.witness(without_reason)))
    }
}

/// Half from the edges of what is accepted and dropped, half from all that can be sent.
pub fn shots(
    space: &mut Space,
    hooked: &Hooked,
    possible: Set,
    everything: &Drawer,
    choices: &mut Seeded,
) -> Vec<Shot> {
    let accepted = space.intersect(hooked.may_accept, possible).unwrap();
    let dropped = space.intersect(hooked.may_drop, possible).unwrap();
    let sides = [Drawer::new(space, accepted), Drawer::new(space, dropped)];
    let mut shots: Vec<Shot> = Vec::new();
    let mut tuples = BTreeSet::new();
    for number in 0..PACKETS {
        for _ in 0..DRAWS_MAX {
            let point = match number % 4 {
                0 => sides[0].point(choices, true),
                2 => sides[1].point(choices, true),
                _ => everything.point(choices, number % 8 == 1),
            };
            let Some(point) = point else { continue };
            assert!(space.contains(possible, &point), "{point:?}");
            let shot = Shot::new(point);
            // A second packet of the same ports belongs to the first one's connection.
            let is_alone = !proto::has_ports(shot.proto()) || tuples.insert(shot.tuple());
            if is_alone {
                shots.push(shot);
                break;
            }
        }
    }
    shots
}

pub fn judge(
    space: &Space,
    hooked: &Hooked,
    shots: &[Shot],
    arrived: &[Option<usize>],
    tally: &mut Tally,
    replay: &dyn Fn(&str) -> String,
) {
    let mut faults = Vec::new();
    for (shot, arrived) in shots.iter().zip(arrived) {
        let may_accept = space.contains(hooked.may_accept, &shot.point);
        let may_drop = space.contains(hooked.may_drop, &shot.point);
        let expected = match (may_accept, may_drop) {
            (true, true) => {
                tally.undecided += 1;
                continue;
            }
            (true, false) => Some(shot.to),
            (false, _) => None,
        };
        if expected.is_some() {
            tally.accepted += 1;
        } else {
            tally.dropped += 1;
        }
        if expected != *arrived {
            faults.push(format!("{}: expected {expected:?}, arrived {arrived:?}", shot.words()));
        }
    }
    if !faults.is_empty() {
        faults.truncate(SHOWN_MAX);
        tally.wrong.push(replay(&faults.join("\n")));
    }
}
