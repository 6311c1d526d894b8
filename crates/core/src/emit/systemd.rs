//! Services for systemd.

use std::fmt::Write;

use super::bundle::{Artifact, Input, System, Target};
use super::daemons::{BOOT, Daemon, GUARD, WATCH, daemons, watches};
use super::head;

pub(super) fn artifacts(input: &Input<'_>) -> Vec<Artifact> {
    let file = |name: &str, text: String| {
        Artifact::text(Target::Systemd, &format!("/etc/systemd/system/{name}.service"), text)
    };
    let mut list = vec![file(BOOT, boot()), file(GUARD, guard())];
    list.extend(watches(input.policy).then(|| file(WATCH, watch())));
    for daemon in daemons(input.policy, System::Debian) {
        list.push(file(daemon.name, service(&daemon, input.file())));
    }
    list
}

/// What no service of ours needs.
const HARDENING: &str = "NoNewPrivileges=yes
ProtectHome=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6 AF_PACKET
";

/// It starts when neither the VLANs nor any address exist, and must be done before the first packet could pass.
fn boot() -> String {
    // Kernel settings are written (forwarding) and modules may be loaded on the kernel's own account, so neither is
    // forbidden; nor is entering a network namespace, in which nft is run, this box's own too.
    format!(
        "{}{}{HARDENING}{}",
        head::of_program("#"),
        "
[Unit]
Description=Load the last confirmed Segwall rules, then switch forwarding on
Documentation=man:segwall(1)
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=local-fs.target systemd-sysctl.service systemd-modules-load.service nftables.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/segwall boot start
ExecStop=/usr/bin/segwall boot stop
",
        "RestrictNamespaces=net
ProtectSystem=yes

[Install]
WantedBy=sysinit.target
"
    )
}

/// Rules that somebody flushed come back, and nothing is forwarded until they have.
fn guard() -> String {
    format!(
        "{}{}{HARDENING}{}",
        head::of_program("#"),
        "
[Unit]
Description=Keep the rules of Segwall loaded
Documentation=man:segwall(1)
After=segwall.service
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/usr/bin/segwall guard
Restart=always
RestartSec=2
",
        "RestrictNamespaces=net
ProtectSystem=yes

[Install]
WantedBy=multi-user.target
"
    )
}

/// It reads the policy of the generation that holds, and reads it anew by itself when that changes.
fn watch() -> String {
    format!(
        "{}{}{HARDENING}{}",
        head::of_program("#"),
        "
[Unit]
Description=Watch the traffic between the segments of Segwall
Documentation=man:segwall(1)
After=network.target segwall.service
StartLimitIntervalSec=0

[Service]
Type=notify
# Such as WATCH_OPTS=--metrics 127.0.0.1:9273
EnvironmentFile=-/etc/default/segwall-watch
ExecStart=/usr/bin/segwall watch $WATCH_OPTS
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=2
WatchdogSec=60
TimeoutStopSec=10
LogsDirectory=segwall
LogsDirectoryMode=0750
StateDirectory=segwall/watch
StateDirectoryMode=0750
# The list of quarantined hosts and the lock, for on_alert.
ReadWritePaths=-/etc/segwall
RuntimeDirectory=segwall
RuntimeDirectoryPreserve=yes
# The first stays with the process that reads packets, as the user segwall; the others are for starting and ending it.
CapabilityBoundingSet=CAP_NET_ADMIN CAP_SETUID CAP_SETGID CAP_CHOWN CAP_DAC_READ_SEARCH CAP_KILL
KillMode=mixed
",
        "RestrictNamespaces=yes
ProtectSystem=strict
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectClock=yes
PrivateTmp=yes
PrivateDevices=yes

[Install]
WantedBy=multi-user.target
"
    )
}

fn service(daemon: &Daemon, file: &str) -> String {
    let mut text = head::of_policy("#", file);
    let _ = write!(
        text,
        "
[Unit]
Description={}
After=network.target segwall.service
StartLimitIntervalSec=60
StartLimitBurst=10

[Service]
Type=exec
ExecStartPre={} {}
ExecStart={} {}
",
        daemon.summary,
        daemon.program,
        daemon.test_args.join(" "),
        daemon.program,
        daemon.args.join(" "),
    );
    if daemon.reloads {
        text += "ExecReload=/bin/kill -HUP $MAINPID\n";
    }
    text += "Restart=always\nRestartSec=2\n";
    let capabilities = daemon.capabilities.join(" ");
    if let Some(user) = daemon.user {
        let _ = writeln!(text, "User={user}\nAmbientCapabilities={capabilities}");
    }
    let _ = writeln!(text, "CapabilityBoundingSet={capabilities}");
    for (key, value) in daemon.environment {
        let _ = writeln!(text, "Environment={key}={value}");
    }
    if let Some((dir, _)) = daemon.state_dir {
        let _ = writeln!(text, "StateDirectory={}", dir.trim_start_matches("/var/lib/"));
    }
    if let Some(path) = daemon.leases_file {
        let _ = writeln!(text, "ExecStartPre=/bin/touch {path}");
    }
    // Debian's profile for the server knows its usual files only; what follows confines it instead.
    text += "AppArmorProfile=-unconfined\n";
    text + HARDENING
        + "ProtectClock=yes\nRestrictNamespaces=yes\nProtectSystem=strict\nProtectKernelTunables=yes\nProtectKernelModules=yes\nPrivateTmp=yes\nPrivateDevices=yes\n\n[Install]\nWantedBy=multi-user.target\n"
}
