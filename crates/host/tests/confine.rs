//! What a process that gave up everything but watching can still do, and what not: each case is a process of its own.

use std::env;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::parent_id;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;

use segwall_host::confine::{User, confine, unreadable};

const INSIDE: &str = "SEGWALL_TEST_CONFINED";
const READABLE: &str = "SEGWALL_TEST_READABLE";

fn main() -> ExitCode {
    if let Ok(dir) = env::var(INSIDE) {
        inside(Path::new(&dir), env::args().nth(1).as_deref());
        return ExitCode::SUCCESS;
    }
    if !segwall_host::linux::is_root() {
        eprintln!("SKIPPED: confine: this needs root");
        return ExitCode::from(u8::from(env::var("SEGWALL_NO_SKIP").is_ok_and(|value| value == "1")));
    }
    let mut failed = 0;
    for user in [Some("nobody"), None] {
        let place = tempfile::tempdir().expect("a directory");
        let dir = place.path().join("state");
        fs::create_dir(&dir).expect("a directory");
        fs::write(dir.join("old"), "old").expect("a file");
        fs::write(place.path().join("others"), "others").expect("a file");
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).expect("a mode");
        std::os::unix::fs::symlink(place.path().join("others"), dir.join("link")).expect("a link");
        fs::hard_link(place.path().join("others"), dir.join("linked")).expect("a second name");
        let this = env::current_exe().expect("this program");
        let files = tempfile::tempdir_in("/run").expect("a directory");
        make_files(files.path(), user.is_some(), &place.path().join("others"));
        let mut inside = Command::new(this);
        inside.args(user).env(INSIDE, &dir).env(READABLE, files.path());
        let done = inside.status().expect("a process");
        failed += u32::from(!done.success());
        println!("test confined as {} ... {}", user.unwrap_or("root"), if done.success() { "ok" } else { "FAILED" });
    }
    ExitCode::from(u8::from(failed > 0))
}

fn inside(dir: &Path, user: Option<&str>) {
    let above = dir.parent().expect("a directory above");
    let user = user.map(|name| User::named(name).expect("a user"));
    if let Some(user) = user {
        user.own(dir).expect("an owner");
        let owner = |path: &Path| std::os::unix::fs::MetadataExt::uid(&fs::symlink_metadata(path).expect("a file"));
        assert_eq!((owner(&above.join("others")), owner(&dir.join("link"))), (0, 0));
        assert_eq!(owner(&dir.join("old")), owner(dir));
        assert_ne!(owner(dir), 0);
        assert!(user.own(&dir.join("link")).is_err(), "a link was followed");
    }
    let files = FILES.map(|name| Path::new(&env::var(READABLE).expect("files to read")).join(name));
    let told = files.each_ref().map(|path| unreadable(user, path).expect("tried"));
    let confined = confine(user, &[dir], parent_id()).expect("confined");
    let is_readable = files.map(|path| fs::read(path).is_ok());
    assert_eq!(told.each_ref().map(Option::is_none), is_readable, "{told:?}");
    let (is_other, is_root) = (user.is_some(), user.is_none());
    assert_eq!(is_readable, [true, true, is_other, is_root, is_root, false, false]);
    assert_eq!(confined.missing, Vec::<String>::new());
    let status = fs::read_to_string("/proc/thread-self/status")
        .unwrap_or_else(|_| fs::read_to_string("/proc/self/status").expect("a status"));
    let line =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
    // CAP_NET_ADMIN is bit 12 (linux/capability.h).
    for set in ["CapEff:", "CapPrm:"] {
        assert_eq!(line(set), "0000000000001000");
    }
    for set in ["CapInh:", "CapAmb:"] {
        assert_eq!(line(set), "0000000000000000");
    }
    assert_eq!((line("NoNewPrivs:").as_str(), line("Seccomp:").as_str()), ("1", "2"));
    if user.is_some() {
        assert!(!line("Uid:").split_whitespace().any(|uid| uid == "0"), "{}", line("Uid:"));
        assert_eq!(line("Groups:"), "");
    }
    can(dir);
    cannot(dir, above, user.is_some());
}

/// Files where watching may read, as far as their owners let it.
const FILES: [&str; 7] = ["open", "group", "theirs", "secret", "below/open", "link", "missing"];

fn make_files(place: &Path, is_other_user: bool, elsewhere: &Path) {
    let of = |name: &str| place.join(name);
    fs::create_dir(of("below")).expect("a directory");
    for name in &FILES[..5] {
        fs::write(of(name), "words").expect("a file");
    }
    let modes = [
        ("open", 0o644),
        ("group", 0o640),
        ("theirs", 0o600),
        ("secret", 0o600),
        ("below/open", 0o644),
        ("below", 0o700),
        ("", 0o755),
    ];
    for (name, mode) in modes {
        fs::set_permissions(of(name), fs::Permissions::from_mode(mode)).expect("a mode");
    }
    let nobody = nix::unistd::User::from_name("nobody").expect("users").expect("a user");
    nix::unistd::chown(&of("theirs"), Some(nobody.uid), None).expect("an owner");
    if is_other_user {
        nix::unistd::chown(&of("group"), None, Some(nobody.gid)).expect("a group");
    }
    std::os::unix::fs::symlink(elsewhere, of("link")).expect("a link");
}

/// What watching takes.
fn can(dir: &Path) {
    fs::write(dir.join("old"), "new").expect("a file that was there can be written");
    fs::write(dir.join("one"), "1").expect("a file can be made");
    fs::rename(dir.join("one"), dir.join("two")).expect("a file can be renamed");
    fs::File::open(dir.join("two")).and_then(|file| file.sync_all()).expect("a file can be synced");
    fs::create_dir(dir.join("below")).expect("a directory can be made");
    fs::remove_file(dir.join("two")).expect("a file can be removed");
    UnixListener::bind(dir.join("socket")).expect("a socket can be made");
    fs::read_to_string("/etc/passwd").expect("names can be read");
    fs::read_to_string("/proc/sys/kernel/osrelease").expect("figures can be read");
    assert!("localhost:1".to_socket_addrs().is_ok_and(|mut found| found.next().is_some()), "names can be looked up");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    let answering = thread::Builder::new().name("answers".to_owned()).spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.write_all(b"yes").expect("an answer");
    });
    let mut said = String::new();
    TcpStream::connect(addr).and_then(|mut stream| stream.read_to_string(&mut said)).expect("a connection");
    assert_eq!(said, "yes");
    answering.expect("a thread").join().expect("an end");
    segwall_host::rtnl_dump::addresses().expect("netlink");
}

/// What somebody would do who took it over.
fn cannot(dir: &Path, above: &Path, is_other_user: bool) {
    let refused = |what: &str, kind: ErrorKind| assert_eq!(kind, ErrorKind::PermissionDenied, "{what}");
    refused("a program is started", Command::new("/bin/true").spawn().expect_err("a program was started").kind());
    refused("a file of others is made", fs::write(above.join("new"), "x").expect_err("a file was made").kind());
    refused("a file of others is read", fs::read(above.join("others")).expect_err("a file was read").kind());
    // Its inode lies below what may be written, so that only its owner keeps it from us.
    if is_other_user {
        refused("a linked file is written", fs::write(dir.join("linked"), "x").expect_err("a file was written").kind());
        refused("secrets are read", fs::read("/etc/shadow").expect_err("secrets were read").kind());
    }
    refused(
        "settings are written",
        fs::write("/proc/sys/net/ipv4/ip_forward", "0").expect_err("a setting was written").kind(),
    );
    // SAFETY: numbers only; the calls are refused, or make a descriptor, or return an error.
    unsafe {
        let errno = || std::io::Error::last_os_error().raw_os_error();
        assert_eq!((libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0), errno()), (-1, Some(libc::EPERM)));
        assert_eq!((libc::unshare(libc::CLONE_NEWUSER), errno()), (-1, Some(libc::EPERM)));
        assert_eq!((libc::fork(), errno()), (-1, Some(libc::EPERM)));
        assert_eq!((libc::setuid(0), errno()), (-1, Some(libc::EPERM)));
        assert_eq!((libc::kill(libc::getppid(), 0), errno()), (-1, Some(libc::EPERM)));
        assert_eq!((libc::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_UDP), errno()), (-1, Some(libc::EPERM)));
        assert_eq!(
            (libc::socketpair(libc::AF_TIPC, libc::SOCK_STREAM, 0, [0; 2].as_mut_ptr()), errno()),
            (-1, Some(libc::EPERM))
        );
        assert_eq!((libc::prctl(libc::PR_SET_PDEATHSIG, 0), errno()), (-1, Some(libc::EPERM)));
        let keeper = libc::getppid();
        assert_eq!((libc::syscall(libc::SYS_tgkill, keeper, keeper, 0), errno()), (-1, Some(libc::EPERM)));
        assert_eq!((libc::fcntl(0, libc::F_SETOWN, keeper), errno()), (-1, Some(libc::EPERM)));
        let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        let limited = libc::prlimit(keeper, libc::RLIMIT_NOFILE, &raw const limit, std::ptr::null_mut());
        assert_eq!((limited, errno()), (-1, Some(libc::EPERM)));
        assert_eq!((libc::ioctl(0, libc::TIOCSTI, c"x".as_ptr()), errno()), (-1, Some(libc::EPERM)));
    }
}
