"""Wrappers of lanes and ports that pass each call through an observer. Metrics and traces each bring observers of their own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from ...application.ports import (
    AuditLog,
    Database,
    Images,
    ImportRecord,
    LegacyDirectory,
    LegacyRefusal,
    Notifier,
    OutgoingMessage,
    PasswordRules,
    Transaction,
)
from ...domain.errors import FieldError
from ...domain.events import Event
from ..concurrency.executors import Executor

P = ParamSpec("P")
R = TypeVar("R")

OnStart = Callable[[], object]
Observer = Callable[[], AbstractContextManager[OnStart]]
"""Returns a context manager for a call. It yields a callback to invoke when the wait ends and the call starts to run."""
NamedObserver = Callable[[str], AbstractContextManager[OnStart]]
"""The same for a part with several kinds of calls; takes the name of the kind."""
OutcomeObserver = Callable[[], AbstractContextManager[Callable[[str], object]]]
"""The same for a part whose answers differ: yields a callback to invoke with the kind of the answer."""
OnEvent = Callable[[Event], object]


class JobPool(Protocol):
    """The hasher's thread pool."""

    capacity: int

    def run(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...

    def close(self) -> None: ...


class ObservedLane(Executor):
    """A lane."""

    def __init__(self, lane: Executor, observer: Observer) -> None:
        self._lane = lane
        self._observer = observer

    async def __call__(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        with self._observer() as started:
            return await self._lane(partial(_start, started, call), *args, **kwargs)


class ObservedPool:
    """The hasher's pool."""

    def __init__(self, pool: JobPool, observer: Observer) -> None:
        self._pool = pool
        self._observer = observer
        self.capacity = pool.capacity
        self.close = pool.close

    def run(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        with self._observer() as started:
            return self._pool.run(partial(_start, started, partial(job, *args, **kwargs)))


class ObservedImages:
    """The image decoder. The observer cannot split the wait for a decoder from the work."""

    def __init__(self, images: Images, observer: Observer) -> None:
        self._images = images
        self._observer = observer

    def normalise(self, data: bytes) -> bytes:
        with self._observer():
            return self._images.normalise(data)


class ObservedNotifier:
    """A notifier, under the name of the channel. A decoy counts as a message: metrics must not reveal who has an account."""

    def __init__(self, notifier: Notifier, observer: NamedObserver) -> None:
        self._notifier = notifier
        self._observer = observer

    def send(self, message: OutgoingMessage) -> None:
        with self._observer(message.channel.value):
            self._notifier.send(message)

    def send_decoy(self, message: OutgoingMessage) -> None:
        with self._observer(message.channel.value):
            self._notifier.send_decoy(message)


class ObservedPasswordRules:
    """The comparison of new passwords with a list of breached ones."""

    def __init__(self, rules: PasswordRules, observer: Observer) -> None:
        self._rules = rules
        self._observer = observer

    def __call__(self, password: str, /) -> Sequence[FieldError]:
        with self._observer():
            return self._rules(password)


class ObservedLegacyDirectory:
    """A legacy directory. The kinds of its answers are `right`, `wrong` and `unknown`."""

    def __init__(self, directory: LegacyDirectory, observer: OutcomeObserver) -> None:
        self._directory = directory
        self._observer = observer
        self.name = directory.name

    def check(self, identifier: str, password: str, /) -> ImportRecord | LegacyRefusal:
        with self._observer() as answered:
            answer = self._directory.check(identifier, password)
            answered(answer.value if isinstance(answer, LegacyRefusal) else "right")
            return answer


class ObservedDatabase:
    """Transactions are observed as `transaction`, reads by port and method: `accounts.by_active_session`.

    After a commit `on_event` receives each event that the transaction added to the audit log.
    """

    def __init__(self, database: Database, observer: NamedObserver, on_event: OnEvent) -> None:
        self._database = database
        self._observer = observer
        self._on_event = on_event
        self.accounts: Any = ObservedReads("accounts", database.accounts, observer)
        self.invitations: Any = ObservedReads("invitations", database.invitations, observer)
        self.sessions: Any = ObservedReads("sessions", database.sessions, observer)
        self.rate_limits: Any = ObservedReads("rate_limits", database.rate_limits, observer)
        self.outbox: Any = ObservedReads("outbox", database.outbox, observer)
        self.audit_log: Any = ObservedReads("audit_log", database.audit_log, observer)
        self.cursors: Any = ObservedReads("cursors", database.cursors, observer)
        self.imports: Any = ObservedReads("imports", database.imports, observer)
        self.check = database.check
        self.purge = database.purge
        self.may_block = database.may_block
        self.group_commit = database.group_commit

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        events: list[Event] = []
        with self._observer("transaction") as started, self._database.begin() as transaction:
            started()
            yield cast("Transaction", ObservedTransaction(transaction, events.append))
        for event in events:
            self._on_event(event)


class ObservedTransaction:
    """A transaction that passes each event of the audit log to `on_add` as well."""

    def __init__(self, transaction: Transaction, on_add: OnEvent) -> None:
        self._transaction = transaction
        self._on_add = on_add

    @property
    def audit_log(self) -> "ObservedAuditLog":
        return ObservedAuditLog(self._transaction.audit_log, self._on_add)

    def __getattr__(self, part: str) -> Any:
        return getattr(self._transaction, part)


class ObservedAuditLog:
    """The audit log of an observed transaction."""

    def __init__(self, audit_log: AuditLog, on_add: OnEvent) -> None:
        self._audit_log = audit_log
        self._on_add = on_add
        self.anonymise = audit_log.anonymise

    def add(self, event: Event) -> None:
        self._audit_log.add(event)
        self._on_add(event)


class ObservedReads:
    """A port of reads. Each of its methods is wrapped when it is first called."""

    def __init__(self, name: str, port: object, observer: NamedObserver) -> None:
        self._name = name
        self._port = port
        self._observer = observer

    def __getattr__(self, method: str) -> Callable[..., Any]:
        call, operation, observer = getattr(self._port, method), f"{self._name}.{method}", self._observer

        def observed(*args: Any, **kwargs: Any) -> Any:
            with observer(operation) as started:
                started()
                return call(*args, **kwargs)

        setattr(self, method, observed)  # later calls do not come here
        return observed


def _start(started: OnStart, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    started()
    return call(*args, **kwargs)
