"""What hosts do: send what is forbidden, what is allowed, and count what comes through."""
import array
import os
import select
import socket
import threading
import time

PAUSE_S = 0.0002
ECHO_S = 0.02
STALL_S = 10.0


def blast(stop, targets):
    """Sends to every (address, port) by UDP as fast as a core gives; and TCP SYNs now and then. Gives how many."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setblocking(False)
    sent = 0
    while not stop.is_set():
        for target in targets:
            for _ in range(8):
                try:
                    udp.sendto(b"forbidden", target)
                    sent += 1
                except OSError:
                    pass
        time.sleep(PAUSE_S)
    return sent


def _listen(port):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("0.0.0.0", port))
    return udp


def serve(stop, forbidden_port, timed_port, echo_port):
    """Counts what comes to the forbidden port, notes when what comes to the timed one was sent (and answers it), and echoes
    TCP. Gives (forbidden, [when sent])."""
    forbidden, timed = _listen(forbidden_port), _listen(timed_port)
    listener = socket.create_server(("0.0.0.0", echo_port), backlog=128)
    open_sockets = [forbidden, timed, listener]
    count, times = 0, array.array("q")
    while not stop.is_set():
        for ready in select.select(open_sockets, [], [], 0.05)[0]:
            if ready is forbidden:
                ready.recv(64)
                count += 1
            elif ready is timed:
                data, peer = ready.recvfrom(64)
                times.append(int(data))
                ready.sendto(data, peer)
            elif ready is listener:
                open_sockets.append(listener.accept()[0])
            else:
                try:
                    data = ready.recv(4096)
                    if data:
                        ready.sendall(data)
                except OSError:
                    data = b""
                if not data:
                    open_sockets.remove(ready)
                    ready.close()
    return count, times


def use(stop, echo, timed, connections):
    """Keeps TCP connections busy and sends timed UDP. Gives (connections broken, longest stall in s, echoes, new connections
    refused, new connections made, UDP sent)."""
    result = {"broken": 0, "stall_s": 0.0, "echoes": 0, "refused": 0, "made": 0, "sent": 0, "why": "none broke"}
    lock = threading.Lock()

    def keep():
        try:
            with socket.create_connection(echo, timeout=STALL_S) as tcp:
                tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while not stop.is_set():
                    begin = time.monotonic()
                    message = os.urandom(32)
                    tcp.sendall(message)
                    got = b""
                    while len(got) < len(message):
                        part = tcp.recv(64)
                        if not part:
                            raise OSError("closed")
                        got += part
                    took = time.monotonic() - begin
                    with lock:
                        result["echoes"] += 1
                        result["stall_s"] = max(result["stall_s"], took)
                    time.sleep(ECHO_S)
        except OSError as error:
            if not stop.is_set():
                with lock:
                    result["broken"] += 1
                    result["why"] = f"{error}, {result['echoes']} echoes in"

    def make():
        while not stop.is_set():
            try:
                socket.create_connection(echo, timeout=1.0).close()
                made = "made"
            except OSError:
                made = "refused"
            with lock:
                result[made] += 1
            time.sleep(ECHO_S)

    def send():
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setblocking(False)
        while not stop.is_set():
            try:
                udp.sendto(str(time.monotonic_ns()).encode(), timed)
                result["sent"] += 1
            except OSError:
                pass
            time.sleep(ECHO_S / 10)

    # All hosts begin at once; who listens may be a moment behind.
    begun = time.monotonic()
    while time.monotonic() - begun < STALL_S:
        try:
            socket.create_connection(echo, timeout=1.0).close()
            break
        except OSError:
            time.sleep(ECHO_S)
    threads = [threading.Thread(target=work, daemon=True) for work in [keep] * connections + [make, send]]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join(STALL_S)
    return result
