//! Rotation of Segwall's local log.

use super::bundle::{Artifact, Target};
use super::{head, rsyslog};

pub(super) fn artifact() -> Artifact {
    // By size too: a guest that provokes log lines must not fill the disk within a week.
    let text = format!(
        "{}{} {{
    weekly
    maxsize 16M
    rotate 8
    compress
    delaycompress
    missingok
    notifempty
    create 0640 root adm
    postrotate
        if [ -s /run/rsyslogd.pid ]; then kill -HUP \"$(cat /run/rsyslogd.pid)\"; fi
    endscript
}}
",
        head::of_program("#"),
        rsyslog::LOCAL_FILE
    );
    Artifact::text(Target::Logrotate, "/etc/logrotate.d/segwall", text)
}
