"""Metrics for Prometheus. Labels are the program's own words, never text that a caller sent.

They are in `prometheus_client.REGISTRY`, or in files shared by all workers if `PROMETHEUS_MULTIPROC_DIR` is set before this
module is imported. Gauges count running workers only.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from importlib.metadata import version
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from ... import forks
from ...application import AddressKind, Overloaded, Unavailable
from ...application.ports import Database, PermanentFailure
from ...domain.code import CodePurpose
from ...domain.events import Event, EventType
from . import Middleware
from .http_calls import method_of, observe
from .wrappers import NamedObserver, Observer, OnStart, OutcomeObserver

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, Send

_CALL = ("method", "route", "status")
_SHORT = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_LONG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

REQUESTS = Counter("vestibule_http_requests_total", "Calls. The route is empty if none matched.", _CALL)
SECONDS = Histogram(
    "vestibule_http_request_duration_seconds", "From a call's header to the end of its response.", _CALL, buckets=_LONG
)
IN_PROGRESS = Gauge("vestibule_http_requests_in_progress", "Calls in progress.", multiprocess_mode="livesum")
REFUSALS = Counter("vestibule_http_refusals_total", "Refused calls, by the slug of the problem.", ("route", "problem"))

RUNNING = Gauge("vestibule_lane_running", "Calls that run in a lane.", ("lane",), multiprocess_mode="livesum")
WAITING = Gauge("vestibule_lane_waiting", "Calls that wait for a thread of a lane.", ("lane",), multiprocess_mode="livesum")
OVERLOADS = Counter("vestibule_lane_overloads_total", "Calls that a full lane refused.", ("lane",))
LANE_WAIT = Histogram("vestibule_lane_wait_seconds", "Time that a call waits for a thread of a lane.", ("lane",), buckets=_LONG)
LANE_SECONDS = Histogram(
    "vestibule_lane_duration_seconds", "Time that a call runs in a lane, without the wait.", ("lane",), buckets=_LONG
)

DATABASE_SECONDS = Histogram(
    "vestibule_database_duration_seconds", "Transactions and reads, with their wait.", ("operation",), buckets=_SHORT
)
BEGIN_SECONDS = Histogram(
    "vestibule_database_begin_seconds", "Wait of a transaction for a connection or for SQLite's write lock.", buckets=_SHORT
)
CONNECTIONS = Gauge(
    "vestibule_database_connections", "Connections to PostgreSQL, in use or idle.", ("state",), multiprocess_mode="livesum"
)

EVENTS = Counter("vestibule_events_total", "Events of the audit log, by their type and its public detail.", ("type", "detail"))
WORKERS = Gauge(
    "vestibule_workers", "Processes that run the program, by its version.", ("version",), multiprocess_mode="livesum"
)

DELIVERIES = Counter("vestibule_deliveries_total", "Attempts to deliver a message.", ("channel", "outcome"))
DELIVERY_SECONDS = Histogram("vestibule_delivery_duration_seconds", "Duration of one attempt.", ("channel",), buckets=_LONG)

PASSWORD_CHECKS = Counter(
    "vestibule_password_checks_total", "New passwords to be compared with the list of breached ones.", ("outcome",)
)
LEGACY_CALLS = Counter(
    "vestibule_legacy_directory_calls_total", "Questions to the legacy directory, by its answer.", ("outcome",)
)
LEGACY_SECONDS = Histogram("vestibule_legacy_directory_duration_seconds", "Duration of one question.", buckets=_LONG)


_DETAILS = {
    EventType.LOGGED_IN: ("password", *(f"code:{kind}" for kind in AddressKind)),
    EventType.CODE_SENT: tuple(CodePurpose),
    EventType.CODE_ACCEPTED: tuple(CodePurpose),
    EventType.RATE_LIMITED: ("login", "codes"),
}
"""The details that metrics show. Those of other types may tell whether an account exists, as that of a failed login does."""


class Metrics:
    """Counts and times."""

    def __init__(self) -> None:
        """Series of events and of the legacy directory exist from the start, at zero.

        Of a series that begins with its first event, `increase` misses that.
        """
        WORKERS.labels(version("vestibule-accounts")).set(1)
        for type_ in EventType:
            for detail in _DETAILS.get(type_, ("",)):
                EVENTS.labels(type_.value, detail)
        for outcome in ("right", "wrong", "unknown", "unavailable", "overloaded"):
            LEGACY_CALLS.labels(outcome)

    def call(
        self, middleware: Middleware, app: "ASGIApp", scope: "HTTPScope", receive: "Receive", send: "Send"
    ) -> Awaitable[None]:
        """The outermost layer around the app, unless there are traces."""
        IN_PROGRESS.inc()
        return observe(middleware, _count_end, app, scope, receive, send)

    def lane(self, name: str) -> Observer:
        return partial(CallTimer, LaneMetrics(name))

    def hashing(self) -> Observer:
        return partial(CallTimer, LaneMetrics("argon2"))

    def images(self) -> Observer:
        return partial(UnsplitTimer, LaneMetrics("image_decoder"))

    def database(self, database: Database) -> NamedObserver:
        return DatabaseTimer(getattr(database, "connections", lambda: None)).observer

    def event(self, event: Event) -> None:
        EVENTS.labels(event.type.value, event.detail if event.detail in _DETAILS.get(event.type, ()) else "").inc()

    def notifier(self) -> NamedObserver:
        for kind in AddressKind:
            for outcome in ("delivered", "temporary_failure", "permanent_failure"):
                DELIVERIES.labels(kind.value, outcome)
        return delivery

    def password_rules(self) -> Observer:
        for outcome in ("compared", "unavailable"):
            PASSWORD_CHECKS.labels(outcome)
        return password_check

    def legacy_directory(self) -> OutcomeObserver:
        return legacy_call


def _count_end(scope: "HTTPScope", status: int | None, seconds: float) -> None:
    IN_PROGRESS.dec()
    route = scope.get("path_template") or ""
    calls, durations = _of_call(method_of(scope), route, status or 0)
    calls.inc()
    durations.observe(seconds)
    refusal = scope["state"].get("refusal")
    if refusal is not None:
        REFUSALS.labels(route, refusal).inc()


@lru_cache(1024)
def _of_call(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Returns the metrics of such calls. A status of 0 marks a call whose caller disconnected before a response."""
    return REQUESTS.labels(method, route, status), SECONDS.labels(method, route, status)


class LaneMetrics:
    """The metrics of one lane. Its series exist from the start, at zero."""

    def __init__(self, lane: str) -> None:
        self.running = RUNNING.labels(lane)
        self.waiting = WAITING.labels(lane)
        self.overloads = OVERLOADS.labels(lane)
        self.wait = LANE_WAIT.labels(lane)
        self.seconds = LANE_SECONDS.labels(lane)


class CallTimer:
    """Times one call: its wait in a lane, then its work."""

    def __init__(self, metrics: LaneMetrics) -> None:
        self._metrics = metrics
        self._arrived = self._started = 0.0

    def __enter__(self) -> OnStart:
        self._arrived = perf_counter()
        self._metrics.waiting.inc()
        return self._start

    def _start(self) -> None:
        if self._started:  # a retried call starts twice
            return
        self._started = perf_counter()
        self._metrics.waiting.dec()
        self._metrics.running.inc()
        self._metrics.wait.observe(self._started - self._arrived)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._started:
            self._metrics.running.dec()
            self._metrics.seconds.observe(perf_counter() - self._started)
        else:
            self._metrics.waiting.dec()
            self._count_if_refused(kind)

    def _count_if_refused(self, kind: type[BaseException] | None) -> None:
        if kind is not None and issubclass(kind, Overloaded):
            self._metrics.overloads.inc()


class UnsplitTimer(CallTimer):
    """Times wait and work together, where they cannot be told apart."""

    def __enter__(self) -> OnStart:
        started = super().__enter__()
        started()
        return started

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        super().__exit__(kind, *rest)
        self._count_if_refused(kind)


class DatabaseTimer:
    """Times transactions and reads. Counts the connections whenever one may have been taken or released."""

    def __init__(self, connections: Callable[[], tuple[int, int] | None]) -> None:
        self._connections = connections
        self.renew()
        forks.watch(self)
        self._are_counted = connections() is not None
        self._count()

    def renew(self) -> None:
        self._counting = Lock()

    @contextmanager
    def observer(self, operation: str) -> Iterator[OnStart]:
        arrived = perf_counter()

        def started() -> None:
            self._count()
            if operation == "transaction":
                BEGIN_SECONDS.observe(perf_counter() - arrived)

        try:
            yield started
        finally:
            self._count()
            _of_operation(operation).observe(perf_counter() - arrived)

    def _count(self) -> None:
        """Serialised, so that a stale reading never overwrites a newer one."""
        if not self._are_counted:
            return
        with self._counting:
            connections = self._connections()
            if connections is not None:
                for state, number in zip(("in_use", "idle"), connections, strict=True):
                    CONNECTIONS.labels(state).set(number)


@lru_cache(64)
def _of_operation(operation: str) -> Histogram:
    return DATABASE_SECONDS.labels(operation)


@contextmanager
def delivery(channel: str) -> Iterator[OnStart]:
    arrived, outcome = perf_counter(), "temporary_failure"
    try:
        yield lambda: None  # it does not wait
        outcome = "delivered"
    except PermanentFailure:
        outcome = "permanent_failure"
        raise
    finally:
        DELIVERIES.labels(channel, outcome).inc()
        DELIVERY_SECONDS.labels(channel).observe(perf_counter() - arrived)


@contextmanager
def password_check() -> Iterator[OnStart]:
    outcome = "compared"
    try:
        yield lambda: None  # it does not wait
    except Unavailable:
        outcome = "unavailable"
        raise
    finally:
        PASSWORD_CHECKS.labels(outcome).inc()


@contextmanager
def legacy_call() -> Iterator[Callable[[str], object]]:
    arrived, outcome = perf_counter(), "unavailable"

    def answered(kind: str) -> None:
        nonlocal outcome
        outcome = kind

    try:
        yield answered
    except Overloaded:
        outcome = "overloaded"
        raise
    finally:
        LEGACY_CALLS.labels(outcome).inc()
        LEGACY_SECONDS.observe(perf_counter() - arrived)
