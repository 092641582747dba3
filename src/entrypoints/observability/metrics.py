"""Metrics for Prometheus: what is counted, and where. Labels come from the program, and never from what somebody sent.

They lie in `prometheus_client.REGISTRY`, or in the files of all workers where `PROMETHEUS_MULTIPROC_DIR` is set before this is
imported; gauges are those of the workers that live.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple, cast

from prometheus_client import Counter, Gauge, Histogram

from ...application import AddressKind, Overloaded
from ...application.ports import Database, Images, Notifier, Undeliverable
from ..concurrency.executors import Executor
from . import Begun, Front, Pool, Watch
from .http_calls import method_of, observe
from .wrappers import WatchedDatabase, WatchedImages, WatchedLane, WatchedNotifier, WatchedPool

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, Send

_CALL = ("method", "route", "status")
_SHORT = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_LONG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

REQUESTS = Counter("vestibule_http_requests_total", "Calls answered. The route is empty where none was reached.", _CALL)
SECONDS = Histogram(
    "vestibule_http_request_duration_seconds", "From a call's header to the end of its answer.", _CALL, buckets=_LONG
)
IN_PROGRESS = Gauge("vestibule_http_requests_in_progress", "Calls under way.", multiprocess_mode="livesum")
REFUSALS = Counter("vestibule_http_refusals_total", "Calls refused, by the slug of the problem.", ("route", "problem"))

RUNNING = Gauge("vestibule_lane_running", "Calls at work in a lane.", ("lane",), multiprocess_mode="livesum")
WAITING = Gauge("vestibule_lane_waiting", "Calls that wait for a thread of a lane.", ("lane",), multiprocess_mode="livesum")
OVERLOADS = Counter("vestibule_lane_overloads_total", "Calls that a lane had no room for.", ("lane",))
LANE_WAIT = Histogram("vestibule_lane_wait_seconds", "The wait for a thread of a lane.", ("lane",), buckets=_LONG)
LANE_SECONDS = Histogram(
    "vestibule_lane_duration_seconds", "The work of a call in a lane, without the wait.", ("lane",), buckets=_LONG
)

DATABASE_SECONDS = Histogram(
    "vestibule_database_duration_seconds", "Transactions and questions, with their wait.", ("operation",), buckets=_SHORT
)
BEGIN_SECONDS = Histogram(
    "vestibule_database_begin_seconds", "The wait for a transaction to begin: a connection, SQLite's lock.", buckets=_SHORT
)
CONNECTIONS = Gauge(
    "vestibule_database_connections", "Connections to PostgreSQL, in use or idle.", ("state",), multiprocess_mode="livesum"
)

DELIVERIES = Counter("vestibule_deliveries_total", "Attempts to deliver a message.", ("kind", "outcome"))
DELIVERY_SECONDS = Histogram("vestibule_delivery_duration_seconds", "What one attempt takes.", ("kind",), buckets=_LONG)


class Metrics(Watch):
    """Counts, on top of what another watch sees."""

    def __init__(self, within: Watch) -> None:
        self._within = within

    def front(self, front: Front) -> Front:
        return Requests(self._within.front(front))

    def lane(self, name: str, lane: Executor) -> Executor:
        return WatchedLane(self._within.lane(name, lane), name, _in_line(name))

    def hashing(self, pool: Pool) -> Pool:
        return WatchedPool(self._within.hashing(pool), _in_line("argon2"))

    def images(self, images: Images) -> Images:
        return WatchedImages(self._within.images(images), _in_line("image_decoder", Undivided))

    def database(self, database: Database) -> Database:
        around = Operations(getattr(database, "connections", lambda: None)).around
        return cast("Database", WatchedDatabase(self._within.database(database), around))

    def notifier(self, notifier: Notifier) -> Notifier:
        for kind in AddressKind:
            for outcome in ("delivered", "failed", "undeliverable"):
                DELIVERIES.labels(kind.value, outcome)
        return WatchedNotifier(self._within.notifier(notifier), delivery)


class Requests:
    """Counts every call; the outermost layer around the app."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def __call__(self, app: "ASGIApp", scope: "HTTPScope", receive: "Receive", send: "Send") -> Awaitable[None]:
        IN_PROGRESS.inc()
        return observe(self._front, _count, app, scope, receive, send)


def _count(scope: "HTTPScope", status: int | None, seconds: float) -> None:
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
    """A status of 0 is that of a call that had no answer, for its caller went away."""
    return REQUESTS.labels(method, route, status), SECONDS.labels(method, route, status)


class Line(NamedTuple):
    """What is counted of one lane."""

    running: Gauge
    waiting: Gauge
    overloads: Counter
    wait: Histogram
    seconds: Histogram


class Turn:
    """One call that waits in a lane, and then is at work in it."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._came = self._began = 0.0

    def __enter__(self) -> Begun:
        self._came = perf_counter()
        self._line.waiting.inc()
        return self._begin

    def _begin(self) -> None:
        if self._began:  # and has to go a second time
            return
        self._began = perf_counter()
        self._line.waiting.dec()
        self._line.running.inc()
        self._line.wait.observe(self._began - self._came)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._began:
            self._line.running.dec()
            self._line.seconds.observe(perf_counter() - self._began)
        else:
            self._line.waiting.dec()
            self._count_if_refused(kind)

    def _count_if_refused(self, kind: type[BaseException] | None) -> None:
        if kind is not None and issubclass(kind, Overloaded):
            self._line.overloads.inc()


class Undivided(Turn):
    """Where the wait cannot be told from the work."""

    def __enter__(self) -> Begun:
        begun = super().__enter__()
        begun()
        return begun

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        super().__exit__(kind, *rest)
        self._count_if_refused(kind)


def _in_line(lane: str, turn: type[Turn] = Turn) -> Callable[[str], Turn]:
    """The lane is there from the start, with nobody in it."""
    line = Line(
        running=RUNNING.labels(lane),
        waiting=WAITING.labels(lane),
        overloads=OVERLOADS.labels(lane),
        wait=LANE_WAIT.labels(lane),
        seconds=LANE_SECONDS.labels(lane),
    )
    return lambda _: turn(line)


class Operations:
    """What is asked of the database. Its connections are counted whenever one may have been taken or given back."""

    def __init__(self, connections: Callable[[], tuple[int, int] | None]) -> None:
        self._connections = connections
        self._counting = Lock()
        self._are_counted = connections() is not None
        self._count()

    @contextmanager
    def around(self, operation: str) -> Iterator[Begun]:
        came = perf_counter()

        def begun() -> None:
            self._count()
            if operation == "transaction":
                BEGIN_SECONDS.observe(perf_counter() - came)

        try:
            yield begun
        finally:
            self._count()
            _of_operation(operation).observe(perf_counter() - came)

    def _count(self) -> None:
        """The last one to look is the last one to tell: nothing of yesterday's stays."""
        if not self._are_counted:
            return
        with self._counting:
            found = self._connections()
            if found is not None:
                CONNECTIONS.labels("in_use").set(found[0])
                CONNECTIONS.labels("idle").set(found[1])


@lru_cache(64)
def _of_operation(operation: str) -> Histogram:
    return DATABASE_SECONDS.labels(operation)


@contextmanager
def delivery(kind: str) -> Iterator[Begun]:
    came, outcome = perf_counter(), "failed"
    try:
        yield _nothing
        outcome = "delivered"
    except Undeliverable:
        outcome = "undeliverable"
        raise
    finally:
        DELIVERIES.labels(kind, outcome).inc()
        DELIVERY_SECONDS.labels(kind).observe(perf_counter() - came)


def _nothing() -> None:
    pass
