"""Starts a program under a setting for which there is no command:

measure.py timer-slack|slice NANOSECONDS PROGRAM...
measure.py seccomp allow|deny PROGRAM...      a filter with some 400 rules, like those of containers; deny refuses io_uring_setup
"""

import ctypes
import os
import struct
import sys

PR_SET_TIMERSLACK = 29
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_EPERM = 0x00050001
SYS_IO_URING_SETUP = 425
SYS_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}

libc = ctypes.CDLL(None, use_errno=True)


class Filter(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def set_filter(denied):
    """Looks for the number among those of the list one by one; what is not in it is allowed too, so that any program runs."""
    load_word, jump_if_equal, give = 0x20, 0x15, 0x06
    numbers = [denied] if denied else []
    numbers += range(1_000, 1_000 + 400)
    program = [(load_word, 0, 0, 0)]
    for number in numbers:
        verdict = SECCOMP_RET_EPERM if number == denied else SECCOMP_RET_ALLOW
        program += [(jump_if_equal, 0, 1, number), (give, 0, 0, verdict)]
    program.append((give, 0, 0, SECCOMP_RET_ALLOW))
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    return libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Filter(len(program), code))
    )


setting, value, *program = sys.argv[1:]
if setting == "timer-slack":
    failed = libc.prctl(PR_SET_TIMERSLACK, ctypes.c_ulong(int(value)))
elif setting == "seccomp":
    failed = set_filter(SYS_IO_URING_SETUP if value == "deny" else None)
else:
    # struct sched_attr, version 0: for SCHED_OTHER sched_runtime is the slice (Linux 6.12 or newer).
    attributes = struct.pack("IIQiIQQQ", 48, 0, 0, 0, 0, int(value), 0, 0)
    failed = libc.syscall(SYS_SCHED_SETATTR[os.uname().machine], 0, attributes, 0)
if failed:
    sys.exit(f"{setting}: {os.strerror(ctypes.get_errno())}")
os.execvp(program[0], program)
