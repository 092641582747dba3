"""Wrappers of lanes and ports that pass each call through an observer. Metrics and traces each bring observers of their own."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Generic, ParamSpec, TypeVar

from ...application import Account, Address, AuditQuery, Cursor, Event, OutboxEntry, Session, Username
from ...application.ports import (
    Accounts,
    AuditLogReads,
    CursorReads,
    Database,
    Images,
    LoginIdentifier,
    Notifier,
    OutboxReads,
    OutgoingMessage,
    SessionReads,
    SlidingWindowReads,
    Transaction,
)
from ...domain.rate_limits import SlidingWindow
from ..concurrency.executors import Executor
from . import JobPool, Observer, Started

P = ParamSpec("P")
R = TypeVar("R")
Port = TypeVar("Port")


class ObservedLane(Executor):
    """A lane whose calls are observed, under the name of the lane."""

    def __init__(self, lane: Executor, name: str, observer: Observer) -> None:
        self._lane = lane
        self._name = name
        self._observer = observer

    async def __call__(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        with self._observer(self._name) as started:
            return await self._lane(partial(_start, started, call), *args, **kwargs)


class ObservedPool:
    """The hasher's pool; its calls are observed as `hashing`."""

    def __init__(self, pool: JobPool, observer: Observer) -> None:
        self._pool = pool
        self._observer = observer

    def run(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        with self._observer("hashing") as started:
            return self._pool.run(partial(_start, started, partial(job, *args, **kwargs)))

    def close(self) -> None:
        self._pool.close()


class ObservedImages:
    """The image decoder. The observer cannot split the wait for a decoder from the work."""

    def __init__(self, images: Images, observer: Observer) -> None:
        self._images = images
        self._observer = observer

    def normalise(self, data: bytes) -> bytes:
        with self._observer("images"):
            return self._images.normalise(data)


class ObservedNotifier:
    """A notifier, under the name of the channel. A decoy counts as a message: metrics must not reveal who has an account."""

    def __init__(self, notifier: Notifier, observer: Observer) -> None:
        self._notifier = notifier
        self._observer = observer

    def send(self, message: OutgoingMessage) -> None:
        with self._observer(message.channel.value):
            self._notifier.send(message)

    def send_decoy(self, message: OutgoingMessage) -> None:
        with self._observer(message.channel.value):
            self._notifier.send_decoy(message)


class ObservedDatabase:
    """Transactions are observed as `transaction`, reads by port and method: `accounts.by_active_session`."""

    def __init__(self, database: Database, observer: Observer) -> None:
        self._database = database
        self._observer = observer
        self.accounts = ObservedAccounts(database.accounts, observer)
        self.sessions = ObservedSessions(database.sessions, observer)
        self.rate_limits = ObservedRateLimits(database.rate_limits, observer)
        self.outbox = ObservedOutbox(database.outbox, observer)
        self.audit_log = ObservedAuditLog(database.audit_log, observer)
        self.cursors = ObservedCursors(database.cursors, observer)

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        with self._observer("transaction") as started, self._database.begin() as transaction:
            started()
            yield transaction

    def check(self) -> None:
        self._database.check()

    def purge(self, now: float, *, limit: int) -> int:
        return self._database.purge(now, limit=limit)


class ObservedReads(Generic[Port]):
    """A port of reads."""

    def __init__(self, port: Port, observer: Observer) -> None:
        self._port = port
        self._observer = observer

    def _observe(self, name: str, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        with self._observer(name) as started:
            return _start(started, call, *args, **kwargs)


class ObservedAccounts(ObservedReads[Accounts]):
    def get(self, account_id: int) -> Account | None:
        return self._observe("accounts.get", self._port.get, account_id)

    def by_address(self, address: Address) -> Account | None:
        return self._observe("accounts.by_address", self._port.by_address, address)

    def by_login(self, login: LoginIdentifier) -> Account | None:
        return self._observe("accounts.by_login", self._port.by_login, login)

    def by_active_session(self, account_id: int, session_id: str, now: float) -> Account | None:
        return self._observe("accounts.by_active_session", self._port.by_active_session, account_id, session_id, now)

    def by_active_sessions(self, identities: Sequence[tuple[int, str]], now: float) -> Sequence[Account | None]:
        return self._observe("accounts.by_active_sessions", self._port.by_active_sessions, identities, now)

    def taken_fields(self, username: Username | None, addresses: Iterable[Address], *, excluding: int = 0) -> frozenset[str]:
        return self._observe("accounts.taken_fields", self._port.taken_fields, username, addresses, excluding=excluding)

    def with_images(self, after: int, *, limit: int) -> Sequence[tuple[int, str]]:
        return self._observe("accounts.with_images", self._port.with_images, after, limit=limit)


class ObservedSessions(ObservedReads[SessionReads]):
    def active(self, account_id: int, now: float) -> Sequence[Session]:
        return self._observe("sessions.active", self._port.active, account_id, now)

    def revoked(self, after: tuple[float, str], *, limit: int) -> Sequence[tuple[float, str]]:
        return self._observe("sessions.revoked", self._port.revoked, after, limit=limit)


class ObservedRateLimits(ObservedReads[SlidingWindowReads]):
    def get(self, keys: Sequence[str]) -> Sequence[SlidingWindow]:
        return self._observe("rate_limits.get", self._port.get, keys)


class ObservedOutbox(ObservedReads[OutboxReads]):
    def find(self, *, failed: bool, after: int, limit: int) -> Sequence[OutboxEntry]:
        return self._observe("outbox.find", self._port.find, failed=failed, after=after, limit=limit)


class ObservedAuditLog(ObservedReads[AuditLogReads]):
    def last_position(self) -> int:
        return self._observe("audit_log.last_position", self._port.last_position)

    def find(self, query: AuditQuery, *, limit: int) -> Sequence[tuple[int, Event]]:
        return self._observe("audit_log.find", self._port.find, query, limit=limit)

    def read_stable_after(self, after: int, now: float, *, limit: int) -> Sequence[tuple[int, Event]]:
        return self._observe("audit_log.read_stable_after", self._port.read_stable_after, after, now, limit=limit)


class ObservedCursors(ObservedReads[CursorReads]):
    def get(self, name: str) -> Cursor:
        return self._observe("cursors.get", self._port.get, name)


def _start(started: Started, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    started()
    return call(*args, **kwargs)
