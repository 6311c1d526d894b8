#!/usr/bin/env python3
"""A DHCP client of one exchange: asks on an interface, prints what it was offered.

    client.py INTERFACE MAC OPTION…     every option asked for is printed as NUMBER=HEX, the address as `address=`

Prints `nothing` and fails when nobody answers within five seconds.
"""
import os
import socket
import struct
import sys
import time

WAIT_S = 5
TRY_S = 1


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def discover(mac, xid, wanted):
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, xid, 0, 0x8000) + b"\0" * 16 + mac + b"\0" * 10 + b"\0" * 192
    options = b"\x63\x82\x53\x63" + b"\x35\x01\x01" + bytes([55, len(wanted), *wanted]) + b"\xff"
    payload = head + options
    udp = struct.pack("!HHHH", 68, 67, 8 + len(payload), 0) + payload
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + b"\0" * 4 + b"\xff" * 4
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return b"\xff" * 6 + mac + b"\x08\x00" + ip + udp


def offered(frame, xid):
    """The address and the options of an offer to us, or None."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 17:
        return None
    udp = 14 + (frame[14] & 15) * 4
    if struct.unpack("!HH", frame[udp:udp + 4]) != (67, 68):
        return None
    bootp = frame[udp + 8:]
    if bootp[0] != 2 or struct.unpack("!I", bootp[4:8])[0] != xid:
        return None
    options, at = {}, 240
    while at < len(bootp) and bootp[at] != 255:
        if bootp[at] == 0:
            at += 1
            continue
        length = bootp[at + 1]
        options[bootp[at]] = options.get(bootp[at], b"") + bootp[at + 2:at + 2 + length]
        at += 2 + length
    return socket.inet_ntoa(bootp[16:20]), options


def main():
    interface, mac = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", ""))
    wanted = [int(number) for number in sys.argv[3:]] or [1, 3, 6]
    xid = int.from_bytes(os.urandom(4), "big")
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    wire.bind((interface, 0))
    wire.settimeout(0.1)
    end, next_try = time.monotonic() + WAIT_S, 0
    while time.monotonic() < end:
        if time.monotonic() >= next_try:
            wire.send(discover(mac, xid, wanted))
            next_try = time.monotonic() + TRY_S
        try:
            found = offered(wire.recv(2048), xid)
        except socket.timeout:
            continue
        if found:
            address, options = found
            print(f"address={address}")
            for number in sorted(options):
                print(f"{number}={options[number].hex()}")
            return 0
    print("nothing")
    return 1


sys.exit(main())
