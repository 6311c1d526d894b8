"""A box in a network namespace of its own, with its own /etc and /run, and hosts behind it in further namespaces.

What the box has not here: VLANs (a veth is a segment's interface) and an init system (rc-service and rc-update are a few
lines that remember what they were told).
"""
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys

CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x00020000
LIBC = ctypes.CDLL(None, use_errno=True)

SEGMENTS = {"dmz": ("seg10", "192.168.10"), "internal": ("seg20", "192.168.20"), "server": ("seg30", "192.168.30")}

RC_SERVICE = """#!/bin/sh
while case "$1" in --*) true ;; *) false ;; esac; do shift; done
mkdir -p /run/services
case $2 in
    status) [ -e "/run/services/$1" ] ;;
    start) : >"/run/services/$1" ;;
    stop) rm -f "/run/services/$1" ;;
esac
"""
RC_UPDATE = """#!/bin/sh
while case "$1" in --*) true ;; *) false ;; esac; do shift; done
case $1 in
    add) mkdir -p "/etc/runlevels/${3:-default}" && ln -sf "/etc/init.d/$2" "/etc/runlevels/${3:-default}/$2" ;;
    del | delete) rm -f /etc/runlevels/*/"$2" ;;
esac
"""


def run(*command, check=True, **more):
    return subprocess.run(command, check=check, capture_output=True, text=True, **more)


def skip(why):
    print(f"SKIPPED: box: {why}", file=sys.stderr)
    sys.exit(1 if os.environ.get("SEGWALL_NO_SKIP") == "1" else 0)


def unshare(flags):
    if LIBC.unshare(flags) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def enter_box():
    """Makes this process the box. Nothing of the machine's own files or network is changed."""
    if os.geteuid() != 0:
        skip("needs root")
    try:
        unshare(CLONE_NEWNET | CLONE_NEWNS)
        run("mount", "--make-rprivate", "/")
        run("mount", "-t", "tmpfs", "none", "/mnt")
        for number, path in enumerate(["/etc", "/usr/local/sbin", "/var/lib"]):
            upper, work = f"/mnt/up{number}", f"/mnt/work{number}"
            os.makedirs(upper)
            os.makedirs(work)
            run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={path},upperdir={upper},workdir={work}", path)
        run("mount", "-t", "tmpfs", "none", "/run")
        run("mount", "-t", "sysfs", "none", "/sys")
    except (OSError, subprocess.CalledProcessError) as error:
        skip(f"no namespaces or overlays here: {getattr(error, 'stderr', None) or error}")
    os.makedirs("/run/openrc")
    for name, text in [("rc-service", RC_SERVICE), ("rc-update", RC_UPDATE), ("modprobe", "#!/bin/sh\n")]:
        with open(f"/usr/local/sbin/{name}", "w") as file:
            file.write(text)
        os.chmod(f"/usr/local/sbin/{name}", 0o755)
    for path in ["/etc/segwall", "/etc/network/interfaces.d"]:
        os.makedirs(path, exist_ok=True)
    with open("/etc/network/interfaces", "w") as file:
        file.write("auto lo\niface lo inet loopback\n")
    run("ip", "link", "set", "lo", "up")
    run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")


class Host:
    """A host in a segment: a process in a namespace of its own that runs what it is given and sends back what came of it."""

    def __init__(self, segment, work, *args):
        """Plugs it in; `work(stop, *args)` begins when it is told to."""
        self.segment, (self.device, net) = segment, SEGMENTS[segment]
        self.address, self.gateway = f"{net}.10", f"{net}.1"
        context = multiprocessing.get_context("fork")
        self.stop, self.ready, self.go, self.begin = (context.Event() for _ in range(4))
        self.receive, send = context.Pipe(False)
        self.process = context.Process(target=self._run, args=(send, work, args), daemon=True)
        self.process.start()
        assert self.ready.wait(10), "the host did not come up"
        run("ip", "link", "add", self.device, "type", "veth", "peer", "name", "h0")
        run("ip", "link", "set", "h0", "netns", str(self.process.pid))
        self.go.set()
        assert self.receive.recv() == "ready"

    def _run(self, send, work, args):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        unshare(CLONE_NEWNET)
        self.ready.set()
        self.go.wait(10)
        for command in [
            ["ip", "link", "set", "lo", "up"],
            ["ip", "link", "set", "h0", "up"],
            ["ip", "addr", "add", f"{self.address}/24", "dev", "h0"],
            ["ip", "route", "add", "default", "via", self.gateway],
        ]:
            subprocess.run(command, check=True)
        send.send("ready")
        self.begin.wait()
        send.send(work(self.stop, *args))

    def end(self):
        """What came of its work."""
        self.stop.set()
        assert self.receive.poll(30), f"the host in {self.segment} did not come to an end"
        result = self.receive.recv()
        self.process.join(10)
        return result
