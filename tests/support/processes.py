"""The processes of a server, as Linux shows them."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process, told by its start from a later one of the same number."""

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
    """The children of a process, theirs, and so on; parents first."""
    every = [process for path in Path("/proc").glob("[0-9]*") if (process := _read(path)) is not None]
    found = [process for process in every if process.parent == pid]
    for process in found:  # it grows on the way
        found.extend(child for child in every if child.parent == process.pid)
    return found


def worker(pid: int) -> Process:
    """The one worker of a server."""
    [process] = [process for process in below(pid) if process.parent == pid]
    return process


def eventually(is_so: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _read(path: Path) -> Process | None:
    """None for one that is gone, or is only waited for."""
    with suppress(OSError):
        pid, _, rest = path.joinpath("stat").read_text().partition(" (")
        state, parent, *more = rest.rpartition(") ")[2].split()
        if state not in "ZX":
            return Process(int(pid), int(parent), int(more[17]))
    return None
