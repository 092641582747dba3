"""The start of a server and the import of the package, next to the import of its web framework, and the memory at rest."""

import resource
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .machine import cores, pin
from .measure import Run
from .places import SQLITE, Places
from .servers import program, vestibule
from .targets import Target, at_most

LITESTAR, IMPORT, BUILD = "import litestar", "import vestibule", "from vestibule import build"
MAX_IMPORT_RATIO, MAX_START_RATIO = 0.7, 3.6
"""0.15 s and 0.8 s, where the import of Litestar takes 0.22 s."""

MAX_MIB_AT_REST = 80.0
_REST_SECONDS = 3.0
"""The start loads a few rules after its first response."""


@dataclass
class Start:
    """Seconds, seconds of processor and MiB of each start of one program."""

    name: str
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "start": self.name,
            "seconds": round(median(self.seconds), 3),
            "cpu_seconds": round(median(self.cpu), 3),
            "mib_at_rest": round(median(self.memory), 1),
        }


def start(stack: ExitStack, run: Run, database: str) -> tuple[list[dict[str, Any]], list[Target]]:
    """Starts each program in turn, on the servers' cores. The database is migrated, and the modules are compiled."""
    ours, _ = cores()
    places = Places(stack, ours, run.progress)
    if not places.is_available(database):
        return [], []
    directory, url = places.filled(database, 1)
    starts = {name: Start(name) for name in (LITESTAR, IMPORT, BUILD, database)}
    for number in range(run.rounds + 1):
        run.progress(f"{database}: start {number} of {run.rounds}")
        for name, found in starts.items():
            if name == database:
                with vestibule(name, directory, ours, database_url=url) as server:
                    came = server.start_seconds, server.cpu()
                    time.sleep(_REST_SECONDS if number else 0)
                    memory = server.memory()
            else:
                came, memory = _run_python(name, ours), 0.0
            if number:  # the first start may compile modules
                found.seconds.append(came[0])
                found.cpu.append(came[1])
                found.memory.append(memory)
    return [one.as_json() for one in starts.values()], _targets(starts, database)


def _run_python(code: str, chosen: set[int]) -> tuple[float, float]:
    """Seconds, and seconds of processor."""
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([program("python"), "-c", code], check=True, preexec_fn=lambda: pin(chosen))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _targets(starts: dict[str, Start], database: str) -> list[Target]:
    def ratio(name: str) -> float:
        return median(mine / theirs for mine, theirs in zip(starts[name].cpu, starts[LITESTAR].cpu, strict=True))

    return [
        *([at_most(f"{IMPORT} : {LITESTAR}", ratio(IMPORT), MAX_IMPORT_RATIO)] if database == SQLITE else ()),
        at_most(f"{database}: start to first response : {LITESTAR}", ratio(database), MAX_START_RATIO),
        at_most(f"{database}: MiB at rest", median(starts[database].memory), MAX_MIB_AT_REST),
    ]
