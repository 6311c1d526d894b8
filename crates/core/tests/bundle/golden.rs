//! Every file of the examples, beside this file. `UPDATE_GOLDEN=1` writes anew; a person reads the diff.

use std::fs;
use std::path::Path;

use segwall_core::emit::{self, Facts, System, Target};
use segwall_core::policy::DhcpKind;

use super::{SYSTEMS, at, everything, policies};

#[test]
fn every_file_is_as_it_was_read() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for (name, sound) in policies() {
        for system in SYSTEMS {
            for artifact in everything(&sound, system).artifacts {
                // Rulesets have golden files of their own.
                if matches!(artifact.target, Target::Nft | Target::Iptables | Target::Ip6tables) {
                    continue;
                }
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundle/golden").join(name);
                let path = match artifact.target {
                    // The only one that depends on the system.
                    Target::Interfaces => folder.join(format!("interfaces.{system:?}").to_lowercase()),
                    _ => folder.join(artifact.path.trim_start_matches('/')),
                };
                if update {
                    fs::create_dir_all(path.parent().expect("in a folder")).expect("the folder can be made");
                    fs::write(&path, &artifact.bytes).expect("the folder can be written");
                    continue;
                }
                let wanted = fs::read(&path).unwrap_or_default();
                assert!(
                    wanted == artifact.bytes,
                    "{} differs (UPDATE_GOLDEN=1 writes it anew):\n{}",
                    path.display(),
                    String::from_utf8_lossy(&artifact.bytes)
                );
            }
        }
    }
}

#[test]
fn a_box_gets_nothing_that_contends() {
    for (name, sound) in policies() {
        for system in SYSTEMS {
            for kind in [DhcpKind::Dnsmasq, DhcpKind::Kea, DhcpKind::IscDhcpd, DhcpKind::None] {
                let mut policy = sound.policy.clone();
                policy.dhcp.kind = kind;
                let facts = Facts { system, memory_mib: 256 };
                let bundle = emit::bundle(&policy, &sound.ruleset, at(), &facts);
                let has = |path: &str| bundle.artifacts.iter().any(|artifact| artifact.path.starts_with(path));
                assert!(has("/etc/segwall/segwall.nft") && !has("/etc/segwall/iptables.rules"), "{name}");
                assert_eq!(
                    (has("/etc/init.d/"), has("/etc/systemd/")),
                    (system == System::Alpine, system == System::Debian)
                );
                let servers = ["/etc/segwall/kea-dhcp4.conf", "/etc/segwall/dhcpd.conf"].map(has);
                assert_eq!(servers, [kind == DhcpKind::Kea, kind == DhcpKind::IscDhcpd], "{name} {kind:?}");
                let leasing = bundle
                    .artifacts
                    .iter()
                    .filter(|artifact| artifact.path == "/etc/segwall/dnsmasq.conf")
                    .any(|artifact| String::from_utf8_lossy(&artifact.bytes).contains("dhcp-authoritative"));
                assert_eq!(leasing, kind == DhcpKind::Dnsmasq, "{name} {kind:?}");
                assert_eq!(bundle.services().contains(&"segwall-dhcp".to_owned()), kind != DhcpKind::None);
                let sorted = bundle.artifacts.windows(2).all(|pair| pair[0].path < pair[1].path);
                assert!(sorted, "each path once, in order");
            }
        }
    }
}

#[test]
fn forwarding_is_switched_on_by_the_boot_service_alone() {
    for (name, sound) in policies() {
        for artifact in everything(&sound, System::Alpine).artifacts {
            let text = String::from_utf8_lossy(&artifact.bytes).into_owned();
            let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            for line in code {
                assert!(!line.contains("ip_forward") && !line.contains("all.forwarding"), "{name} {}", artifact.path);
            }
        }
    }
}

#[test]
fn the_digest_sees_every_byte_mode_and_path() {
    let (_, sound) = policies().remove(0);
    let bundle = everything(&sound, System::Alpine);
    assert_eq!(bundle.digest(), everything(&sound, System::Alpine).digest());
    assert_eq!(bundle.digest().len(), 64);
    let changed = |change: fn(&mut emit::Artifact)| {
        let mut other = bundle.clone();
        change(&mut other.artifacts[3]);
        other.digest()
    };
    assert_ne!(bundle.digest(), changed(|artifact| artifact.bytes.push(b'\n')));
    assert_ne!(bundle.digest(), changed(|artifact| artifact.mode = 0o666));
    assert_ne!(bundle.digest(), changed(|artifact| artifact.path.push('x')));
}

#[test]
fn every_file_says_whose_it_is() {
    let ours = segwall_core::source::OURS;
    for (_, sound) in policies() {
        for artifact in everything(&sound, System::Debian).artifacts {
            let text = String::from_utf8_lossy(&artifact.bytes).into_owned();
            let line = text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
            assert!(line.contains(ours), "{}: {line}", artifact.path);
        }
    }
}
