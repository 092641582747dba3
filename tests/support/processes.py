"""The processes of a server, read from `/proc`."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process. Its start time distinguishes it from a later process with the same id."""

    pid: int
    parent: int
    started: int

    @property
    def is_alive(self) -> bool:
        return _read(Path(f"/proc/{self.pid}")) == self

    @property
    def command(self) -> str:
        return Path(f"/proc/{self.pid}/cmdline").read_text().replace("\0", " ")

    @property
    def kib(self) -> int:
        """Resident memory."""
        line = next(line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1])


def below(pid: int) -> list[Process]:
    """Returns all descendants of a process, parents first."""
    every = [process for path in Path("/proc").glob("[0-9]*") if (process := _read(path)) is not None]
    found = [process for process in every if process.parent == pid]
    for process in found:  # the loop also visits the appended children
        found.extend(child for child in every if child.parent == process.pid)
    return found


def worker(pid: int) -> Process:
    """Returns the only worker of a server."""
    [process] = [process for process in below(pid) if process.parent == pid]
    return process


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Polls the condition; returns False if it is still false at the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _read(path: Path) -> Process | None:
    """Returns None for a process that has ended, even if its parent has not yet waited for it."""
    with suppress(OSError):
        pid, _, rest = path.joinpath("stat").read_text().partition(" (")
        state, parent, *more = rest.rpartition(") ")[2].split()
        if state not in "ZX":
            return Process(int(pid), int(parent), int(more[17]))
    return None
