//! Whatever decides beside nftables is found. BPF programs need real root, so this runs before any namespace of users.

use std::os::fd::{FromRawFd, OwnedFd};
use std::process::Command;

use segwall_host::netns::Netns;
use segwall_host::others::filters;

pub const OUTSIDE: &[crate::harness::Case] =
    &[("whatever_decides_beside_nftables_is_found", whatever_decides_beside_nftables_is_found)];

fn sh(netns: &Netns, script: &str) {
    let out = netns.run(|| Command::new("sh").args(["-ec", script]).output().unwrap()).unwrap();
    assert!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
}

fn whatever_decides_beside_nftables_is_found() {
    if !nix::unistd::geteuid().is_root() {
        assert!(!crate::harness::must_run(), "BPF programs can be attached by root only");
        eprintln!("SKIPPED: BPF programs can be attached by root only");
        return;
    }
    let netns = Netns::create().unwrap();
    let found = || netns.run(|| filters(&["lan0", "lan1"])).unwrap();
    sh(
        &netns,
        "PATH=$PATH:/usr/sbin:/sbin; ip link add lan0 type veth peer name far0; ip link add lan1 type veth peer name far1",
    );
    let other = found();
    assert!(other.is_empty(), "an empty namespace: {other:?}");

    // A queueing discipline alone decides nothing.
    sh(&netns, "PATH=$PATH:/usr/sbin:/sbin; tc qdisc add dev lan0 clsact; tc qdisc add dev lan1 ingress");
    assert_eq!(found(), other);
    let all = "bytecode '1,6 0 0 4294967295'";
    for (add, del) in [
        (format!("dev lan0 ingress bpf {all}"), "dev lan0 ingress"),
        (format!("dev lan0 egress bpf {all}"), "dev lan0 egress"),
        (format!("dev lan1 parent ffff: bpf {all}"), "dev lan1 parent ffff:"),
    ] {
        sh(&netns, &format!("PATH=$PATH:/usr/sbin:/sbin; tc filter add {add}"));
        assert_eq!(found().len(), 1, "{add}: {:?}", found());
        assert!(found()[0].starts_with("tc has filters of kind bpf on lan"), "{:?}", found());
        sh(&netns, &format!("PATH=$PATH:/usr/sbin:/sbin; tc filter del {del}"));
        assert_eq!(found(), other);
    }

    sh(&netns, "PATH=$PATH:/usr/sbin:/sbin; ip link add br0 type bridge; ip link set far1 master br0");
    assert_eq!(found(), other, "a port that the policy does not name");
    sh(&netns, "PATH=$PATH:/usr/sbin:/sbin; ip link set lan0 master br0");
    assert_eq!(found(), ["lan0 is a port of br0 (bridge), which takes its packets"]);
    sh(&netns, "PATH=$PATH:/usr/sbin:/sbin; ip link del br0");

    let index = netns.run(|| nix::net::if_::if_nametoindex("lan1").unwrap()).unwrap();
    for (program, attach, at, words) in [
        (PROG_XDP, ATTACH_XDP, index, "an XDP program sees packets of lan1 before any rule"),
        (PROG_SCHED_CLS, ATTACH_TCX_INGRESS, index, "a BPF program sees incoming packets of lan1"),
        (PROG_NETFILTER, ATTACH_NETFILTER, 0, "a BPF program is attached to a hook of netfilter"),
    ] {
        let link = netns.run(|| attach_program(program, attach, at)).unwrap();
        assert_eq!(found(), [words]);
        drop(link);
        assert_eq!(found(), other, "after {words}");
    }
}

// `linux/bpf.h`.
const BPF_PROG_LOAD: i32 = 5;
const BPF_LINK_CREATE: i32 = 28;
const PROG_SCHED_CLS: u32 = 3;
const PROG_XDP: u32 = 6;
const PROG_NETFILTER: u32 = 32;
const ATTACH_XDP: u32 = 37;
const ATTACH_NETFILTER: u32 = 45;
const ATTACH_TCX_INGRESS: u32 = 46;
const NFPROTO_IPV4: u32 = 2;
const FORWARD: u32 = 2;

/// `r0 = 1; exit`: accept to netfilter, drop to XDP on an interface that is down.
const PROGRAM: [u64; 2] = [0x0000_0001_0000_00b7, 0x0000_0000_0000_0095];

fn attach_program(kind: u32, attach: u32, index: u32) -> OwnedFd {
    let licence = c"GPL";
    let mut load = [0u64; 16];
    load[0] = u64::from(kind) | (PROGRAM.len() as u64) << 32;
    load[1] = PROGRAM.as_ptr().expose_provenance() as u64;
    load[2] = licence.as_ptr().expose_provenance() as u64;
    // `expected_attach_type` stands at byte 68.
    load[8] = u64::from(if kind == PROG_NETFILTER { attach } else { 0 }) << 32;
    let program = call(BPF_PROG_LOAD, &mut load);
    let mut link = [0u64; 16];
    let raw = std::os::fd::AsRawFd::as_raw_fd(&program);
    link[0] = u64::from(u32::try_from(raw).unwrap()) | u64::from(index) << 32;
    link[1] = u64::from(attach);
    if kind == PROG_NETFILTER {
        link[2] = u64::from(NFPROTO_IPV4) | u64::from(FORWARD) << 32;
        link[3] = 100;
    }
    call(BPF_LINK_CREATE, &mut link)
}

fn call(command: i32, attr: &mut [u64; 16]) -> OwnedFd {
    let len = size_of_val(attr);
    let result = unsafe { nix::libc::syscall(nix::libc::SYS_bpf, command, attr.as_mut_ptr(), len) };
    assert!(result >= 0, "bpf({command}): {}", std::io::Error::last_os_error());
    unsafe { OwnedFd::from_raw_fd(i32::try_from(result).unwrap()) }
}
