"""Key rotation, manually and when due; revocation and pruning."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from time import time

from .keyset import ALWAYS, DEFAULT_ALGORITHM, MAX_NUMBER, KeyKind, KeySet, SigningKey
from .lifecycle import ACTIVATION_DELAY, VALUE_LIFETIME, KeyState, active_key, lifetimes
from .reloading import open_keys
from .store import KeyChange, KeyStore

MAX_SIGNING_KEYS = 3
_ROTATED = (KeyKind.SIGNING, KeyKind.CODES, KeyKind.REFRESH)
_DAY = 86_400.0


class KeyChangeRefused(ValueError):
    """The keys are unchanged; the text is one line with the reason."""


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key as it is listed. `retired_at` and `expires_at` are `inf` while no later key replaces it.

    `kid` and `algorithm` are those of a signing key.
    """

    kind: KeyKind
    number: int
    kid: str | None
    algorithm: str | None
    state: KeyState
    active_from: float
    retired_at: float
    expires_at: float

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"

    @property
    def description(self) -> str:
        """The state, and when it began or ends."""
        activity = "signs" if self.kid else "active"
        match self.state:
            case KeyState.PENDING:
                return f"published, {activity} from {_format_time(self.active_from)}"
            case KeyState.ACTIVE:
                since = "" if self.active_from == ALWAYS else f" since {_format_time(self.active_from)}"
                until = "" if self.retired_at == inf else f" until {_format_time(self.retired_at)}"
                return f"{activity}{since}{until}"
            case KeyState.RETIRED:
                return f"retired, verifies until {_format_time(self.expires_at)}"
            case KeyState.EXPIRED:
                return f"expired since {_format_time(self.expires_at)}"


@dataclass(frozen=True, slots=True)
class NextKey:
    """A key that will be added by itself, and used from `active_from` on; both times may have passed."""

    kind: KeyKind
    published_at: float
    active_from: float

    @property
    def description(self) -> str:
        published, begins = _format_time(self.published_at), _format_time(self.active_from)
        return f"published by itself from {published}, {'signs' if self.kind is KeyKind.SIGNING else 'active'} from {begins}"


class KeyManager:
    """Changes the keys of a store; running servers reload them within seconds.

    Of two concurrent changes the second waits and sees the result of the first. Every method raises `ValueError` for invalid
    keys, `OSError` from the disk, and `Unavailable` from the database.

    New signing keys are for `algorithm`. Each key but that of digests is replaced `rotation_days` after its first use, or never
    by itself if that is 0. A key without `nbf`, which somebody wrote into the file, is not replaced by itself.
    """

    def __init__(
        self,
        store: KeyStore,
        clock: Callable[[], float] = time,
        *,
        before_first: Callable[[], object] = lambda: None,
        algorithm: str = DEFAULT_ALGORITHM,
        rotation_days: int = 0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._before_first = before_first
        self._algorithm = algorithm
        self._rotation_days = rotation_days

    def list_keys(self) -> list[KeyInfo]:
        """All keys, each kind oldest first."""
        return self._infos(self._open())

    def inspect(self) -> list[KeyInfo]:
        """All keys, as `list_keys`, but makes none: the list is empty where there are no keys."""
        return self._infos(self._store.read())

    def next_keys(self) -> list[NextKey]:
        """The keys that will be added by themselves because of the age of the present ones."""
        return self._next_of(self._open())

    def rotate_due(self, *, by_age: bool = True) -> list[str]:
        """Adds each key that is due, as `rotate` does, and removes those that are of no use; returns a text for each change.

        A key is due if the newest signing key is of another algorithm, and with `by_age` if `next_keys` lists it for now. Of no
        use are expired keys, and a pending signing key of another algorithm. Of several servers that find the same to do one
        does it.
        """
        if not self._do_due(KeyChange(self._open()), by_age=by_age):  # most times, and then the store is not locked
            return []
        with self._changing() as change:
            return self._do_due(change, by_age=by_age)

    def rotate(self, kind_name: str, *, at_once: bool = False) -> KeyInfo:
        """Adds a key of a kind: published now, active a day later (signing) or a minute later (secrets).

        With `at_once` it is active now; a pending key is activated instead of a new one. Raises `KeyChangeRefused` if a key
        is pending already, and for a fourth signing key. Expired keys are removed.
        """
        kind = KeyKind(kind_name)
        with self._changing() as change:
            self._prune(change)
            self._remove_unsuitable(change)
            infos = [info for info in self._infos(change.keys) if info.kind is kind]
            is_pending = any(info.state is KeyState.PENDING for info in infos)
            if is_pending and not at_once:
                raise KeyChangeRefused(f"{infos[-1].name} is already pending: {infos[-1].description}.")
            if not is_pending and kind is KeyKind.SIGNING and len(infos) >= MAX_SIGNING_KEYS:
                raise KeyChangeRefused(f"There are {len(infos)} signing keys already; {infos[0].name}: {infos[0].description}.")
            return self._next(change, kind, self._clock() + (0 if at_once else ACTIVATION_DELAY[kind]))

    def revoke(self, name: str) -> tuple[KeyInfo, KeyInfo | None]:
        """Removes the key of that name or key id, so that nothing it made is accepted; an active one is replaced at once.

        Returns the key and its replacement. Raises `KeyChangeRefused` if there is no such key. Expired keys are removed.
        """
        with self._changing() as change:
            self._prune(change)
            leaked = next((info for info in self._infos(change.keys) if name in {info.name, info.kid}), None)
            if leaked is None:
                raise KeyChangeRefused("There is no such key; `vestibule keys list` shows them.")
            is_active = leaked.state is KeyState.ACTIVE
            successor = self._next(change, leaked.kind, self._clock()) if is_active else None
            change.keys = change.keys.without(leaked.kind, leaked.number)
        return leaked, successor

    def prune(self) -> list[KeyInfo]:
        """Removes the expired keys and returns them."""
        with self._changing() as change:
            return self._prune(change)

    @contextmanager
    def _changing(self) -> Iterator[KeyChange]:
        self._open()
        with self._store.changing() as change:
            yield change

    def _open(self) -> KeySet:
        return open_keys(self._store, self._clock, before_first=self._before_first, algorithm=self._algorithm)

    def _next_of(self, keys: KeySet) -> list[NextKey]:
        newest = [(kind, keys.of(kind)[-1].active_from) for kind in _ROTATED]
        return [
            NextKey(kind, since + self._rotation_days * _DAY - ACTIVATION_DELAY[kind], since + self._rotation_days * _DAY)
            for kind, since in newest
            if self._rotation_days and since != ALWAYS
        ]

    def _do_due(self, change: KeyChange, *, by_age: bool) -> list[str]:
        done = [f"pruned {key.name}" for key in self._prune(change)]
        done += [f"removed {key.name}, {key.algorithm}" for key in self._remove_unsuitable(change)]
        for kind in self._due(change.keys, by_age=by_age):
            added = self._next(change, kind, self._clock() + ACTIVATION_DELAY[kind])
            done.append(f"rotated {added.name}")
        return done

    def _due(self, keys: KeySet, *, by_age: bool) -> list[KeyKind]:
        now = self._clock()
        due = {key.kind for key in self._next_of(keys) if by_age and now >= key.published_at}
        if keys.signing[-1].algorithm != self._algorithm:
            due.add(KeyKind.SIGNING)
        if len(keys.signing) >= MAX_SIGNING_KEYS:
            due.discard(KeyKind.SIGNING)
        return [kind for kind in _ROTATED if kind in due]

    def _remove_unsuitable(self, change: KeyChange) -> list[KeyInfo]:
        """Removes a pending signing key of another algorithm; nothing was signed by it yet."""
        pending = [info for info in self._infos(change.keys) if info.state is KeyState.PENDING and info.algorithm]
        return self._remove(change, [info for info in pending if info.algorithm != self._algorithm])

    def _prune(self, change: KeyChange) -> list[KeyInfo]:
        return self._remove(change, [info for info in self._infos(change.keys) if info.state is KeyState.EXPIRED])

    def _remove(self, change: KeyChange, infos: list[KeyInfo]) -> list[KeyInfo]:
        for info in infos:
            change.keys = change.keys.without(info.kind, info.number)
        return infos

    def _next(self, change: KeyChange, kind: KeyKind, active_from: float) -> KeyInfo:
        """Activates the pending key of that kind, or a new one, at that time."""
        newest = [info for info in self._infos(change.keys) if info.kind is kind][-1]
        number = newest.number if newest.state is KeyState.PENDING else newest.number + 1
        if number > MAX_NUMBER:
            raise KeyChangeRefused(f"{newest.name} has the highest possible number.")
        change.keys = change.keys.activated(kind, number, active_from, self._algorithm)
        return next(info for info in self._infos(change.keys) if (info.kind, info.number) == (kind, number))

    def _infos(self, keys: KeySet) -> list[KeyInfo]:
        now = self._clock()
        return [
            KeyInfo(
                kind=kind,
                number=lifetime.key.number,
                kid=lifetime.key.kid if isinstance(lifetime.key, SigningKey) else None,
                algorithm=lifetime.key.algorithm if isinstance(lifetime.key, SigningKey) else None,
                state=lifetime.state(active_key(keys.of(kind), now), now, VALUE_LIFETIME[kind]),
                active_from=lifetime.key.active_from,
                retired_at=lifetime.retired_at,
                expires_at=lifetime.expires_at(VALUE_LIFETIME[kind]),
            )
            for kind in KeyKind
            for lifetime in lifetimes(keys.of(kind))
        ]


def _format_time(at: float) -> str:
    return "it is removed" if at == inf else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
