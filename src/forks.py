"""Forks: a process uses no connection, thread or lock of its parent.

After `os.fork`, on which `multiprocessing`, Celery and `gunicorn --preload` rely, the child has the parent's objects but none
of its threads. Connections lead to one server through one socket, and a lock that another thread held is never released. So
each object that has any of these calls `watch`, and its `renew` gives it new ones in the child, before other code runs there.
"""

import ctypes
import logging  # noqa: F401 — renews its locks in a child before the objects here, which may log
import os
from collections.abc import Iterator
from functools import cached_property
from threading import RLock
from typing import Protocol, TypeVar
from weakref import ref

Class = TypeVar("Class", bound=type)

WAIT_SECONDS = 5.0
"""Seconds that a fork waits for other threads to leave what it needs; then the child refuses to use it."""


class Renewable(Protocol):
    """An object with connections, threads or locks.

    It may also have `before_fork`, which runs before the fork in the forking thread and waits up to `WAIT_SECONDS`, and
    `after_fork`, which runs in the parent.
    """

    def renew(self) -> None:
        """Makes new, unused ones. Runs in the only thread of a child; takes no lock, sends nothing and raises nothing."""
        ...


class _Forks:
    def __init__(self) -> None:
        self.watched: dict[int, ref[Renewable]] = {}
        self.cached_properties: list[cached_property[object]] = []
        self.lock = RLock()

    def before(self) -> None:
        self.lock.acquire()
        self._call("before_fork")

    def after(self) -> None:
        self._call("after_fork")
        self.lock.release()

    def renew(self) -> None:
        self.lock = RLock()
        for cached in self.cached_properties:
            if hasattr(cached, "lock"):  # before Python 3.12
                cached.lock = RLock()
        self._call("renew")

    def _call(self, method: str) -> None:
        for watched in self._living():
            if (call := getattr(watched, method, None)) is not None:
                call()

    def _living(self) -> Iterator[Renewable]:
        for reference in list(self.watched.values()):
            if (watched := reference()) is not None:
                yield watched


_forks = _Forks()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_forks.before, after_in_parent=_forks.after, after_in_child=_forks.renew)


def watch(watched: Renewable) -> None:
    """Renews the object in each child process, for as long as it exists."""
    key, known = id(watched), _forks.watched  # a local name, because modules are emptied before the last objects
    known[key] = ref(watched, lambda _: known.pop(key, None))


def watch_cached_properties(owner: Class) -> Class:
    """Decorates a class whose cached properties child processes use; in Python 3.11 each has a lock."""
    _forks.cached_properties += [value for value in vars(owner).values() if isinstance(value, cached_property)]
    return owner


def leave_open(*inherited: object) -> None:
    """Keeps objects of the parent from ever being closed by this process, even at its end."""
    for one in inherited:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))
