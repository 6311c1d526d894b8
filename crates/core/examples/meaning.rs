//! `TZ=UTC nft -j list ruleset | cargo run --release --example meaning`: how long it takes to read a listing and to know
//! what it means at the three hooks, and what is undecided.

use std::io::Read;
use std::process::ExitCode;
use std::time::Instant;

use segwall_core::netfilter::meaning::{self, Options, Rates};
use segwall_core::netfilter::{Hook, read_nft_json};
use segwall_packetset::Space;

const NODES_MAX: usize = 4_000_000;

fn main() -> ExitCode {
    let mut text = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut text) {
        eprintln!("cannot read: {error}");
        return ExitCode::FAILURE;
    }
    let begun = Instant::now();
    let program = match read_nft_json(&text) {
        Ok(program) => program,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("read {} bytes: {:?}", text.len(), begun.elapsed());
    let mut space = Space::new(NODES_MAX);
    for hook in [Hook::Input, Hook::Forward, Hook::Output] {
        let begun = Instant::now();
        let options = Options { rates: Rates::Within, ..Options::default() };
        match meaning::filter(&mut space, &[&program], hook, &options) {
            Ok(hooked) => {
                println!("{hook:?}: {:?}, {} nodes in all", begun.elapsed(), space.nodes());
                println!(
                    "  may accept {} nodes, may drop {}",
                    space.size(hooked.may_accept),
                    space.size(hooked.may_drop)
                );
                for unknown in &hooked.unknown {
                    println!("  unknown {:?}", unknown.text);
                }
                for rate in &hooked.rates {
                    println!("  rate {:?}, decides {}", rate.rate, rate.decides);
                }
            }
            Err(error) => println!("{hook:?}: {error}"),
        }
    }
    ExitCode::SUCCESS
}
