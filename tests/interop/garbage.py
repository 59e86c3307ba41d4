"""Peers that do not speak MQTT, or speak it badly, on raw sockets: HOST PORT.

The broker must close them, or wait for the rest, and must serve the next client as if nothing had happened.
"""

import random
import socket
import sys
import time

HOST, PORT = sys.argv[1], int(sys.argv[2])
SEED = 20_240_229
CONNECT_311 = bytes.fromhex("10 10 0004 4d515454 04 02 003c 0004") + b"test"
CONNECT_5 = bytes.fromhex("10 11 0004 4d515454 05 02 003c 00 0004") + b"test"


def opened():
    connection = socket.create_connection((HOST, PORT), timeout=15)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def served():
    """A well-behaved client connects and gets its CONNACK and PINGRESP."""
    with opened() as connection:
        connection.sendall(CONNECT_311 + b"\xc0\x00")
        return exactly(connection, 6) == b"\x20\x02\x00\x00\xd0\x00"


def exactly(connection, count):
    received = b""
    while len(received) < count:
        chunk = connection.recv(count - len(received))
        if not chunk:
            break
        received += chunk
    return received


def closed(connection):
    """Whether the broker ends the connection; what it says before does not matter."""
    try:
        while connection.recv(4096):
            pass
        return True
    except ConnectionResetError:
        return True
    except socket.timeout:
        return False


def refused(*chunks):
    with opened() as connection:
        try:
            for chunk in chunks:
                connection.sendall(chunk)
        except (BrokenPipeError, ConnectionResetError):
            return True
        return closed(connection)


def random_bytes():
    generator = random.Random(SEED)
    for _ in range(300):
        with opened() as connection:
            try:
                connection.sendall(generator.randbytes(generator.randrange(1, 400)))
            except OSError:
                pass
    return True


def damaged_packets():
    """Valid packets with bytes changed, cut off or repeated, before and after CONNECT."""
    generator = random.Random(SEED + 1)
    packets = [
        CONNECT_311,
        CONNECT_5,
        bytes.fromhex("82 08 0001 0003 612f62 01"),
        bytes.fromhex("82 09 0001 00 0003 612f62 01"),
        bytes.fromhex("32 08 0001 61 0001") + b"xyz",
        bytes.fromhex("40 02 0001"),
        bytes.fromhex("62 02 0001"),
        bytes.fromhex("a2 07 0001 0003 612f62"),
        bytes.fromhex("e0 00"),
    ]
    for _ in range(500):
        stream = bytearray()
        if generator.random() < 0.7:
            stream += generator.choice([CONNECT_311, CONNECT_5])
        for _ in range(generator.randrange(1, 4)):
            packet = bytearray(generator.choice(packets))
            for _ in range(generator.randrange(3)):
                packet[generator.randrange(len(packet))] = generator.randrange(256)
            stream += packet[: generator.randrange(1, len(packet) + 1)] if generator.random() < 0.2 else packet
        with opened() as connection:
            try:
                connection.sendall(stream)
            except OSError:
                pass
    return True


def byte_by_byte():
    with opened() as connection:
        for byte in CONNECT_311:
            connection.sendall(bytes([byte]))
        return exactly(connection, 4) == b"\x20\x02\x00\x00"


def all_at_once():
    """CONNECT, SUBSCRIBE, PUBLISH and PINGREQ in one segment, without waiting for any answer."""
    subscribe = bytes.fromhex("82 0b 0001 0006") + b"pipe/a" + b"\x00"
    publish = bytes.fromhex("30 0a 0006") + b"pipe/a" + b"hi"
    with opened() as connection:
        connection.sendall(CONNECT_311 + subscribe + publish + b"\xc0\x00")
        received = exactly(connection, 4 + 5 + 12 + 2)
        return received[:4] == b"\x20\x02\x00\x00" and publish in received and b"\xd0\x00" in received


def idle_strangers():
    """Connections that say nothing do not keep others out."""
    strangers = [opened() for _ in range(200)]
    good = served()
    for connection in strangers:
        connection.close()
    return good


def main():
    print(f"garbage: seed {SEED}", flush=True)
    checks = {
        "HTTP is refused": lambda: refused(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        "a packet before CONNECT is refused": lambda: refused(b"\xc0\x00"),
        "a second CONNECT is refused": lambda: refused(CONNECT_311, CONNECT_311),
        "a Remaining Length of five bytes is refused": lambda: refused(b"\x10\xff\xff\xff\xff\x7f"),
        "a CONNECT that announces 256 MB is refused": lambda: refused(b"\x10\xff\xff\xff\x7f"),
        "a reserved packet type is refused": lambda: refused(CONNECT_311, b"\x00\x00"),
        "QoS 3 is refused": lambda: refused(CONNECT_311, b"\x36\x05\x00\x01a\x00\x01"),
        "a topic name with a wildcard is refused": lambda: refused(CONNECT_311, b"\x30\x03\x00\x01#"),
        "a SUBSCRIBE with wrong flags is refused": lambda: refused(CONNECT_311, bytes.fromhex("80 06 0001 0001 61 00")),
        "a client that sends byte by byte is served": byte_by_byte,
        "a client that does not wait for answers is served": all_at_once,
        "random bytes": random_bytes,
        "damaged packets": damaged_packets,
        "connections that say nothing": idle_strangers,
    }
    for name, check in checks.items():
        began = time.monotonic()
        try:
            good = check() and served()
            detail = f" ({time.monotonic() - began:.1f} s)"
        except OSError as error:
            good, detail = False, f" ({error!r})"
        print("ok" if good else "FAIL", name + ("" if good else detail), flush=True)


main()
