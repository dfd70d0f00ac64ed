"""Runs in the child as `python -I -S sandbox_exec.py <spec> <argv…>`: limits itself, then becomes the tool.

Standard library only, nothing of ours: starts within 10 ms, without site-packages. Any fault ends it (fail closed).
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import struct
import sys
from typing import Any

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446  # the same on every architecture
OPENAT2, AT_FDCWD, RESOLVE_NO_SYMLINKS = 437, -100, 0x04  # that number too; linux/openat2.h
IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "armv7l": 314, "riscv64": 30}
IOPRIO_IDLE = 3 << 13

# linux/landlock.h: bit n of the handled accesses, and the ABI that brought it
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
FIRST_ABI = (1 << 13) - 1
REFER, TRUNCATE, IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
ABI_REFER, ABI_TRUNCATE, ABI_TCP, ABI_IOCTL, ABI_SCOPE = 2, 3, 4, 5, 6

# linux/seccomp.h, linux/bpf_common.h. Landlock knows TCP only, and an SDP text makes ffmpeg listen on UDP.
SECCOMP_MODE_FILTER = 2
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # of 32-bit words of struct seccomp_data
AT_NUMBER, AT_ARCHITECTURE = 0, 4
ALLOWED, DENIED = 0x7FFF0000, 0x00050000 | 13  # EACCES
SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198), "riscv64": (0xC00000F3, 198)}
IO_URING_SETUP = 425  # the other way to a socket
X32 = 0x40000000


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def syscall(number: int, *arguments: Any) -> int:
    result = int(libc().syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def landlock_abi() -> int:
    """0 where the kernel, or the container around us, has no Landlock."""
    try:
        return syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    except OSError:
        return 0


def handled_accesses(abi: int) -> int:
    accesses = FIRST_ABI
    for bit, since in ((REFER, ABI_REFER), (TRUNCATE, ABI_TRUNCATE), (IOCTL_DEVICE, ABI_IOCTL)):
        if abi >= since:
            accesses |= bit
    return accesses


def create_ruleset(abi: int) -> int:
    """Everything is denied that a rule does not allow; from ABI 4 on TCP too, from 6 on signals to the outside."""
    fields = [handled_accesses(abi)]
    if abi >= ABI_TCP:
        fields.append(0b11)
    if abi >= ABI_SCOPE:
        fields.append(0b11)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return syscall(LANDLOCK_CREATE_RULESET, buffer, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))


def open_linkless(path: str) -> int:
    """Of a film, whose path has no link in it: one in any place was swapped in after the check, for a foreign file."""
    how = struct.pack("=QQQ", os.O_PATH | os.O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS)
    try:
        return syscall(OPENAT2, ctypes.c_int(AT_FDCWD), os.fsencode(path), how, ctypes.c_size_t(len(how)))
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):  # a container of old rules does not know the call
            raise
    return os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)


def allow(ruleset: int, path: str, accesses: int, *, follow: bool) -> None:
    """A link as the last part of `path` is not followed unless told: it may have been swapped in after the check."""
    add_rule(ruleset, os.open(path, os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)), path, accesses)


def add_rule(ruleset: int, fd: int, path: str, accesses: int) -> None:
    """For what is open as `fd`, which is closed."""
    try:
        if not os.path.isdir(f"/proc/self/fd/{fd}" if os.path.exists("/proc/self/fd") else path):  # noqa: PTH110, PTH112
            accesses &= ON_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", accesses, fd), 12)
        syscall(LANDLOCK_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint(0))
    finally:
        os.close(fd)


def restrict_files(abi: int, spec: dict[str, Any], tool: str) -> None:
    ruleset = create_ruleset(abi)
    handled = handled_accesses(abi)
    for path in (*spec["libraries"], tool):
        if os.path.exists(path):  # noqa: PTH110
            allow(ruleset, path, READ_FILE | READ_DIR | EXECUTE, follow=True)
    for path in spec["reads"]:
        add_rule(ruleset, open_linkless(path), path, READ_FILE | READ_DIR)
    for path in spec["writes"]:
        allow(ruleset, path, handled & ~EXECUTE, follow=False)
    for path in spec["devices"]:
        allow(ruleset, path, (READ_FILE | READ_DIR | WRITE_FILE | IOCTL_DEVICE) & handled, follow=False)
    allow(ruleset, "/dev/null", READ_FILE | WRITE_FILE, follow=False)
    syscall(LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    os.close(ruleset)


def deny_sockets() -> None:
    """No socket of any kind, where the kernel filters calls; programs of another architecture may do nothing."""
    known = SOCKET.get(os.uname().machine)
    if known is None or sys.maxsize < 1 << 32:
        return
    architecture, socket = known
    steps = (
        (LOAD, 0, 0, AT_ARCHITECTURE),
        (JUMP_EQUAL, 0, 4, architecture),
        (LOAD, 0, 0, AT_NUMBER),
        (JUMP_AT_LEAST, 2, 0, X32),
        (JUMP_EQUAL, 1, 0, socket),
        (JUMP_EQUAL, 0, 1, IO_URING_SETUP),
        (RETURN, 0, 0, DENIED),
        (RETURN, 0, 0, ALLOWED),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    libc().prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program)


def lower(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def limit_resources(limits: dict[str, Any]) -> None:
    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_CPU, limits["cpu"])
    lower(resource.RLIMIT_FSIZE, limits["file_size"])
    lower(resource.RLIMIT_NOFILE, limits["open_files"])
    lower(resource.RLIMIT_AS, limits["address_space"])
    lower(resource.RLIMIT_DATA, limits["memory"])


def be_modest(limits: dict[str, Any]) -> None:
    if limits["nice"] is not None:
        os.setpriority(os.PRIO_PROCESS, 0, limits["nice"])
    number = IOPRIO_SET.get(os.uname().machine)
    if limits["idle_io"] and number is not None:
        syscall(number, ctypes.c_int(1), ctypes.c_int(0), ctypes.c_int(IOPRIO_IDLE))


def main() -> None:
    spec = json.loads(sys.argv[1])
    argv = sys.argv[2:]
    libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != spec["parent"]:  # it died before we could ask to die with it
        os._exit(125)
    libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    be_modest(spec["limits"])
    os.closerange(3, 1024)
    if spec["landlock_abi"]:
        restrict_files(spec["landlock_abi"], spec, argv[0])
    if not spec["sockets"]:
        deny_sockets()
    limit_resources(spec["limits"])
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execv(argv[0], argv)  # noqa: S606


if __name__ == "__main__":
    main()
