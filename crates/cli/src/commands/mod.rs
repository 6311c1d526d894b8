//! The commands, one file each.

mod alerts;
mod apply;
mod audit;
mod audit_text;
mod blast;
mod boot;
mod check;
mod completions;
mod confirm;
mod diagram;
mod diff;
mod diff_text;
mod docs;
mod doctor;
pub mod drift;
mod drops;
mod explain;
mod explain_code;
mod flows;
mod flows_json;
mod flows_text;
mod grid;
mod guard;
mod history;
mod import;
mod import_files;
mod import_text;
mod init;
mod init_questions;
mod lab;
mod lab_report;
mod lab_shell;
mod learn;
mod leases;
mod leases_follow;
mod leases_text;
mod man;
mod matrix;
mod matrix_service;
mod pages;
mod plan;
mod probe;
mod prove;
mod quarantine;
mod quarantine_text;
mod release;
mod render;
mod review;
mod review_text;
mod rollback;
mod schema;
mod status;
mod status_text;
mod top;
mod verify;
pub mod watch;
pub mod watch_json;
mod watch_live;
pub mod watch_text;
mod watchdog;

use clap::Subcommand;

pub use explain::text as explained;
pub use explain_code::about;
pub use leases::{Data as LeasesData, Row as LeaseRow, now as leases_now};

use crate::exit::{Answer, Failure};

/// Every command. What is not here does not work yet, and is not in `--help`.
#[derive(Debug, Subcommand)]
pub enum Command {
    Init(init::Args),
    Check(check::Args),
    Matrix(matrix::Args),
    Diff(diff::Args),
    Explain(explain::Args),
    Blast(blast::Args),
    Docs(docs::Args),
    Diagram(diagram::Args),
    Prove(prove::Args),
    Audit(audit::Args),
    Import(import::Args),
    Render(render::Args),
    Lab(lab::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Confirm(confirm::Args),
    Rollback(rollback::Args),
    History(history::Args),
    Status(status::Args),
    Doctor(doctor::Args),
    Drift(drift::Args),
    Leases(leases::Args),
    Quarantine(quarantine::Args),
    Release(release::Args),
    Verify(verify::Args),
    Probe(probe::Args),
    Watch(watch::Args),
    Top(top::Args),
    Alerts(alerts::Args),
    Drops(drops::Args),
    Flows(flows::Args),
    Review(review::Args),
    Learn(learn::Args),
    Boot(boot::Args),
    Guard(guard::Args),
    /// Started by apply: leads the box back unless it is confirmed
    #[command(hide = true, after_help = "Started by `segwall apply`.")]
    Watchdog,
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs a command.
pub fn run(command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(args),
        Command::Matrix(args) => matrix::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Blast(args) => blast::run(args),
        Command::Docs(args) => docs::run(args),
        Command::Diagram(args) => diagram::run(args),
        Command::Prove(args) => prove::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Import(args) => import::run(args),
        Command::Render(args) => render::run(args),
        Command::Lab(args) => lab::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Apply(args) => apply::run(args),
        Command::Confirm(args) => confirm::run(&args),
        Command::Rollback(args) => rollback::run(args),
        Command::History(args) => history::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Doctor(args) => doctor::run(args),
        Command::Drift(args) => drift::run(&args),
        Command::Leases(args) => leases::run(&args),
        Command::Quarantine(args) => quarantine::run(args),
        Command::Release(args) => release::run(&args),
        Command::Verify(args) => verify::run(args),
        Command::Probe(args) => probe::run(&args),
        Command::Watch(args) => watch::run(args),
        Command::Top(args) => top::run(args),
        Command::Alerts(args) => alerts::run(args),
        Command::Drops(args) => drops::run(&args),
        Command::Flows(args) => flows::run(&args),
        Command::Review(args) => review::run(args),
        Command::Learn(args) => learn::run(args),
        Command::Boot(args) => boot::run(&args),
        Command::Guard(args) => guard::run(&args),
        Command::Watchdog => watchdog::run(),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
