//! Every file in the program that reads it, for both systems. `scripts/tools` brings the programs; what is missing is
//! skipped, loudly, or fails under `SEGWALL_NO_SKIP=1`.

use std::path::{Path, PathBuf};
use std::process::Command;

use segwall_core::emit::{self, Artifact, Facts, Input, System, Target};
use segwall_core::policy::{DhcpKind, Wiring};

use super::{SYSTEMS, Sound, at, everything, policies};

/// In a folder of its own, with the programs in the PATH, as root of a network namespace where nothing is.
fn run(folder: &Path, script: &str) -> Result<String, String> {
    use std::os::unix::fs::MetadataExt;
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin");
    let root = std::fs::metadata("/proc/self").expect("there is a /proc").uid() == 0;
    let path = format!("{}:{}:/usr/sbin:/sbin", tools.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("unshare")
        .args([if root { "-n" } else { "-Urn" }, "sh", "-ec", script])
        .current_dir(folder)
        .env("PATH", path)
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(said) } else { Err(said) }
}

/// Whether a program runs here; says so once for each test where not.
fn there(program: &str) -> bool {
    let found = run(Path::new("/"), &format!("command -v {program}"));
    if let Err(why) = &found {
        assert!(
            std::env::var_os("SEGWALL_NO_SKIP").is_none(),
            "`{program}` is missing; scripts/tools brings it: {why}"
        );
        eprintln!("SKIPPED: `{program}` is missing; scripts/tools brings it");
    }
    found.is_ok()
}

/// A folder that is taken away again.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("segwall-bundle-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self(path)
    }

    fn put(&self, artifact: &Artifact) -> String {
        let path = self.0.join(artifact.path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().expect("in a folder")).expect("it can be made");
        std::fs::write(&path, &artifact.bytes).expect("it can be written");
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a script with each file of a target as `$FILE`, and gives how many there were.
fn each(name: &str, target: Target, script: impl Fn(&Sound, &Artifact) -> String) -> usize {
    let folder = Folder::new(name);
    let mut count = 0;
    for (policy, sound) in policies() {
        for system in SYSTEMS {
            let list = everything(&sound, system).artifacts;
            for artifact in list.iter().filter(|artifact| artifact.target == target) {
                let file = folder.put(artifact);
                let script = format!("FILE={file}\n{}", script(&sound, artifact));
                let path = &artifact.path;
                run(&folder.0, &script).unwrap_or_else(|why| panic!("{policy} {system:?} {path}: {why}\n{script}"));
                count += 1;
            }
        }
    }
    count
}

/// Stand-ins for every device of a policy.
fn devices(sound: &Sound) -> String {
    let names = sound.policy.segments.iter().map(|segment| segment.device.as_str());
    let names = names.chain(sound.policy.uplinks.iter().map(|uplink| uplink.device.as_str()));
    let mut script = "ip link set lo up\n".to_owned();
    for (number, name) in names.enumerate() {
        script += &format!(
            "ip link add {name} type veth peer name peer{number}; ip link set {name} up; ip link set peer{number} up\n"
        );
    }
    for segment in &sound.policy.segments {
        for subnet in &segment.subnets {
            let len = subnet.network.prefix_len().expect("a network");
            script += &format!("ip addr add {}/{len} dev {}\n", subnet.gateway, segment.device);
        }
    }
    script
}

#[test]
fn dnsmasq_takes_its_files() {
    if there("dnsmasq") {
        // It says OK, and complains of lines nonetheless.
        let count = each("dnsmasq", Target::Dnsmasq, |_, _| {
            "said=$(dnsmasq --test --conf-file=$FILE 2>&1)\necho \"$said\"\ntest \"$said\" = 'dnsmasq: syntax check OK.'".to_owned()
        });
        assert!(count >= 12, "only {count} files");
    }
}

#[test]
fn kea_takes_its_files() {
    if there("kea-dhcp4") && there("ip") {
        let count = each("kea", Target::Kea, |sound, artifact| {
            let family = if artifact.path.contains("dhcp6") { "6" } else { "4" };
            let state = "export KEA_LOCKFILE_DIR=none KEA_DHCP_DATA_DIR=/var/lib/segwall/kea";
            format!("{}\n{state}\nkea-dhcp{family} -t $FILE", devices(sound))
        });
        assert!(count >= 8, "only {count} files");
    }
}

#[test]
fn dhcpd_takes_its_files() {
    if there("dhcpd") {
        let count = each("dhcpd", Target::Dhcpd, |_, artifact| {
            let family = if artifact.path.contains("dhcpd6") { "6" } else { "4" };
            format!("dhcpd -t -{family} -cf $FILE")
        });
        assert!(count >= 8, "only {count} files");
    }
}

#[test]
fn rsyslogd_takes_its_file() {
    if there("rsyslogd") {
        let count = each("rsyslog", Target::Rsyslog, |_, _| "rsyslogd -N1 -f $FILE".to_owned());
        assert_eq!(count, 6);
    }
}

#[test]
fn logrotate_takes_its_file() {
    if there("logrotate") {
        let count = each("logrotate", Target::Logrotate, |_, _| {
            "said=$(logrotate -d -s state $FILE 2>&1)\necho \"$said\"\n! echo \"$said\" | grep -i 'error\\|unknown\\|bad'".to_owned()
        });
        assert_eq!(count, 6);
    }
}

#[test]
fn the_shell_takes_the_services_of_openrc() {
    let count = each("openrc", Target::Openrc, |_, _| "sh -n $FILE".to_owned());
    assert!(count >= 14, "only {count} files");
}

#[test]
fn systemd_takes_its_units() {
    if !there("systemd-analyze") {
        return;
    }
    // The programs are not installed; what it says of them is not about the units.
    let count = each("systemd", Target::Systemd, |_, _| {
        "said=$(systemd-analyze verify --man=no $FILE 2>&1 || true)\n\
         ! echo \"$said\" | grep -v 'is not executable' | grep \"$(basename $FILE)\""
            .to_owned()
    });
    assert!(count >= 14, "only {count} files");
}

#[test]
fn the_kernel_knows_every_setting() {
    if !there("sysctl") {
        return;
    }
    let count = each("sysctl", Target::Sysctl, |_, _| {
        // What belongs to the whole machine cannot be written from a namespace, but read; the rest is written.
        "grep -v '^#' $FILE | grep . | while IFS='= ' read -r key value; do\n\
         path=/proc/sys/$(echo $key | tr . /)\n\
         case $key in net.netfilter.*) test -e $path || ! test -d /proc/sys/net/netfilter ;; \
         *) sysctl -q -w \"$key=$value\" && test \"$(cat $path)\" = \"$value\" ;; esac || { echo $key; exit 1; }\ndone"
            .to_owned()
    });
    assert_eq!(count, 6);
}

#[test]
fn nft_takes_the_boot_ruleset() {
    if there("nft") {
        let count = each("nft", Target::Nft, |_, _| "TZ=UTC nft -c -f $FILE".to_owned());
        assert_eq!(count, 6);
    }
}

/// What ifup would do, as its own words.
#[test]
fn ifup_makes_each_device_and_address() {
    if !there("ifup") || !there("ifquery") {
        return;
    }
    let folder = Folder::new("interfaces");
    for (name, sound) in policies() {
        let list = everything(&sound, System::Debian).artifacts;
        let artifact = list.iter().find(|artifact| artifact.target == Target::Interfaces).expect("emitted");
        let file = folder.put(artifact);
        let query =
            run(&folder.0, &format!("ifquery -i {file} --list -a")).unwrap_or_else(|why| panic!("{name}: {why}"));
        let said = run(&folder.0, &format!("ifup -n -v -a -i {file} --force --ignore-errors 2>&1; true"));
        let said = said.unwrap_or_else(|why| panic!("{name}: {why}"));
        for segment in sound.policy.segments.iter() {
            let listed = query.lines().any(|line| line == segment.device);
            assert_eq!(listed, segment.managed, "{name}: {}\n{query}", segment.device);
            if !segment.managed {
                assert!(!said.contains(&segment.device), "{name}: {}", segment.device);
                continue;
            }
            for subnet in &segment.subnets {
                let added = said.lines().any(|line| {
                    line.contains(&format!("addr add {}/", subnet.gateway)) && line.contains(&segment.device)
                });
                assert!(added, "{name}: {} on {}\n{said}", subnet.gateway, segment.device);
            }
            for route in &segment.routes {
                let line = format!("route replace {} via {} dev {}", route.to, route.via, segment.device);
                assert!(said.contains(&line), "{name}: {line}\n{said}");
            }
            if let Wiring::Vlan { trunk, id } = &segment.wiring {
                let line = format!("ip link add link {trunk} name {} type vlan id {id}", segment.device);
                assert!(said.contains(&line), "{name}: {line}\n{said}");
            }
        }
    }
}

/// A box with Kea or dhcpd: the commands that wake a server which is deaf to a device made anew.
#[test]
fn a_deaf_server_is_woken_where_its_segment_comes_up() {
    let (_, sound) = policies().remove(0);
    for (kind, woken) in [(DhcpKind::Kea, 5), (DhcpKind::IscDhcpd, 5), (DhcpKind::Dnsmasq, 0), (DhcpKind::None, 0)] {
        let mut policy = sound.policy.clone();
        policy.dhcp.kind = kind;
        for (system, command) in [
            (System::Alpine, "rc-service --ifstarted segwall-dhcp"),
            (System::Debian, "systemctl --no-block try-restart"),
        ] {
            let facts = Facts { system, memory_mib: 512 };
            let input = Input { policy: &policy, ruleset: &sound.ruleset, at: at(), facts };
            let artifact = emit::artifacts(Target::Interfaces, &input).remove(0);
            let text = String::from_utf8(artifact.bytes).expect("text");
            assert_eq!(text.matches(command).count(), woken, "{kind:?} {system:?}");
        }
    }
}
