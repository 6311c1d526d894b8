//! Files, the lock, and what happens on a full disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount, umount};
use nix::sys::stat::{Mode, umask};
use segwall_core::plan::FileState;
use segwall_host::apply::{Host, temporary, write_whole};

use crate::harness::Case;
use crate::helpers::MARK;
use crate::world::Dir;

pub const ALL: &[Case] = &[
    ("files_have_their_mode_whatever_the_umask", files_have_their_mode_whatever_the_umask),
    ("what_is_not_there_is_no_fault", what_is_not_there_is_no_fault),
    ("links_are_not_written_over", links_are_not_written_over),
    ("a_full_disk_leaves_the_old_file", a_full_disk_leaves_the_old_file),
    ("the_lock_is_one_at_a_time_and_not_inherited", the_lock_is_one_at_a_time_and_not_inherited),
    ("the_dead_hold_no_lock", the_dead_hold_no_lock),
];

fn state(mode: u32, text: &str) -> FileState {
    FileState { mode, bytes: text.as_bytes().to_vec() }
}

fn files_have_their_mode_whatever_the_umask() {
    let dir = Dir::new("modes");
    let mut linux = dir.linux();
    let before = umask(Mode::from_bits_truncate(0o077));
    for mode in [0o644, 0o600, 0o755] {
        write_whole(&mut linux, "/etc/a/b/file", &state(mode, "text\n")).unwrap();
        assert_eq!(linux.read("/etc/a/b/file").unwrap(), Some(state(mode, "text\n")));
    }
    umask(before);
    assert_eq!(fs::metadata(dir.path().join("etc/a/b")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(linux.list("/etc/a/b").unwrap(), ["file"], "nothing lies beside it");
}

fn what_is_not_there_is_no_fault() {
    let dir = Dir::new("absent");
    let mut linux = dir.linux();
    assert_eq!(linux.read("/etc/none").unwrap(), None);
    assert_eq!(linux.list("/etc/none").unwrap(), [""; 0]);
    linux.remove("/etc/none").unwrap();
    linux.sync_dir("/etc/none").unwrap();
    linux.make_dir("/etc/full").unwrap();
    linux.put("/etc/full/file", &state(0o644, "")).unwrap();
    let error = linux.remove("/etc/full").unwrap_err().chain();
    assert!(error.contains("etc/full") && error.starts_with("cannot remove"), "{error}");
    linux.remove("/etc/full/file").unwrap();
    linux.remove("/etc/full").unwrap();
    assert!(linux.read("/etc").unwrap_err().chain().contains("it is no file"));
}

fn links_are_not_written_over() {
    let dir = Dir::new("links");
    let mut linux = dir.linux();
    fs::write(dir.path().join("etc/real"), "real").unwrap();
    symlink("real", dir.path().join("etc/link")).unwrap();
    assert_eq!(linux.read("/etc/link").unwrap().unwrap().bytes, b"real");
    let error = write_whole(&mut linux, "/etc/link", &state(0o644, "new")).unwrap_err().chain();
    assert!(error.contains("symbolic link"), "{error}");
    assert_eq!(fs::read(dir.path().join("etc/real")).unwrap(), b"real");
    // Nor where somebody put one in the way of a file that is being written.
    symlink("real", dir.path().join(temporary("/etc/x").trim_start_matches('/'))).unwrap();
    assert!(write_whole(&mut linux, "/etc/x", &state(0o644, "new")).is_err());
    assert_eq!(fs::read(dir.path().join("etc/real")).unwrap(), b"real");
}

fn a_full_disk_leaves_the_old_file() {
    let dir = Dir::new("full");
    let etc = dir.path().join("etc");
    mount(Some("tmpfs"), &etc, Some("tmpfs"), MsFlags::empty(), Some("size=64k")).unwrap();
    let mut linux = dir.linux();
    write_whole(&mut linux, "/etc/file", &state(0o644, "old")).unwrap();
    let large = "x".repeat(128 * 1024);
    let error = write_whole(&mut linux, "/etc/file", &state(0o644, &large)).unwrap_err().chain();
    assert!(error.contains("No space left on device") && error.contains("/etc/"), "{error}");
    assert_eq!(linux.read("/etc/file").unwrap(), Some(state(0o644, "old")));
    assert_eq!(linux.list("/etc").unwrap(), ["file"]);
    // And it is foreseen.
    let generation = crate::world::compiled(&mut linux, 1, &crate::world::policy("\"ping\""));
    let faults = linux.validate(&generation).unwrap();
    assert!(faults.iter().any(|fault| fault.contains("make room")), "{faults:?}");
    umount(&etc).unwrap();
    let faults = linux.validate(&generation).unwrap();
    assert!(!faults.iter().any(|fault| fault.contains("make room")), "{faults:?}");
}

fn the_lock_is_one_at_a_time_and_not_inherited() {
    let dir = Dir::new("lock");
    let linux = dir.linux();
    let held = linux.lock_try().unwrap().unwrap();
    assert!(linux.lock_try().unwrap().is_none());
    let mut child = Command::new("sleep").arg("30").spawn().unwrap();
    drop(held);
    let again = linux.lock_try().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(again.is_some(), "the child holds it");
}

fn the_dead_hold_no_lock() {
    let dir = Dir::new("dead");
    let linux = dir.linux();
    let mut holder = Command::new("/proc/self/exe")
        .args([MARK, "hold", dir.path().to_str().unwrap()])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while linux.lock_try().unwrap().is_some() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never took the lock");
        thread::sleep(Duration::from_millis(5));
    }
    holder.kill().unwrap();
    drop(linux.lock_wait().unwrap());
    holder.wait().unwrap();
}
