//! The set algebra against brute force, against another library, and against itself.

mod brute;
mod budget;
mod canonical;
mod expr;
mod oxidd;
mod packets;
mod table;

/// The larger count with `SEGWALL_FULL=1`, else the smaller.
fn cases(tenth: u32, full: u32) -> proptest::test_runner::Config {
    let is_full = std::env::var_os("SEGWALL_FULL").is_some_and(|value| value == "1");
    proptest::test_runner::Config {
        cases: if is_full { full } else { tenth },
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    }
}
