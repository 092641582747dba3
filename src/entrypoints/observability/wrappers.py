"""The parts of the house with something around them. Metrics and traces say what; here it is said where."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import ParamSpec, TypeVar

from ...application.ports import Database, Images, Notifier, OutgoingMessage, Transaction
from ..concurrency.executors import Executor
from . import Around, Begun, Pool

P = ParamSpec("P")
R = TypeVar("R")

_READS = ("accounts", "sessions", "rate_limits", "outbox", "audit_log", "cursors")


class WatchedLane(Executor):
    """Stands for a way that calls go."""

    def __init__(self, way: Executor, name: str, around: Around) -> None:
        self._way = way
        self._name = name
        self._around = around

    async def __call__(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        with self._around(self._name) as begun:
            return await self._way(partial(_begin, begun, call), *args, **kwargs)


class WatchedPool:
    """The threads that hash."""

    def __init__(self, pool: Pool, around: Around) -> None:
        self._pool = pool
        self._around = around

    def run(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        with self._around("hashing") as begun:
            return self._pool.run(partial(_begin, begun, partial(job, *args, **kwargs)))

    def close(self) -> None:
        self._pool.close()


class WatchedImages:
    """The wait for a decoder is within it, and cannot be told from the work."""

    def __init__(self, images: Images, around: Around) -> None:
        self._images = images
        self._around = around

    def normalise(self, data: bytes) -> bytes:
        with self._around("images"):
            return self._images.normalise(data)


class WatchedNotifier:
    """A decoy is seen as a letter: what is watched shall not tell who has an account."""

    def __init__(self, notifier: Notifier, around: Around) -> None:
        self._notifier = notifier
        self._around = around

    def send(self, letter: OutgoingMessage) -> None:
        with self._around(letter.channel.value):
            self._notifier.send(letter)

    def send_decoy(self, letter: OutgoingMessage) -> None:
        with self._around(letter.channel.value):
            self._notifier.send_decoy(letter)


class WatchedDatabase:
    """Transactions as `transaction`, and questions by their names: `accounts.by_active_session`."""

    def __init__(self, database: Database, around: Around) -> None:
        self._database = database
        self._around = around
        self.blocks: bool = getattr(database, "blocks", True)
        for name in _READS:
            setattr(self, name, Questions(getattr(database, name), name, around))

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        with self._around("transaction") as begun, self._database.begin() as transaction:
            begun()
            yield transaction

    def check(self) -> None:
        self._database.check()

    def purge(self, now: float, *, limit: int) -> int:
        return self._database.purge(now, limit=limit)


class Questions:
    """Stands for a port of questions, whichever they are."""

    def __init__(self, port: object, name: str, around: Around) -> None:
        for question in (one for one in dir(port) if not one.startswith("_")):
            setattr(self, question, _asked(getattr(port, question), around, f"{name}.{question}"))


def _asked(ask: Callable[P, R], around: Around, name: str) -> Callable[P, R]:
    def asked(*args: P.args, **question: P.kwargs) -> R:
        with around(name) as begun:
            begun()
            return ask(*args, **question)

    return asked


def _begin(begun: Begun, ask: Callable[P, R], *args: P.args, **question: P.kwargs) -> R:
    begun()
    return ask(*args, **question)
