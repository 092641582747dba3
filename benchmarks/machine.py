"""The machine and its processes: cores, processor time, memory, open files."""

import os
import platform
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def cores() -> tuple[set[int], set[int]]:
    """The cores of the server and those of the load generator: one each if there are two or more."""
    if not hasattr(os, "sched_getaffinity"):
        return set(), set()
    allowed = sorted(os.sched_getaffinity(0))
    return ({allowed[0]}, {allowed[1]}) if len(allowed) > 1 else (set(allowed), set(allowed))


def pin(chosen: set[int]) -> None:
    """Binds this process and its future children to these cores."""
    if chosen:
        os.sched_setaffinity(0, chosen)


def processes(root: int) -> Iterator[int]:
    """The process and its descendants."""
    yield root
    for tasks in (_PROC / str(root) / "task").glob("*/children"):
        for child in _read(tasks).split():
            yield from processes(int(child))


def cpu_seconds(root: int) -> float:
    """Processor time of a process, its descendants, and its children that have ended; 0 without /proc."""
    return sum(_ticks(one) for one in processes(root)) / _TICKS


def memory_mib(root: int) -> float:
    """Memory of the largest process from that one down: a worker, if there are several."""
    pages = (_read(_PROC / str(one) / "statm").split() for one in processes(root))
    return max((int(fields[1]) for fields in pages if fields), default=0) * resource.getpagesize() / 2**20


def open_files(root: int) -> int:
    """Open files and connections of the process and its descendants."""
    return sum(len(list((_PROC / str(one) / "fd").glob("*"))) for one in processes(root))


def described() -> dict[str, str]:
    model = next(
        (line.partition(": ")[2] for line in _read(_PROC / "cpuinfo").splitlines() if line.startswith("model name")), ""
    )
    memory = next((line.split()[1] for line in _read(_PROC / "meminfo").splitlines() if line.startswith("MemTotal")), "0")
    return {
        "processor": model or platform.processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{int(memory) / 2**20:.0f} GiB",
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def _ticks(process: int) -> int:
    fields = _read(_PROC / str(process) / "stat").rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15])


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
