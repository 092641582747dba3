"""When which key is used: all of it follows from the keys and the time, so that every server comes to the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Generic, TypeVar

from .keyset import ALWAYS, Secret, SigningKey

ACCESS_SECONDS = 300
"""The life of an access token, unless set otherwise."""

_Key = TypeVar("_Key", SigningKey, Secret)


class State(Enum):
    """What a key does at a moment."""

    WAITING = "published, it does not make anything yet"
    IN_USE = "it makes what is new"
    RETIRED = "a later key makes what is new, it verifies what it made"
    OVER = "nothing that it made can still be good"


@dataclass(frozen=True, slots=True)
class Term(Generic[_Key]):
    """A key, and when a later one takes its place: `inf` while none is to, or none says when."""

    key: _Key
    stops: float

    def ends(self, grace: float) -> float:
        """When nothing is accepted from it any more, where what it made is good for `grace` seconds at most."""
        return self.stops + grace


def terms(keys: Sequence[_Key]) -> tuple[Term[_Key], ...]:
    """The terms of all keys of one kind, given oldest first."""
    return tuple(Term(key, _stops(keys[place + 1 :])) for place, key in enumerate(keys))


def active_key(keys: Sequence[_Key], now: float) -> _Key:
    """The one that makes what is new: the newest that has begun; the first, where the clock is before them all."""
    return next((key for key in reversed(keys) if key.starts <= now), keys[0])


def states(keys: Sequence[_Key], now: float, grace: float) -> tuple[tuple[Term[_Key], State], ...]:
    """What each of them does now."""
    making = active_key(keys, now)
    return tuple((term, State.IN_USE if term.key is making else _idle(term, now, grace)) for term in terms(keys))


def _idle(term: Term[SigningKey] | Term[Secret], now: float, grace: float) -> State:
    if now < min(term.key.starts, term.stops):
        return State.WAITING
    return State.RETIRED if now < term.ends(grace) else State.OVER


def _stops(later: Sequence[SigningKey] | Sequence[Secret]) -> float:
    return min((key.starts for key in later if key.starts != ALWAYS), default=inf)
