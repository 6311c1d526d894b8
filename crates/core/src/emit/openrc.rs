//! Services for OpenRC.

use std::fmt::Write;

use super::bundle::{Artifact, Input, MODE_PROGRAM, System, Target};
use super::daemons::{BOOT, Daemon, GUARD, WATCH, daemons, watches};
use super::dhcp::STATE_DIR;
use super::head;

pub(super) fn artifacts(input: &Input<'_>) -> Vec<Artifact> {
    let file = |name: &str, text: String| Artifact {
        mode: MODE_PROGRAM,
        ..Artifact::text(Target::Openrc, &format!("/etc/init.d/{name}"), text)
    };
    let mut list = vec![file(BOOT, boot()), file(GUARD, guard())];
    list.extend(watches(input.policy).then(|| file(WATCH, watch())));
    for daemon in daemons(input.policy, System::Alpine) {
        list.push(file(daemon.name, service(&daemon, input.file())));
    }
    list
}

/// It starts when neither the VLANs nor any address exist, and must be done before the first packet could pass.
fn boot() -> String {
    format!(
        "#!/sbin/openrc-run\n{}{}",
        head::of_program("#"),
        r#"
description="Loads the last confirmed Segwall rules, then switches forwarding on"

depend() {
    need localmount
    after sysctl hwclock modules bootmisc nftables iptables ip6tables
    before net
    provide firewall
}

start() {
    ebegin "Loading the rules of Segwall"
    /usr/bin/segwall boot start
    eend $? "Forwarding stays off: segwall doctor says what is wrong"
}

stop() {
    ebegin "Switching forwarding off"
    /usr/bin/segwall boot stop
    eend $?
}
"#
    )
}

/// Rules that somebody flushed come back, and nothing is forwarded until they have.
fn guard() -> String {
    format!(
        "#!/sbin/openrc-run\n{}{}",
        head::of_program("#"),
        r#"
description="Keeps the rules of Segwall loaded"
supervisor="supervise-daemon"
command="/usr/bin/segwall"
command_args="guard"
# What it says of what went wrong; without this nobody reads it.
error_logger="logger -t segwall-guard -p daemon.warning"
respawn_delay="2"
respawn_max="0"

depend() {
    use logger
    after segwall
}
"#
    )
}

/// It reads the policy of the generation that holds, and reads it anew by itself when that changes.
fn watch() -> String {
    format!(
        "#!/sbin/openrc-run\n{}{}",
        head::of_program("#"),
        r#"
description="Watches the traffic between the segments of Segwall"
supervisor="supervise-daemon"
command="/usr/bin/segwall"
# Such as --metrics 127.0.0.1:9273, in /etc/conf.d/segwall-watch.
command_args="watch ${WATCH_OPTS}"
# What it says of what went wrong; without this nobody reads it.
error_logger="logger -t segwall-watch -p daemon.warning"
extra_started_commands="reload"
respawn_delay="2"
respawn_max="0"

depend() {
    use logger net
    after segwall
}

reload() {
    supervise-daemon "$RC_SVCNAME" --signal HUP
}
"#
    )
}

fn service(daemon: &Daemon, file: &str) -> String {
    let mut text = format!("#!/sbin/openrc-run\n{}\n", head::of_policy("#", file));
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key}=\"{value}\"");
    };
    line("description", daemon.summary);
    line("supervisor", "supervise-daemon");
    line("command", daemon.program);
    line("command_args", &daemon.args.join(" "));
    if let Some(user) = daemon.user {
        line("command_user", user);
        let capabilities: Vec<String> =
            daemon.capabilities.iter().map(|name| format!("^{}", name.to_ascii_lowercase())).collect();
        line("capabilities", &capabilities.join(","));
    }
    // It is tried again, but not in a loop that fills the log.
    line("respawn_delay", "2");
    line("respawn_max", "10");
    line("respawn_period", "60");
    line("required_files", daemon.file);
    for (key, value) in daemon.environment {
        let _ = writeln!(text, "export {key}=\"{value}\"");
    }
    if daemon.reloads {
        text += "extra_started_commands=\"reload\"\n";
    }
    text += "\ndepend() {\n    use logger\n    after net segwall\n}\n\nstart_pre() {\n";
    if let Some((dir, owner)) = daemon.state_dir {
        // Others of ours pass through the directory of all.
        let mode = if dir == STATE_DIR { "0755" } else { "0750" };
        if dir != STATE_DIR {
            let _ = writeln!(text, "    checkpath -d -m 0755 {STATE_DIR} || return 1");
        }
        let _ = writeln!(text, "    checkpath -d -m {mode} -o {owner} {dir} || return 1");
    }
    if let Some(path) = daemon.leases_file {
        let _ = writeln!(text, "    checkpath -f -m 0644 {path} || return 1");
    }
    let _ = writeln!(text, "    {} {}\n}}", daemon.program, daemon.test_args.join(" "));
    if daemon.reloads {
        text += "\nreload() {\n    supervise-daemon \"$RC_SVCNAME\" --signal HUP\n}\n";
    }
    text
}
