"""Processor time of each call by library, on Linux, by `perf`."""

import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import which
from typing import Any

from .calls import Subject
from .machine import cores, pin, processes
from .measure import Run
from .places import Places
from .table import started

_PARTS = (
    ("Argon2", r"_ffi\.abi3"),
    ("Python", r"libpython|^python|_asyncio|_json|_datetime|_struct|_contextvars|_queue|_bisect|_heapq|unicodedata|_socket"),
    ("Python", r"msgspec|_core\.cpython"),
    ("SQLite", r"sqlite"),
    ("psycopg", r"psycopg|libpq"),
    ("signing", r"_rust|libcrypto|_hashlib|_sha|_blake"),
    ("granian", r"_granian"),
    ("images", r"PIL|webp|jpeg|_imaging"),
    ("kernel", r"kernel|vdso"),
)
_LINE = re.compile(r"^\s*([0-9.]+)%\s+(\S+)")
_TIMES_A_SECOND = 2_000


def profile(stack: ExitStack, run: Run, calls: Sequence[str], databases: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each call at each server and its baseline: microseconds for each response, in all and by library."""
    ours, load = cores()
    places = Places(stack, ours, run.progress)
    if (fault := _fault(places.directory / "perf.data")) is not None:
        run.progress(fault)
        return []
    subjects = started(stack, places, databases, [])
    pin(load)
    return [
        {"call": call, "at": subject.name} | _profiled(run, call, subject, places.directory / "perf.data")
        for call in calls
        for subject in subjects
        if call in subject.calls
    ]


def _fault(file: Path) -> str | None:
    """The reason why `perf` cannot run, or None."""
    if which("perf") is None:
        return "perf is not installed; `apt install linux-perf` on Debian"
    program = ["perf", "record", "-q", "-e", "cpu-clock", "-o", str(file), "true"]
    tried = subprocess.run(program, check=False, capture_output=True, text=True)
    return f"perf is not permitted to record here: {tried.stderr.strip()[:500]}" if tried.returncode else None


def _profiled(run: Run, call: str, subject: Subject, file: Path) -> dict[str, Any]:
    run.progress(f"{call}, {subject.name}")
    run.run_once(call, subject, run.warm)  # `perf` does not see threads that start while it records
    with _recorded(subject, file):
        _, cost = run.run_once(call, subject, run.seconds)
    shares = _shares(file)
    return {"us": round(cost)} | {name: round(cost * shares[name]) for name in (*dict(_PARTS), "rest")}


@contextmanager
def _recorded(subject: Subject, file: Path) -> Iterator[None]:
    """Records every process of the server until the end of the block."""
    watched = ",".join(map(str, processes(subject.server.number)))
    program = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(_TIMES_A_SECOND), "-p", watched, "-o", str(file)]
    looking = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        looking.send_signal(signal.SIGINT)
        looking.wait(30)


def _shares(file: Path) -> Counter[str]:
    """The share of each library, as a fraction of one."""
    program = ["perf", "report", "-i", str(file), "--stdio", "-q", "--sort", "dso", "--percent-limit", "0.05"]
    output = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    found: Counter[str] = Counter()
    for line in output.splitlines():
        if read := _LINE.match(line):
            found[_part(read[2])] += float(read[1]) / 100  # type: ignore[assignment]
    return found


def _part(library: str) -> str:
    return next((name for name, pattern in _PARTS if re.search(pattern, library)), "rest")
