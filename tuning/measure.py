"""Starts a program under a setting for which there is no command: measure.py timer-slack|slice NANOSECONDS PROGRAM..."""

import ctypes
import os
import struct
import sys

PR_SET_TIMERSLACK = 29
SYS_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}

libc = ctypes.CDLL(None, use_errno=True)
setting, nanoseconds, *program = sys.argv[1:]
if setting == "timer-slack":
    failed = libc.prctl(PR_SET_TIMERSLACK, ctypes.c_ulong(int(nanoseconds)))
else:
    # struct sched_attr, version 0: for SCHED_OTHER sched_runtime is the slice (Linux 6.12 or newer).
    attributes = struct.pack("IIQiIQQQ", 48, 0, 0, 0, 0, int(nanoseconds), 0, 0)
    failed = libc.syscall(SYS_SCHED_SETATTR[os.uname().machine], 0, attributes, 0)
if failed:
    sys.exit(f"{setting}: {os.strerror(ctypes.get_errno())}")
os.execvp(program[0], program)
