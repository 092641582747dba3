"""The lifecycle of keys. It follows from the keys and the time alone, so every server reaches the same result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from math import inf
from typing import Generic, TypeVar

from ...domain.session import LONGEST_LIFETIME_DAYS, MAX_ACCESS_SECONDS
from ...verify.claims import MAX_LEEWAY
from .keyset import ALWAYS, KeyKind, SigningKey, SymmetricKey

ACCESS_SECONDS = 300
"""The default lifetime of an access token."""

ACTIVATION_DELAY: Mapping[KeyKind, float] = {
    KeyKind.SIGNING: 86_400.0,
    KeyKind.CODES: 60.0,
    KeyKind.REFRESH: 60.0,
    KeyKind.DIGESTS: 60.0,
}
"""The seconds between publishing a key and using it.

In a day every service that verifies access tokens has fetched the public keys again. In a minute every server of the
deployment has reloaded the keys: they do every few seconds.
"""

VALUE_LIFETIME: Mapping[KeyKind, float] = {
    KeyKind.SIGNING: MAX_ACCESS_SECONDS + MAX_LEEWAY,
    KeyKind.CODES: 3600.0,
    KeyKind.REFRESH: LONGEST_LIFETIME_DAYS * 86_400.0,
    KeyKind.DIGESTS: inf,
}
"""The longest lifetime, in seconds, of the values that a key of each kind makes.

It is that of the settings' bounds: a shorter lifetime must not end values that were made under a longer one. No code is valid
for longer than an hour.
"""

_Key = TypeVar("_Key", SigningKey, SymmetricKey, SigningKey | SymmetricKey)


class KeyState(Enum):
    PENDING = auto()
    """Published, and not used yet."""
    ACTIVE = auto()
    """Makes new values."""
    RETIRED = auto()
    """Verifies the values it made; a later key makes new ones."""
    EXPIRED = auto()
    """All values that it made have expired."""


@dataclass(frozen=True, slots=True)
class KeyLifetime(Generic[_Key]):
    """A key, and the time when a later key replaces it: `inf` if no later key has an `nbf`."""

    key: _Key
    retired_at: float

    def expires_at(self, value_lifetime: float) -> float:
        """The time from which no value of the key is accepted, given values that live at most `value_lifetime` seconds."""
        return self.retired_at + value_lifetime

    def state(self, active: _Key, now: float, value_lifetime: float) -> KeyState:
        """The state while `active` is the active key of its kind."""
        if self.key is active:
            return KeyState.ACTIVE
        if now < min(self.key.active_from, self.retired_at):
            return KeyState.PENDING
        return KeyState.RETIRED if now < self.expires_at(value_lifetime) else KeyState.EXPIRED


def lifetimes(keys: Sequence[_Key]) -> list[KeyLifetime[_Key]]:
    """Takes all keys of one kind, oldest first."""
    return [
        KeyLifetime(key, min((later.active_from for later in keys[place:] if later.active_from != ALWAYS), default=inf))
        for place, key in enumerate(keys, 1)
    ]


def active_key(keys: Sequence[_Key], now: float) -> _Key:
    """The newest key whose time has come, or the first one if the clock is earlier than all of them."""
    return next((key for key in reversed(keys) if key.active_from <= now), keys[0])
