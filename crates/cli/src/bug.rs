//! A panic is our bug: the user gets one sentence and where to send it, never a bare backtrace.

use std::io::Write;

use crate::exit;

/// How to report a bug.
pub const REPORT: &str = concat!(
    "please report it at ",
    env!("CARGO_PKG_REPOSITORY"),
    "/issues with the command, the policy and this text (segwall ",
    env!("CARGO_PKG_VERSION"),
    ")"
);

/// From now on a panic in any thread prints one sentence and ends the process with [`exit::BUG`].
///
/// Nothing is left behind by ending at once: what the lab makes lives in namespaces that end with their last process.
pub fn catch() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let what = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        let place = panic.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        // Not eprintln!: a closed stderr would panic inside the panic.
        let _ = writeln!(std::io::stderr(), "segwall: a bug of ours: {what}{place}\nhelp: {REPORT}");
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            let _ = writeln!(std::io::stderr(), "{}", std::backtrace::Backtrace::force_capture());
        }
        std::process::exit(i32::from(exit::BUG));
    }));
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    const CHILD: &str = "SEGWALL_TEST_PANICS";

    #[test]
    fn a_panic_prints_one_sentence_and_ends_with_70() {
        if std::env::var_os(CHILD).is_some() {
            super::catch();
            panic!("the sky fell");
        }
        let name = "bug::tests::a_panic_prints_one_sentence_and_ends_with_70";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .env_remove("RUST_BACKTRACE")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(70));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("segwall: a bug of ours: the sky fell at "), "{text}");
        assert!(text.contains("/issues with the command"), "{text}");
        assert!(!text.contains("RUST_BACKTRACE"), "{text}");
    }
}
