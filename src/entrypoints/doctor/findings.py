"""A check, and what it finds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from ..settings import Settings

MAX_CLOCK_DIFFERENCE = 5.0
"""Seconds that two clocks may differ: tokens are accepted ten seconds early by `vestibule.verify`."""

_FAR = 60.0
"""Seconds after which codes and proofs of one node are refused by another."""


class Level(IntEnum):
    """The gravity of a finding. The greatest one is the exit code, as Nagios and the like read it."""

    OK = 0
    WARNING = 1
    """Works now, and will cost something later."""
    ERROR = 2
    """Does not work, or loses data."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a diagnosis, without secrets. `remedy` says what to do; it is empty where nothing has to be done."""

    level: Level
    text: str
    remedy: str = ""
    check: str = ""
    """The name of the check that found it."""

    def __str__(self) -> str:
        return f"{self.text}: {self.remedy}" if self.remedy else self.text


@dataclass(frozen=True, slots=True)
class Check:
    """One check. It may raise anything, and may take as long as it likes: `diagnose` reports both.

    `settings` are the fields of `Settings` that it reads: it does not run where one of them is invalid. Several checks may have
    one name.
    """

    name: str
    run: Callable[[Settings], Iterable[Finding]]
    settings: frozenset[str]


def check(name: str, run: Callable[[Settings], Iterable[Finding]], *settings: str) -> Check:
    return Check(name, run, frozenset(settings))


def ok(text: str) -> Finding:
    return Finding(Level.OK, text)


def warning(text: str, remedy: str) -> Finding:
    return Finding(Level.WARNING, text, remedy)


def error(text: str, remedy: str) -> Finding:
    return Finding(Level.ERROR, text, remedy)


def clock_of(owner: str, theirs: float, ours: float) -> Iterable[Finding]:
    """Compares the clock of another machine with ours, both in seconds since the epoch."""
    difference = theirs - ours
    if abs(difference) > MAX_CLOCK_DIFFERENCE:
        way = "ahead of" if difference > 0 else "behind"
        text = f"the clock of {owner} is {abs(difference):.0f} seconds {way} this machine's"
        yield (error if abs(difference) > _FAR else warning)(text, "let NTP (chrony, systemd-timesyncd) set both")
