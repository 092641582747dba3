"""Checks of this machine: processor, memory, clock, disk."""

import ctypes
import os
import pwd
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from ..container.factories import argon2_build
from ..container.inspection import PUBLISHED_WHEEL, cores, hashing_threads, is_private, nearest, seconds_of_hash
from ..settings import Settings
from .findings import Check, Finding, check, error, ok, warning

_ROUNDS = 7
_MIB = 1 << 20
_FEW_BYTES, _TOO_FEW_BYTES = 1024 * _MIB, 64 * _MIB
_FEW_FILES = 10_000
_WORKER_MIB = 100
"""The memory of a worker process without the hashes, measured."""

_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.s3fs", "afs", "ceph"})
_LOST = {"tmpfs": "the next start of the machine", "ramfs": "the next start of the machine", "overlay": "the container"}
_NOT_SYNCHRONISED = 5
_BYTES_OF_TIMEX = 256


def _hashing(settings: Settings) -> Iterator[Finding]:
    cost = settings.password_hash
    seconds = min(seconds_of_hash(cost, _ROUNDS))  # the least disturbed one: other checks run at the same time
    build = argon2_build()
    yield ok(f"a hash costs {1000 * seconds:.0f} ms ({cost}); Argon2 is {build}; {cores() / seconds:.0f} logins/s at most")
    if build == PUBLISHED_WHEEL and _has_avx2():
        yield ok(
            "compiled for this processor, Argon2 takes about 0.6 of that: see “Argon2 for your processor” in docs/operating.md"
        )


def _has_avx2() -> bool:
    try:
        return "avx2" in Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
    except OSError:
        return False


def _memory(settings: Settings) -> Iterator[Finding]:
    threads = hashing_threads(settings.workers)
    hashes = settings.workers * threads * settings.password_hash.memory_kib / 1024
    needed = settings.workers * _WORKER_MIB + hashes
    there = _memory_mib()
    text = f"{settings.workers} worker(s) with {threads} hashes at once take {needed:.0f} MiB"
    if there is None:
        yield ok(text)
    elif needed > there:
        yield error(f"{text}, and there are {there:.0f} MiB", "lower VESTIBULE_WORKERS, or add memory")
    elif needed > there / 2:
        yield warning(f"{text} of {there:.0f} MiB", "leave more to the database and the system, or add memory")
    else:
        yield ok(f"{text} of {there:.0f} MiB")
    if settings.workers > cores():
        yield warning(f"{settings.workers} workers share {cores()} processor(s)", f"set VESTIBULE_WORKERS to {cores()}")


def _memory_mib() -> float | None:
    """Returns the memory of this machine, or of the container if that has less; None where the system does not tell."""
    try:
        amounts = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (ValueError, OSError):
        return None
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(file).read_text().strip()
        except OSError:
            continue
        amounts += [int(text)] if text.isdigit() else []
    return min(amounts) / _MIB


def _clock(_: Settings) -> Iterator[Finding]:
    if sys.platform != "linux":
        return
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_BYTES_OF_TIMEX))  # all zero: changes nothing
    if state == _NOT_SYNCHRONISED:
        yield ok("the kernel knows of no NTP; let chrony, systemd-timesyncd or the host keep the time")
    elif state >= 0:
        yield ok("NTP keeps the time")


def _data_directory(settings: Settings) -> Iterator[Finding]:
    directory = nearest(settings.data_dir)
    if not directory.is_dir():
        yield error(f"{directory} is not a directory", "name another one in VESTIBULE_DATA_DIR")
        return
    if directory == settings.data_dir.absolute():
        yield from _permissions(directory)
    elif os.access(directory, os.W_OK | os.X_OK):
        yield ok(f"{settings.data_dir.absolute()} does not exist yet; the first start makes it")
    else:
        yield error(f"{settings.data_dir.absolute()} cannot be seen or made by {_me()}", _as_owner(directory))
    yield from _space(directory)
    yield from _file_system(directory)


def _permissions(directory: Path) -> Iterator[Finding]:
    owner = directory.stat().st_uid
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        yield error(f"{_me()} cannot read and write {directory}", _as_owner(directory))
    elif owner != os.geteuid():
        yield warning(f"{directory} belongs to {_name(owner)}, and this is {_me()}", _as_owner(directory))
    if not is_private(directory):
        yield warning(f"{directory} is open to other users", f"run chmod 0700 {directory}")


def _as_owner(directory: Path) -> str:
    return f"run as the user of the service, or give it the directory; {_name(directory.stat().st_uid)} owns {directory}"


def _me() -> str:
    return _name(os.geteuid())


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def _space(directory: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(directory).free
    files = os.statvfs(directory).f_favail
    text = f"{directory} has {free / _MIB / 1024:.1f} GiB free"
    if free < _TOO_FEW_BYTES:
        yield error(f"{directory} has {free // _MIB} MiB free: soon every change is refused", "free or add space")
    elif free < _FEW_BYTES:
        yield warning(f"{directory} has {free // _MIB} MiB free", "free or add space")
    elif 0 < files < _FEW_FILES:
        yield warning(f"{directory} has room for {files} files", "remove files, or make a file system with more inodes")
    else:
        yield ok(text)


def _file_system(directory: Path) -> Iterator[Finding]:
    kind = _file_system_of(directory)
    if kind in _NETWORK:
        yield error(f"{directory} is on a network ({kind}), where SQLite loses data", "use a local disk, or PostgreSQL and S3")
    elif kind in _LOST:
        yield warning(f"{directory} is lost with {_LOST[kind]} ({kind})", "use a disk, or a volume")


def _file_system_of(directory: Path) -> str | None:
    """Returns the type of the file system, such as ext4; None where the system does not tell."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return None
    found, kind = -1, None
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].encode().decode("unicode_escape"))
        if directory.resolve().is_relative_to(point) and len(point.parts) >= found:
            found, kind = len(point.parts), after.split()[0]
    return kind


CHECKS: tuple[Check, ...] = (
    check("hashing", _hashing, "password_hash"),
    check("memory", _memory, "workers", "password_hash"),
    check("clock", _clock),
    check("data", _data_directory, "data_dir"),
)
