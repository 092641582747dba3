"""Changing the keys on a shelf: a new one beside the old, a leaked one away, what is over away."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from time import time
from typing import TypeVar

from .key_files import BLINDING, CODES, KINDS, REFRESH, SIGNING, Kind
from .keyset import ALWAYS, MAX_SECRET_NUMBER, Secret, SigningKey
from .lifecycle import State, states
from .reloading import open_keys
from .store import Change, Contents, KeyStore

MOST_SIGNING_KEYS = 3

_Key = TypeVar("_Key", SigningKey, Secret)


class KeyChangeRefused(ValueError):
    """The keys stay as they are; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class KeyInfo:
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


class KeyManager:
    """The keys on a shelf, which servers may use meanwhile: they find what was changed within seconds.

    Of two that change them at once the second waits, and goes by what the first left. Every method raises `ValueError` for
    keys that are no good, `OSError` where the disk refuses, and `Unavailable` where the database does.
    """

    def __init__(self, shelf: KeyStore, clock: Callable[[], float] = time) -> None:
        self._shelf = shelf
        self._clock = clock

    def held(self) -> list[KeyInfo]:
        """All keys, each kind oldest first."""
        open_keys(self._shelf, self._clock)
        return self._held(self._shelf.contents())

    def rotate(self, kind: str, *, at_once: bool = False) -> KeyInfo:
        """Puts a new key of that kind beside the others: published now, in use a day later (signing) or a minute later.

        With `at_once` it is in use now; where one waits already, that one is. Raises `KeyChangeRefused` where one waits
        already, and for a fourth signing key.
        """
        self.prune()
        with self._shelf.changing() as change:
            held = [key for key in self._held(change.contents()) if key.kind == kind]
            waits = any(key.state is State.WAITING for key in held)
            if waits and not at_once:
                raise KeyChangeRefused(f"{held[-1].name} is the next one already: {held[-1].said}.")
            if not waits and kind == SIGNING.name and len(held) >= MOST_SIGNING_KEYS:
                raise KeyChangeRefused(f"There are {len(held)} signing keys already; {held[0].name}: {held[0].said}.")
            return self._next(change, held, self._clock() + (0 if at_once else KINDS[kind].notice))

    def revoke(self, name: str) -> tuple[KeyInfo, KeyInfo | None]:
        """Takes the key of that name or key id away, so that nothing it made is good; where it was in use another one is.

        Answers it, and the one that took its place. Raises `KeyChangeRefused` where there is no such key.
        """
        self.prune()
        with self._shelf.changing() as change:
            held = self._held(change.contents())
            leaked = next((key for key in held if name in {key.name, key.kid}), None)
            if leaked is None:
                raise KeyChangeRefused("There is no such key; `vestibule keys list` shows them.")
            successor = None
            if leaked.state is State.IN_USE:
                successor = self._next(change, [key for key in held if key.kind == leaked.kind], self._clock())
            change.remove((leaked.kind, leaked.number))
        return leaked, successor

    def prune(self) -> list[KeyInfo]:
        """Takes away the keys that made nothing which can still be good, and answers them."""
        open_keys(self._shelf, self._clock)
        with self._shelf.changing() as change:
            over = [key for key in self._held(change.contents()) if key.state is State.OVER]
            for key in over:
                change.remove((key.kind, key.number))
        return over

    def _next(self, change: Change, held: list[KeyInfo], starts: float) -> KeyInfo:
        """The one of that kind which waits, to begin then; else a new one. `held` are all of one kind."""
        kind = KINDS[held[-1].kind]
        waiting = [key.number for key in held if key.state is State.WAITING]
        number = waiting[-1] if waiting else held[-1].number + 1
        if number > MAX_SECRET_NUMBER:
            raise KeyChangeRefused(f"{held[-1].name} has the last number there is.")
        name = kind.name, number
        try:
            if waiting:
                change.replace(name, kind.dated(change.contents()[name], starts))
            else:
                change.add(name, kind.dated(kind.new(), starts))
        except FileExistsError:
            raise KeyChangeRefused(f"Somebody else has just made {kind.name}-{number}.") from None
        return next(key for key in self._held(change.contents()) if (key.kind, key.number) == name)

    def _held(self, contents: Contents) -> list[KeyInfo]:
        now = self._clock()
        kinds = (self._of(SIGNING, contents, now), *(self._of(kind, contents, now) for kind in (CODES, REFRESH, BLINDING)))
        return [key for kind in kinds for key in kind]

    def _of(self, kind: Kind[_Key], contents: Contents, now: float) -> list[KeyInfo]:
        return [
            KeyInfo(
                kind=kind.name,
                number=term.key.number,
                kid=term.key.kid if isinstance(term.key, SigningKey) else None,
                state=state,
                starts=term.key.starts,
                ends=term.ends(kind.grace),
            )
            for term, state in states(kind.read(contents, self._shelf.called), now, kind.grace)
        ]


def _moment(at: float) -> str:
    return "it is taken away" if at == inf else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
