//! What the kernel did with the packets that refute: faults by whether one of their packets showed it.

use std::collections::BTreeMap;

use segwall_lab::{ProofReport, Tried};

/// Adds up over all faults.
#[derive(Default)]
pub struct Trials {
    /// Packets that the kernel treated as the proof says.
    pub packets_confirmed: usize,
    /// Packets that were not sent or show nothing, by reason.
    pub packets_unsent: BTreeMap<&'static str, usize>,
    /// Faults of which at least one packet was confirmed.
    pub faults_confirmed: usize,
    /// Faults that no packet could show, with the reasons and the claims.
    pub faults_unshown: Vec<String>,
    /// Packets that the kernel treated otherwise: the proof was wrong.
    pub contradicted: Vec<String>,
}

impl Trials {
    /// Notes a refuted load.
    pub fn note(&mut self, fault: &str, proof: &ProofReport) {
        let mut confirmed = false;
        let mut why = Vec::new();
        for one in &proof.refuted {
            let claim = format!("{}: {}: declared {}, found {}", one.hook, one.packet, one.declared, one.found);
            match &one.kernel {
                Tried::Confirmed => {
                    confirmed = true;
                    self.packets_confirmed += 1;
                }
                Tried::Contradicted(how) => self.contradicted.push(format!("{fault}\n  {claim}: {how}")),
                Tried::Unsent(reason) => {
                    *self.packets_unsent.entry(reason).or_default() += 1;
                    why.push(format!("{reason}: {claim}"));
                }
            }
        }
        if confirmed {
            self.faults_confirmed += 1;
        } else {
            self.faults_unshown.push(format!("{fault}\n    {}", why.join("\n    ")));
        }
    }

    /// For people.
    pub fn print(&self) {
        println!(
            "\nin the kernel: {} refuting packets treated as the proof says; {} faults shown by one at least, {} by none",
            self.packets_confirmed,
            self.faults_confirmed,
            self.faults_unshown.len()
        );
        for (reason, count) in &self.packets_unsent {
            println!("  {count:>4} packets not tried: {reason}");
        }
        for fault in &self.faults_unshown {
            println!("  not shown: {fault}");
        }
    }
}
