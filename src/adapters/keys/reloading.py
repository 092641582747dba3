"""The keys on a shelf, in a process that goes on while they are rotated."""

import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from time import monotonic, time

from ...domain.errors import Unavailable
from .key_files import BLINDING, CODES, KINDS, REFRESH, SIGNING
from .keyset import Keys
from .store import Change, Contents, KeyStore

LOOK_EVERY = 2.0
MOST_WAIT = 0.25
"""Seconds: where the database hangs a call is to be refused within three, whatever it waits for first."""

FIRST = 1

_log = logging.getLogger("vestibule.keys")


def open_keys(shelf: KeyStore, clock: Callable[[], float] = time) -> Keys:
    """The keys on it; a kind that has none gets its first one, durably, before this returns.

    Processes that start at once end with the same keys. Raises `ValueError`, one line that names the key, for one that is
    no good or that others than its owner may read; `OSError` where the disk refuses, `Unavailable` where the database does.
    """
    if not _is_whole(shelf):
        with shelf.changing() as change:
            _complete(change, shelf, clock())
    return read_keys(shelf)


def read_keys(shelf: KeyStore) -> Keys:
    """The same, and makes none: raises `ValueError` where a kind has none."""
    return _read(shelf, shelf.contents())


class ReloadingKeys:
    """A `KeySource`: the shelf is looked at again when this is asked and two seconds have passed.

    Asked in between it compares two times and touches neither disk nor database, whatever a token says. Who looks does so in
    a thread of its own and waits for it a quarter of a second at most; all others go on with the keys they have. So does
    everybody while the shelf cannot be read, of which the log tells, and again when it can.
    """

    def __init__(self, shelf: KeyStore, clock: Callable[[], float] = monotonic) -> None:
        self._shelf = shelf
        self._clock = clock
        self._looking = Lock()
        self._keys = open_keys(shelf)
        self._contents: Contents | None = None  # so that the first look reads again, and nothing changed meanwhile is missed
        self._fault: str | None = None
        self._next_look = clock() + LOOK_EVERY

    def current(self) -> Keys:
        if self._clock() >= self._next_look and self._looking.acquire(blocking=False):
            looking = Thread(target=self._look, name="keys", daemon=True)
            try:
                looking.start()
            except RuntimeError:  # there is no thread to be had now; whoever asks next tries again
                self._looking.release()
            else:
                looking.join(MOST_WAIT)
        return self._keys

    def _look(self) -> None:
        try:
            self._compare()
        finally:
            self._next_look = self._clock() + LOOK_EVERY
            self._looking.release()

    def _compare(self) -> None:
        try:
            contents = self._shelf.contents()
            if contents != self._contents:
                self._take(_read(self._shelf, contents))
                self._contents = contents
            self._note(None)
        except Unavailable:
            self._note("the database cannot be had")
        except (ValueError, OSError) as fault:
            self._note(str(fault))

    def _take(self, keys: Keys) -> None:
        if keys != self._keys:
            self._keys = keys
            _log.info("the keys have changed")

    def _note(self, fault: str | None) -> None:
        """Once, and not at every look."""
        if fault == self._fault:
            return
        if fault is None:
            _log.warning("the keys can be read again")
        else:
            _log.error("the keys stay as they were, for they cannot be read again: %s", fault)
        self._fault = fault


def _read(shelf: KeyStore, contents: Contents) -> Keys:
    return Keys(
        signing=SIGNING.read(contents, shelf.called),
        codes=CODES.read(contents, shelf.called),
        refresh=REFRESH.read(contents, shelf.called),
        blinding=BLINDING.read(contents, shelf.called),
    )


def _is_whole(shelf: KeyStore) -> bool:
    try:
        contents = shelf.contents()
    except FileNotFoundError:
        return False
    return all(kind.is_in(contents) for kind in KINDS.values())


def _complete(change: Change, shelf: KeyStore, now: float) -> None:
    """Of several that do this, the first decides; the others find what it put there."""
    contents = change.contents()
    if not contents and (inherited := shelf.inherited()):
        contents = inherited
        for name, content in contents.items():
            change.add(name, content)
        _log.warning("%d keys were taken over from files, which are not read any more", len(contents))
    for kind in KINDS.values():
        if not kind.is_in(contents):
            with suppress(FileExistsError):
                change.add((kind.name, FIRST), kind.dated(kind.new(), now))
