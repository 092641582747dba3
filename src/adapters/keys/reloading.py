"""The keys of a store, in a process that keeps running while they are rotated."""

import logging
from collections.abc import Callable
from threading import Lock, Thread
from time import monotonic, time

from ... import forks
from ...domain.errors import Unavailable
from .keyset import DEFAULT_ALGORITHM, KeyKind, KeySet
from .store import KeyStore

RELOAD_EVERY = 2.0
MAX_WAIT = 0.25
"""Seconds: a call must be refused within three if the database hangs, and it waits for more than its keys."""

_log = logging.getLogger("vestibule.keys")


def open_keys(
    store: KeyStore,
    clock: Callable[[], float] = time,
    *,
    before_first: Callable[[], object] = lambda: None,
    algorithm: str = DEFAULT_ALGORITHM,
) -> KeySet:
    """Returns the keys of the store. A kind without a key gets its first one, durably, before this returns.

    `algorithm` is that of a first signing key. Where there are no keys at all it calls `before_first`, which raises
    `ValueError` if there must be some.
    Processes that start at the same time end up with the same keys. Raises `ValueError`, one line that names the key, if one
    is invalid or readable for others than its owner; `OSError` from the disk, `Unavailable` from the database.
    """
    keys = store.read()
    if all(keys.of(kind) for kind in KeyKind):
        return keys
    with store.changing() as change:
        if change.keys == KeySet():
            before_first()
        change.keys = change.keys.completed(clock(), algorithm)
        return change.keys


def read_keys(store: KeyStore) -> KeySet:
    """Returns the keys of the store and creates none: raises `ValueError` for a kind without a key."""
    return store.read().require_complete()


class ReloadingKeys:
    """A `KeySource` that reads the store again when it is called and two seconds have passed.

    In between a call compares two times and touches neither disk nor database, whatever a token contains. One caller reloads,
    in a new thread, and waits for it a quarter of a second at most; the others use the keys they have. While the store cannot
    be read, the keys stay the same; the log reports the failure and the recovery once each.
    """

    def __init__(
        self,
        store: KeyStore,
        clock: Callable[[], float] = monotonic,
        *,
        before_first: Callable[[], object] = lambda: None,
        algorithm: str = DEFAULT_ALGORITHM,
    ) -> None:
        self._store = store
        self._clock = clock
        self.renew()
        self._keys = open_keys(store, before_first=before_first, algorithm=algorithm)
        self._error: str | None = None
        self._next_reload = clock() + RELOAD_EVERY
        forks.watch(self)

    def renew(self) -> None:
        self._reloading = Lock()

    def current(self) -> KeySet:
        if self._clock() >= self._next_reload and self._reloading.acquire(blocking=False):
            thread = Thread(target=self._reload, name="keys", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the process can start no thread now; the next call tries again
                self._reloading.release()
            else:
                thread.join(MAX_WAIT)
        return self._keys

    def _reload(self) -> None:
        try:
            keys = read_keys(self._store)
            if keys != self._keys:  # the same keys stay the same object, so that verified tokens stay cached
                self._keys = keys
                _log.info("the keys have changed")
            self._log_error(None)
        except Unavailable:
            self._log_error("the database is unavailable")
        except (ValueError, OSError) as error:
            self._log_error(str(error))
        except BaseException as error:  # noqa: BLE001 — the next call tries again; the text of a foreign error may be secret
            self._log_error(type(error).__name__)
        finally:
            self._next_reload = self._clock() + RELOAD_EVERY
            self._reloading.release()

    def _log_error(self, error: str | None) -> None:
        """Logs a change of the error, and not every reload."""
        if error == self._error:
            return
        if error is None:
            _log.warning("the keys can be read again")
        else:
            _log.error("cannot reload the keys, using the previous ones: %s", error)
        self._error = error
