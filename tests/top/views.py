"""Views as `segwall watch` would show them: a small network for golden files, a large one for measuring."""
import ipaddress
import json
import os
import socket
import threading
import time

BEGIN_MS = 1_795_694_400_000  # 2026-11-26 12:00:00 UTC
LAST = 6
ZONES = ["dmz", "internal", "server", "management", "guest", "internet", "gateway"]


def volume(packets, size):
    return {"packets": packets, "bytes": size}


def pair(names, start, end, rate, seconds, connections=0, refused=0):
    """Carries `rate` bytes a second, a third of them from the opener."""
    sent, back = rate * seconds // 3, rate * seconds - rate * seconds // 3
    return {"from": names.index(start), "to": names.index(end), "connections": connections,
            "sent": volume(sent // 400, sent), "received": volume(back // 1000, back), "refused": refused}


def refused(number, seconds, reason, start, src, end, dst, port, proto="tcp", flags="SYN", kind=None, devices=("eth0.200", "eth0.30")):
    return {"number": number, "at_ms": BEGIN_MS + seconds * 1000, "reason": reason, "from": start, "to": end,
            "in": devices[0], "out": devices[1], "proto": proto, "src": src, "dst": dst,
            "sport": 40_000 + number if port else None, "dport": port, "type": kind, "code": 0 if kind else None,
            "flags": flags if proto == "tcp" else ""}


def flow(start, end, proto, src, sport, dst, dport, rate, seconds):
    sent, back = rate * seconds // 3, rate * seconds - rate * seconds // 3
    return {"from": ZONES.index(start), "to": ZONES.index(end), "proto": proto, "src": src, "dst": dst, "sport": sport,
            "dport": dport, "sent": volume(sent // 400, sent), "received": volume(back // 1000, back),
            "sent_s": rate // 3, "received_s": rate - rate // 3}


def talker(zone, addr, name, rate, seconds):
    return {"zone": ZONES.index(zone), "addr": addr, "name": name, "sent": volume(rate * seconds // 500, rate * seconds),
            "received": volume(rate * seconds // 900, 2 * rate * seconds), "sent_s": rate, "received_s": 2 * rate}


def alert(number, kind, severity, is_open, source, summary, count, first, last, targets=(), ports=()):
    return {"id": number, "kind": kind, "severity": severity, "open": is_open, "source": source, "summary": summary,
            "count": count, "first_ms": BEGIN_MS + first * 1000, "last_ms": BEGIN_MS + last * 1000,
            "targets": list(targets), "ports": list(ports)}


def small(at):
    """The view of second `at`; the table of connections is listed every other second."""
    listed = at // 2 * 2
    seconds = 3_600 + listed
    rows = [("dmz", "internet", 40_000, 120, 0), ("internal", "dmz", 260_000, 310, 0),
            ("internal", "internet", 5_400_000, 2_350, 3), ("internal", "server", 1_150_000, 940, 0),
            ("server", "internet", 9_000, 44, 0), ("management", "server", 1_200, 3, 0),
            ("management", "gateway", 800, 1, 0), ("guest", "internet", 12_600_000, 8_100, 0),
            ("internet", "dmz", 730_000, 6_200, 0), ("internet", "gateway", 0, 0, 1_000 + 7 * at)]
    pairs = [pair(ZONES, start, end, rate, seconds, begun + 2 * at, drops) for start, end, rate, begun, drops in rows]
    pairs.append({**pair(ZONES, "guest", "server", 0, seconds), "refused": 412 + 3 * at})
    pairs.sort(key=lambda one: (one["from"], one["to"]))
    interfaces = []
    for name, zone, up, rate in (("eth0", None, True, 21_000_000), ("eth0.10", "dmz", True, 1_030_000),
                                 ("eth0.100", "management", True, 2_000), ("eth0.20", "internal", True, 6_810_000),
                                 ("eth0.200", "guest", True, 12_600_000), ("eth0.30", "server", False, 0),
                                 ("eth1", "internet", True, 18_800_000), ("lo", None, True, 90)):
        all_s = 3_600 + at
        interfaces.append({"name": name, "zone": ZONES.index(zone) if zone else None, "up": up,
                           "received": volume(rate * all_s // 3 // 400, rate * all_s // 3),
                           "sent": volume(rate * all_s // 1000, rate * all_s), "errors": 4 if name == "eth1" else 0, "dropped": 0})
    drops = [refused(1, -65, "not-syn", "internal", "192.168.20.31", "internet", "203.0.113.80", 443, flags="ACK FIN",
                     devices=("eth0.20", "eth1")),
             refused(2, -31, "spoofed", "guest", "10.0.0.9", "gateway", "192.168.200.1", 53, proto="udp", devices=("eth0.200", "")),
             refused(3, -8, "unnamed", "internet", "198.51.100.77", "gateway", "203.0.113.2", 22, devices=("eth1", "")),
             refused(4, -5, "unnamed", "guest", "192.168.200.61", "server", "192.168.30.10", None, proto="icmp", kind=8),
             refused(5, 0, "unnamed", "guest", "192.168.200.61", "server", "192.168.30.10", 22)]
    drops = drops[:4] if at < 1 else drops
    flows = [flow("guest", "internet", "udp", "192.168.200.61", 51_823, "2001:db8:85a3::8a2e:370:7334", 443, 9_900_000, listed + 40),
             flow("internal", "internet", "tcp", "192.168.20.31", 50_122, "203.0.113.80", 443, 4_800_000, listed + 90),
             flow("guest", "internet", "tcp", "192.168.200.77", 41_000, "198.51.100.12", 443, 2_300_000, listed + 10),
             flow("internal", "server", "tcp", "192.168.20.42", 49_555, "192.168.30.20", 5432, 900_000, listed + 900),
             flow("internet", "dmz", "tcp", "198.51.100.200", 33_221, "192.168.10.10", 443, 610_000, listed + 4),
             flow("management", "server", "tcp", "192.168.100.9", 52_001, "192.168.30.20", 22, 1_100, listed + 4_000),
             flow("internal", "dmz", "icmp", "192.168.20.31", None, "192.168.10.10", None, 0, 1)]
    talkers = [talker("dmz", "192.168.10.10", "web", 730_000, seconds), talker("internal", "192.168.20.31", None, 1_600_000, seconds),
               talker("internal", "192.168.20.42", "x\u001b[2J\u202ey", 310_000, seconds),
               talker("server", "192.168.30.20", None, 380_000, seconds), talker("server", "192.168.30.10", "resolver", 0, seconds),
               talker("guest", "192.168.200.61", None, 3_400_000, seconds)]
    talkers += [talker("guest", f"192.168.200.{77 + more}", None, 700_000 // (more + 1), seconds) for more in range(6)]
    alerts = [alert(3, "scan-vertical", "warning", True, "192.168.200.61",
                    "192.168.200.61 in guest scans 192.168.30.10 on 12 ports: TCP SYN, 40 probes", 40, -50, 0,
                    ["192.168.30.10"], ["tcp/21", "tcp/22", "tcp/23", "tcp/25"]),
              alert(2, "link-down", "warning", True, "eth0.30", "eth0.30 is down", 1, -600, -600),
              alert(1, "unknown-device", "notice", False, "02:00:00:00:00:07", "a card that nobody knows is in guest: 02:00:00:00:00:07",
                    1, -3_000, -2_940)]
    zones = [{"name": name, "hosts": sum(one["zone"] == place for one in talkers)} for place, name in enumerate(ZONES)]
    return {"shape": 1, "segwall": "0.1.0", "at_ms": BEGIN_MS + at * 1000, "since_ms": BEGIN_MS - 86_400_000,
            "listed_ms": BEGIN_MS + listed * 1000, "policy": "generation 7", "zones": zones, "pairs": pairs,
            "interfaces": interfaces, "talkers": talkers, "flows": flows, "flows_open": 1_482, "drops": drops, "alerts": alerts,
            "conntrack": {"count": 1_482, "max": 262_144}, "table": True, "lost": [],
            "left_out": {"pairs": 0, "talkers": 0, "flows": 1_475}}


def large(at, segments=1_000, busy=30_000):
    """A thousand segments; every segment speaks with thirty others."""
    names = [f"segment-{place:04}" for place in range(segments)] + ["internet", "gateway"]
    each, listed = busy // segments, at // 2 * 2
    pairs = []
    for start in range(segments):
        for step in range(each):
            end = (start + 1 + step * (segments // each)) % segments
            rate = 1_000 + (start * 37 + step * 7_919) % 900_000
            size = rate * (3_600 + listed)
            pairs.append({"from": start, "to": end, "connections": 100 + at, "sent": volume(size // 400, size),
                          "received": volume(size // 900, 2 * size), "refused": (start + step) % 5 * at})
    pairs.sort(key=lambda one: (one["from"], one["to"]))
    view = small(LAST)
    interfaces = [{"name": f"eth0.{place}", "zone": place, "up": True, "received": volume(at * 900 + place, at * 1_000_000 + place),
                   "sent": volume(at * 700 + place, at * 900_000), "errors": 0, "dropped": 0} for place in range(segments)]
    interfaces.sort(key=lambda one: one["name"])
    talkers = [{"zone": place, "addr": str(ipaddress.ip_address(0x0A00_0000 + place * 256 + host)), "name": None,
                "sent": volume(at * 90, at * 90_000), "received": volume(at * 90, at * 80_000), "sent_s": 90_000, "received_s": 80_000}
               for place in range(segments) for host in (1, 2, 3, 4)]
    flows = [{**view["flows"][at % 3], "from": place % segments, "sport": 1024 + place} for place in range(500)]
    return {**view, "at_ms": BEGIN_MS + at * 1000, "listed_ms": BEGIN_MS + listed * 1000,
            "zones": [{"name": name, "hosts": 4} for name in names], "pairs": pairs, "interfaces": interfaces,
            "talkers": talkers[:4_096], "flows": flows, "drops": view["drops"] * 40}


class Served(threading.Thread):
    """Serves lines on a Unix socket: `views[0]`, `views[1]`, ..., and then nothing more. Only one looks on at a time."""

    def __init__(self, path, views, pause_s, repeat=False):
        super().__init__(daemon=True)
        self.path, self.pause_s, self.repeat = path, pause_s, repeat
        self.lines = [json.dumps(view, separators=(",", ":")).encode() + b"\n" for view in views]
        self.stream = self.listener = None
        self.open()

    def open(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()

    def close(self):
        """As when the daemon is killed."""
        os.unlink(self.path)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if self.stream:
            self.stream.shutdown(socket.SHUT_RDWR)

    def run(self):
        while True:
            try:
                self.stream, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(self.stream,), daemon=True).start()

    def serve(self, stream):
        due = time.monotonic()
        try:
            while True:
                for line in self.lines:
                    stream.sendall(line)
                    due += self.pause_s
                    time.sleep(max(0, due - time.monotonic()))
                if not self.repeat:
                    return stream.recv(1)
        except OSError:
            return None
