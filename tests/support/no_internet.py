"""Run a command that cannot open an internet socket: `python no_internet.py COMMAND ...`.

A seccomp filter (seccomp(2), x86-64 Linux) kills any process of the command that calls `socket`
with AF_INET or AF_INET6, native libraries and children included; the shell's status is then 159
or the parent's error. It needs no rights and no other program.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

AF_INET, AF_INET6 = 2, 10
SYS_SOCKET = 41
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
"""Instructions of the Berkeley packet filter."""

NUMBER_AT, FIRST_ARGUMENT_AT = 0, 16
"""Offsets in `struct seccomp_data`."""

FILTER = [
    (LOAD, 0, 0, NUMBER_AT),
    (JUMP_IF_EQUAL, 0, 4, SYS_SOCKET),
    (LOAD, 0, 0, FIRST_ARGUMENT_AT),
    (JUMP_IF_EQUAL, 1, 0, AF_INET),
    (JUMP_IF_EQUAL, 0, 1, AF_INET6),
    (RETURN, 0, 0, KILL_PROCESS),
    (RETURN, 0, 0, ALLOW),
]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def forbid_internet_sockets() -> None:
    """Install the filter in this process; its children inherit it and nothing takes it away."""
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in FILTER)
    program = _Program(len(FILTER), code)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for arguments in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0),
    ):
        if prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "the kernel refused the filter")


if __name__ == "__main__":
    forbid_internet_sockets()
    os.execvp(sys.argv[1], sys.argv[1:])
