//! The network of a policy in namespaces without root, and packets of every class of flow through the real kernel.
//!
//! One process, one thread: [`isolate`] comes before the first thread, then [`run`] or [`shell`].

mod beyond;
mod build;
mod capture;
mod classes;
mod connections;
mod dhcp;
mod error;
mod frame;
mod hijack;
mod limits;
mod pairs;
mod probe;
mod prober;
mod proof;
mod report;
mod run;
mod session;
mod settings;
mod shell;
mod topology;
mod trial;

pub use dhcp::{DhcpReport, servers_on};
pub use error::LabError;
pub use proof::{ProofDifference, ProofReport};
pub use report::{Difference, FlowText, PairReport, Report, ServiceReport};
pub use run::{Emit, Options, Progress, emit_nft, proofs, run};
pub use segwall_host::userns::Isolation;
pub use shell::{Command, shell};
pub use topology::Topology;
pub use trial::Tried;

/// Takes this process out of the machine's network for good, and keeps it on one CPU: packets are then handled in the
/// order in which they were sent. Must come before any thread starts.
///
/// # Errors
/// When the kernel has no namespaces for us; the text says what to do.
pub fn isolate() -> Result<Isolation, LabError> {
    let isolation = segwall_host::userns::enter()?;
    segwall_host::files::raise_limit();
    // A machine that does not let us choose a CPU is slower, not wrong: sentinels still decide.
    if let Some(cpu) = segwall_host::pin::current_cpu() {
        let _ = segwall_host::pin::to_cpu(cpu);
    }
    Ok(isolation)
}
