//! A real rsyslogd in the collector's namespace.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use segwall_host::exec;

use crate::certificates::Certificates;
use crate::world::{COLLECTOR, PORT, World, wait_for};

/// Where `scripts/tools` puts it, or the system's.
fn rsyslogd() -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin/rsyslogd");
    if tools.exists() { Some(tools) } else { exec::find("rsyslogd") }
}

/// The first program that a case needs and that is not here.
pub fn missing(case: &str) -> Option<&'static str> {
    let needs = [
        ("rsyslogd", rsyslogd().is_none()),
        ("nft", exec::find("nft").is_none()),
        ("openssl", case.contains("tls") && exec::find("openssl").is_none()),
    ];
    needs.into_iter().find(|(_, is_missing)| *is_missing).map(|(program, _)| program)
}

/// How it listens.
pub enum Input<'a> {
    Udp,
    Tcp,
    /// With this certificate; clients need none.
    Tls(&'a Certificates, &'a str),
    /// With this certificate; clients need one, too.
    MutualTls(&'a Certificates, &'a str),
}

pub struct Collector {
    child: Child,
    pub file: PathBuf,
}

impl Collector {
    /// Started, and listening.
    pub fn start(world: &World, input: &Input<'_>) -> Self {
        let file = world.path("arrived");
        let (config, log) = (world.path("rsyslog.conf"), fs::File::create(world.path("rsyslog.log")).unwrap());
        fs::write(&config, configuration(world, input)).unwrap();
        let mut command = Command::new(rsyslogd().expect("looked at before"));
        command.args(["-n", "-f"]).arg(&config).arg("-i").arg(world.path("rsyslog.pid"));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = exec::spawn(&world.collector, &mut command).unwrap();
        let collector = Self { child, file };
        if !matches!(input, Input::Udp) {
            wait_for("rsyslogd to listen", Duration::from_secs(20), || {
                world.collector.run(|| TcpStream::connect((COLLECTOR, PORT))).unwrap().is_ok()
            });
        } else {
            wait_for("rsyslogd to listen", Duration::from_secs(20), || {
                let sockets = world.collector.run(|| fs::read_to_string("/proc/thread-self/net/udp")).unwrap().unwrap();
                sockets.contains(&format!(":{PORT:04X} "))
            });
        }
        collector
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// As an init would.
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let mut ended = None;
        wait_for("rsyslogd to end", Duration::from_secs(20), || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(world: &World, input: &Input<'_>) -> String {
    let dir = world.dir.path().display();
    let (global, module, kind) = match input {
        Input::Udp => (String::new(), String::new(), "imudp"),
        Input::Tcp => (String::new(), String::new(), "imtcp"),
        Input::Tls(certificates, name) => (driver(certificates, name), mode("anon"), "imtcp"),
        Input::MutualTls(certificates, name) => (driver(certificates, name), mode("x509/certvalid"), "imtcp"),
    };
    format!(
        "global(workDirectory=\"{dir}\" maxMessageSize=\"8k\"{global})\n\
         module(load=\"{kind}\"{module})\n\
         template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
         ruleset(name=\"keep\" queue.type=\"Direct\") {{\n    \
             action(type=\"omfile\" file=\"{dir}/arrived\" template=\"raw\")\n\
         }}\n\
         input(type=\"{kind}\" address=\"{COLLECTOR}\" port=\"{PORT}\" ruleset=\"keep\")\n"
    )
}

fn driver(certificates: &Certificates, name: &str) -> String {
    let path = |file: String| certificates.path(&file).display().to_string();
    format!(
        " defaultNetstreamDriver=\"gtls\" defaultNetstreamDriverCAFile=\"{}\" \
         defaultNetstreamDriverCertFile=\"{}\" defaultNetstreamDriverKeyFile=\"{}\"",
        path("ca.pem".to_owned()),
        path(format!("{name}.pem")),
        path(format!("{name}.key")),
    )
}

fn mode(authentication: &str) -> String {
    format!(" streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"{authentication}\"")
}
