"""Changing the keys of a directory: a new one beside the old, a leaked one away, what is over away."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from time import time
from typing import TypeVar

from .key_directory import open_keys
from .key_files import BLINDING, CODES, REFRESH, SIGNING, Kind, put, read_private, remove
from .keys import ALWAYS, MAX_SECRET_NUMBER, Secret, SigningKey
from .terms import State, states

MOST_SIGNING_KEYS = 3

_KINDS: Mapping[str, Kind[SigningKey] | Kind[Secret]] = {
    SIGNING.name: SIGNING,
    CODES.name: CODES,
    REFRESH.name: REFRESH,
    BLINDING.name: BLINDING,
}

_Key = TypeVar("_Key", SigningKey, Secret)


class KeysStay(ValueError):
    """The keys stay as they are; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key as it is listed. `ends` is inf while nothing is to take its place."""

    kind: str
    number: int
    kid: str | None
    state: State
    starts: float
    ends: float

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"

    @property
    def said(self) -> str:
        """What it does now, and until when or from when on."""
        works = "signs" if self.kid else "in use"
        match self.state:
            case State.WAITING:
                return f"published, {works} from {_moment(self.starts)}"
            case State.IN_USE:
                return works if self.starts == ALWAYS else f"{works} since {_moment(self.starts)}"
            case State.RETIRED:
                return f"retired, verifies until {_moment(self.ends)}"
            case State.OVER:
                return f"over since {_moment(self.ends)}"


class KeyKeeper:
    """The keys in `directory`, which servers may use meanwhile: they find what was changed within seconds.

    Every method raises `ValueError` for keys that are no good, and `OSError` where the disk refuses.
    """

    def __init__(self, directory: Path, clock: Callable[[], float] = time) -> None:
        self._directory = directory
        self._clock = clock

    def held(self) -> list[HeldKey]:
        """All keys, each kind oldest first."""
        open_keys(self._directory, self._clock)
        now = self._clock()
        return [*self._of(SIGNING, now), *self._of(CODES, now), *self._of(REFRESH, now), *self._of(BLINDING, now)]

    def rotate(self, kind: str, *, at_once: bool = False) -> HeldKey:
        """Puts a new key of that kind beside the others: published now, in use a day later (signing) or a minute later.

        With `at_once` it is in use now; where one waits already, that one is. Raises `KeysStay` where one waits already,
        and for a fourth signing key.
        """
        self.prune()
        held = [key for key in self.held() if key.kind == kind]
        waits = any(key.state is State.WAITING for key in held)
        if waits and not at_once:
            raise KeysStay(f"{held[-1].name} is the next one already: {held[-1].said}.")
        if not waits and kind == SIGNING.name and len(held) >= MOST_SIGNING_KEYS:
            raise KeysStay(f"There are {len(held)} signing keys already; {held[0].name}: {held[0].said}.")
        return self._next(held, self._clock() + (0 if at_once else _KINDS[kind].notice))

    def revoke(self, name: str) -> tuple[HeldKey, HeldKey | None]:
        """Takes the key of that name or key id away, so that nothing it made is good; where it was in use another one is.

        Answers it, and the one that took its place. Raises `KeysStay` where there is no such key.
        """
        self.prune()
        held = self.held()
        leaked = next((key for key in held if name in {key.name, key.kid}), None)
        if leaked is None:
            raise KeysStay("There is no such key; `vestibule keys list` shows them.")
        successor = None
        if leaked.state is State.IN_USE:
            successor = self._next([key for key in held if key.kind == leaked.kind], self._clock())
        remove(_KINDS[leaked.kind].path(self._directory, leaked.number))
        return leaked, successor

    def prune(self) -> list[HeldKey]:
        """Takes away the keys that made nothing which can still be good, and answers them."""
        over = [key for key in self.held() if key.state is State.OVER]
        for key in over:
            remove(_KINDS[key.kind].path(self._directory, key.number))
        return over

    def _next(self, held: list[HeldKey], starts: float) -> HeldKey:
        """The one of that kind which waits, to begin then; else a new one. `held` are all of one kind."""
        kind = _KINDS[held[-1].kind]
        waiting = [key.number for key in held if key.state is State.WAITING]
        number = waiting[-1] if waiting else held[-1].number + 1
        if number > MAX_SECRET_NUMBER:
            raise KeysStay(f"{held[-1].name} has the last number there is.")
        path = kind.path(self._directory, number)
        content = read_private(path) if waiting else kind.new()
        try:
            put(path, kind.dated(content, starts), replace=bool(waiting))
        except FileExistsError:
            raise KeysStay(f"Somebody else has just made {path.name}.") from None
        return next(key for key in self.held() if (key.kind, key.number) == (kind.name, number))

    def _of(self, kind: Kind[_Key], now: float) -> list[HeldKey]:
        return [
            HeldKey(
                kind=kind.name,
                number=term.key.number,
                kid=term.key.kid if isinstance(term.key, SigningKey) else None,
                state=state,
                starts=term.key.starts,
                ends=term.ends(kind.grace),
            )
            for term, state in states(kind.read(self._directory), now, kind.grace)
        ]


def _moment(at: float) -> str:
    return "it is taken away" if at == inf else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
