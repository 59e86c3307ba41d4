"""A line to a far machine: far.py DELAY_MS PROGRAM... runs the program in a network namespace of its own, whose address is 10.9.0.2 and
from which this one is 10.9.0.1, each packet DELAY_MS later. The line ends with the program. For root."""

import collections
import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
# Packets on their way; more are lost, as on a real line.
PACKETS_MAX = 10_000


def open_end(address):
    """One end of the line in the namespace of now."""
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", b"far", IFF_TUN_NO_PI))
    for command in (f"ip addr add {address}/30 dev far", "ip link set far up txqueuelen 10000", "ip link set lo up"):
        subprocess.run(command.split(), check=True)
    return end


def carry(ends, delay, process):
    """Carries packets between both ends until the process ends."""
    queues = {end: collections.deque() for end in ends}
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    while process.poll() is None:
        now = time.monotonic()
        due = [queue[0][0] for queue in queues.values() if queue]
        readable, _, _ = select.select(ends, [], [], max(0, min(due, default=now + 0.1) - now))
        now = time.monotonic()
        for end in readable:
            for _ in range(64):
                try:
                    packet = os.read(end, 65_536)
                except BlockingIOError:
                    break
                if len(queues[other[end]]) < PACKETS_MAX:
                    queues[other[end]].append((now + delay, packet))
        for end, queue in queues.items():
            while queue and queue[0][0] <= now:
                try:
                    os.write(end, queue[0][1])
                except BlockingIOError:
                    break
                queue.popleft()


delay_ms, *program = sys.argv[1:]
near = open_end("10.9.0.1")
if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
    sys.exit(os.strerror(ctypes.get_errno()))
far = open_end("10.9.0.2")
process = subprocess.Popen(program)
carry([near, far], int(delay_ms) / 1000, process)
sys.exit(process.returncode)
