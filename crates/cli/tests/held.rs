//! What is said of a box that holds a generation: in namespaces, on an `/etc` of our own.

mod program;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use program::{code, run, stderr, stdout};

const POLICY: &str = r#"
[segments.guest]
interface = "guest0"
subnets = ["192.0.2.0/24"]
dhcp = { pool = "192.0.2.100-192.0.2.109", dns = ["192.0.2.1"] }
"#;
const MANIFEST: &str = r#"{
  "number": 1, "applied_s": 1790000000, "file": "segwall.toml", "timezone": "UTC", "compiled_s": 1790000000,
  "digest": "", "version": "0.1.0", "who": {"user": "ann", "via": "tty1"}, "comment": "first", "outcome": "confirmed"
}"#;
/// A name that would clear the screen, and a line that makes no sense.
const LEASES: &str = "0 52:54:00:12:34:56 192.0.2.101 laptop *\n\
                      0 02:54:00:12:34:57 192.0.2.102 x\u{1b}[2J *\n\
                      nonsense\n";
/// Nothing of the machine's own is seen or touched: its `/etc`, `/run` and `/var/lib` are hidden, its network is another.
const SETUP: &str = r#"set -e
for dir in /etc /run /var/lib; do mount -t tmpfs tmpfs $dir; done
mkdir -p /etc/segwall/generations/000001 /var/lib/segwall
cp "$BOX/policy.toml" "$BOX/manifest.json" /etc/segwall/generations/000001/
echo 1 > /etc/segwall/confirmed
cp "$BOX/leases" /var/lib/segwall/dnsmasq.leases
exec "$@""#;

fn on_the_box(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--mount", "sh", "-c", SETUP, "sh", env!("CARGO_BIN_EXE_segwall")]);
    command.args(args).env("BOX", dir).env("TZ", "UTC").env("NO_COLOR", "1").env("COLUMNS", "100");
    command.output().expect("unshare is part of every Linux")
}

/// The box's files; `None` where namespaces are missing, which is said.
fn the_box() -> Option<tempfile::TempDir> {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in [("policy.toml", POLICY), ("manifest.json", MANIFEST), ("leases", LEASES)] {
        fs::write(dir.path().join(name), text).expect("written");
    }
    let probe = on_the_box(dir.path(), &["--version"]);
    if code(&probe) == 0 {
        return Some(dir);
    }
    assert!(std::env::var_os("SEGWALL_NO_SKIP").is_none_or(|value| value != "1"), "{}", stderr(&probe));
    eprintln!("SKIPPED: no namespaces: {}", stderr(&probe));
    None
}

#[test]
fn what_is_said_is_true_and_as_its_schema_says() {
    let Some(dir) = the_box() else { return };
    let list = dir.path().join("guest.json");
    for (command, expected, args) in [
        ("status", 1, vec!["status"]),
        ("doctor", 1, vec!["doctor", "--quick"]),
        ("drift", 1, vec!["drift"]),
        ("leases", 0, vec!["leases", "--segment", "guest"]),
        ("verify", 1, vec!["verify"]),
    ] {
        let args = [&args[..], &["--format", "json"]].concat();
        let output = on_the_box(dir.path(), &args);
        assert_eq!(code(&output), expected, "{args:?}: {}{}", stderr(&output), stdout(&output));
        check(command, &stdout(&output));
    }
    let output = on_the_box(dir.path(), &["verify", "--for", "guest"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    fs::write(&list, &output.stdout).expect("written");
    let output = on_the_box(dir.path(), &["probe", "--format", "json", list.to_str().expect("UTF-8")]);
    check("probe", &stdout(&output));
}

fn check(command: &str, text: &str) {
    let json = valid(command, text);
    assert_eq!(json["command"], command);
}

fn valid(command: &str, text: &str) -> serde_json::Value {
    let schema = serde_json::from_str(&stdout(&run(&["schema", "--output", command]))).expect("JSON");
    let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let faults: Vec<String> =
        jsonschema::validator_for(&schema).expect("a schema").iter_errors(&json).map(|e| e.to_string()).collect();
    assert_eq!(faults, Vec::<String>::new(), "segwall {command}");
    json
}

#[test]
fn people_read_what_is_wrong_and_what_to_do() {
    let Some(dir) = the_box() else { return };
    let status = stdout(&on_the_box(dir.path(), &["status"]));
    for words in [
        "generation   1",
        "ann, tty1: first",
        "rules        missing",
        "guest0",
        "missing",
        "lacks 192.0.2.1/24",
        "2 of 10 leases",
    ] {
        assert!(status.contains(words), "`{words}` in {status}");
    }
    let doctor = stdout(&on_the_box(dir.path(), &["doctor", "--quick"]));
    for words in ["FAIL table", "FAIL interface", "there is no interface guest0", "next segwall apply"] {
        assert!(doctor.contains(words), "`{words}` in {doctor}");
    }
    let drift = stdout(&on_the_box(dir.path(), &["drift"]));
    for words in ["load the rules of generation 1", "write /etc/segwall/dnsmasq.conf", "give 192.0.2.1/24 to guest0"] {
        assert!(drift.contains(words), "`{words}` in {drift}");
    }
    let leases = stdout(&on_the_box(dir.path(), &["leases"]));
    for words in ["laptop", "x\\u{1b}[2J", "made up", "2 leases", "1 line of the server's file"] {
        assert!(leases.contains(words), "`{words}` in {leases}");
    }
    let none = on_the_box(dir.path(), &["leases", "--segment", "gast"]);
    assert_eq!(code(&none), 2);
    assert!(stderr(&none).contains("there are guest"), "{}", stderr(&none));
}

/// What is run one after the other on the box, and its exit codes.
fn in_turn(dir: &Path, script: &str) -> String {
    let mut command = Command::new("unshare");
    let setup = SETUP.replace("exec \"$@\"", script);
    command.args(["--map-root-user", "--net", "--mount", "sh", "-c", &setup]);
    command.env("S", env!("CARGO_BIN_EXE_segwall")).env("BOX", dir).env("TZ", "UTC").env("NO_COLOR", "1");
    let output = command.output().expect("unshare is part of every Linux");
    stdout(&output)
}

#[test]
fn leases_are_followed() {
    let Some(dir) = the_box() else { return };
    // Each step waits until the one before was seen.
    let said = in_turn(
        dir.path(),
        "set +e
         file=/var/lib/segwall/dnsmasq.leases
         $S leases --follow --format json >/run/said 2>&1 &
         told() { for _ in $(seq 100); do [ $(grep -c . /run/said) -ge $1 ] && return; sleep 0.1; done; echo late; }
         told 2
         echo '0 52:54:00:12:34:56 192.0.2.101 desktop *' >$file.new; mv $file.new $file
         told 4
         echo '0 52:54:00:00:00:99 192.0.2.103 * *' >>$file
         told 5
         kill $!
         cat /run/said
         # Nobody reads, and nothing is to be said: it ends all the same.
         { timeout 20 $S leases --follow; echo $? >/run/code; } | head -n 1 >/run/first
         cat /run/code",
    );
    let (said, code) = said.trim_end().rsplit_once('\n').expect("two parts");
    assert_eq!(code, "0", "{said}");
    let lines: Vec<serde_json::Value> = said.lines().map(|line| valid("leases-follow", line)).collect();
    let told: Vec<String> = lines
        .iter()
        .map(|line| format!("{} {}", line["change"].as_str().unwrap(), line["address"].as_str().unwrap()))
        .collect();
    let expected =
        ["held 192.0.2.101", "held 192.0.2.102", "renewed 192.0.2.101", "released 192.0.2.102", "given 192.0.2.103"];
    assert_eq!(told, expected, "{said}");
    assert_eq!((lines[2]["name"].as_str(), lines[4]["segment"].as_str()), (Some("desktop"), Some("guest")));
}

#[test]
fn a_host_is_cut_off_and_let_go() {
    let Some(dir) = the_box() else { return };
    let said = in_turn(
        dir.path(),
        "exec 2>&1; set +e
         $S boot start
         $S quarantine 192.0.2.101 --for 1h --because 'it scans'; echo \"first $?\"
         $S quarantine --list; $S status | grep -A 9 ^quarantine; $S prove /etc/segwall/generations/000001/policy.toml | grep quarantine
         $S quarantine 192.0.2.1; echo \"own $?\"
         $S quarantine nobody; echo \"nobody $?\"
         nft flush set inet segwall quarantine4; $S quarantine --list; $S boot start; $S quarantine --list
         nft flush set inet segwall quarantine4; $S drift | grep -A 1 'not held'; $S plan --format json /etc/segwall/generations/000001/policy.toml | grep -o 'load the rules[^\"]*'
         $S boot start
         $S release 192.0.2.101; echo \"released $?\"
         $S release 192.0.2.101; echo \"again $?\"; $S quarantine --list",
    );
    for words in [
        "192.0.2.101 is cut off: 192.0.2.101\n0 open connections ended\ntraffic inside the segment guest goes on",
        "it keeps its lease, and reaches nothing else\n`segwall release 192.0.2.101` lets it go\nfirst 0\n",
        "\nquarantine\n192.0.2.101  ",
        "1 address is in quarantine: ",
        "this box's own address; switch an interface off with `ip link`\nown 4\n",
        "nobody 2\n",
        "\non the quarantine's list, and not held\n  192.0.2.101\n",
        "\nload the rules of generation 2",
        "192.0.2.101 is let go: 192.0.2.101\nreleased 0\n",
        "again 1\nnobody is in quarantine\n",
    ] {
        assert!(said.contains(words), "`{words}` in {said}");
    }
    assert_eq!(said.matches("not in the kernel").count(), 1, "flushed once, and back with the rules: {said}");
    let json = |args: &str| in_turn(dir.path(), &format!("$S boot start > /run/said; $S {args} --format json"));
    check("quarantine", &json("quarantine 192.0.2.101 --for 1h"));
    check("release", &json("release 192.0.2.101"));
}

#[test]
fn what_is_no_list_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let list = dir.path().join("list.json");
    for text in [
        "",
        "[]",
        "{\"version\": 1}",
        "{\"version\": 2, \"segment\": \"x\", \"source\": \"192.0.2.9\", \"generation\": null, \"dhcp_server\": null, \"probes\": []}",
    ] {
        fs::write(&list, text).expect("written");
        let output = run(&["probe", list.to_str().expect("UTF-8")]);
        assert_eq!(code(&output), 2, "{text}");
        assert!(stderr(&output).contains("segwall verify --for"), "{}", stderr(&output));
    }
}
