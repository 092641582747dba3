"""Observability wraps parts when they are built; without it no wrapper exists."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from threading import Event
from types import FunctionType, MethodType, ModuleType
from typing import Any

import pytest
from litestar.testing import TestClient
from prometheus_client import REGISTRY
from tests.http.conftest import ADA, OpenClient, vestibule_of
from tests.support.webhook_receiver import SECRET
from tests.support.world import OTHER_PASSWORD, World

from vestibule.adapters.database import MemoryDatabase
from vestibule.adapters.hasher import HashingPool
from vestibule.adapters.images import PillowImages
from vestibule.adapters.rate_limiter import MemoryRateLimiter
from vestibule.application import Overloaded, Unavailable
from vestibule.application.ports import (
    Channel,
    ImportRecord,
    LegacyRefusal,
    OutgoingMessage,
    PermanentFailure,
    TemporaryFailure,
)
from vestibule.domain.rate_limits import RateLimit
from vestibule.entrypoints.concurrency.executors import ThreadLane
from vestibule.entrypoints.container import build
from vestibule.entrypoints.http.app import create_app
from vestibule.entrypoints.observability import Instrumentation, instrumentation_for
from vestibule.entrypoints.settings import Settings
from vestibule.testing import MemoryLegacyDirectory

ON = Settings(metrics_port=9100)
WRAPPERS = "vestibule.entrypoints.observability."


def parts(*roots: object) -> Iterator[object]:
    """Yields every object of Vestibule that is reachable from the roots."""
    seen, left = set[int](), list(roots)
    while left:
        part = left.pop()
        if id(part) in seen or isinstance(part, type | ModuleType):
            continue
        seen.add(id(part))
        left += list(attributes_of(part))
        if type(part).__module__.startswith("vestibule.") or isinstance(part, FunctionType | MethodType):
            yield part


def attributes_of(part: object) -> Iterator[object]:
    if isinstance(part, dict):
        yield from part.values()
    elif isinstance(part, list | tuple | set | frozenset):
        yield from part
    elif isinstance(part, MethodType):
        yield from (part.__self__, part.__func__)
    elif isinstance(part, FunctionType):
        yield from (cell.cell_contents for cell in part.__closure__ or ())
    elif isinstance(part, partial):
        yield from (part.func, part.args, part.keywords)
    elif type(part).__module__.startswith("vestibule."):
        yield from vars(part).values() if hasattr(part, "__dict__") else ()
        yield from (getattr(part, slot, None) for kind in type(part).__mro__ for slot in getattr(kind, "__slots__", ()))


def wrappers_with(settings: Settings) -> set[str]:
    """Returns the names of the wrappers in an app with these settings."""
    with build(settings, run_workers=False) as vestibule:
        app = create_app(vestibule)
        reachable = list(parts(vestibule, app.request_middleware))  # type: ignore[attr-defined]
    assert len(reachable) > 50
    return {type(part).__name__ for part in reachable if type(part).__module__.startswith(WRAPPERS)} | {
        part.__qualname__ for part in reachable if isinstance(part, FunctionType) and part.__module__.startswith(WRAPPERS)
    }


def test_no_wrapper_exists_without_observability(tmp_path: Path) -> None:
    assert wrappers_with(Settings(data_dir=tmp_path / "data")) == set()


@pytest.mark.parametrize(
    ("settings", "outermost"),
    [({"metrics_port": 9100}, "Metrics.call"), ({"traces": True}, "Traces.call")],
    ids=["metrics", "traces"],
)
def test_every_part_is_wrapped_with_observability(settings: dict[str, Any], outermost: str, tmp_path: Path) -> None:
    pwned_passwords = "http://127.0.0.1:9/range"
    wrappers = wrappers_with(Settings(data_dir=tmp_path / "data", pwned_passwords=pwned_passwords, **settings))
    assert wrappers >= {outermost, "ObservedDatabase", "ObservedPool", "ObservedImages", "ObservedNotifier", "ObservedReads"}
    assert "ObservedPasswordRules" in wrappers


@pytest.mark.slow
def test_libraries_are_imported_only_if_used(tmp_path: Path) -> None:
    program = """
import sys
from vestibule.entrypoints.container import build
from vestibule.entrypoints.http.app import create_app
from vestibule.entrypoints.settings import Settings
with build(Settings.from_environment({"VESTIBULE_DATA_DIR": sys.argv[1]})) as vestibule:
    create_app(vestibule)
ours = ("prometheus_client", "opentelemetry.sdk", "vestibule.entrypoints.observability.")
ours_at_all_times = {f"vestibule.entrypoints.observability.{name}" for name in ("http_calls", "log_format", "wrappers")}
print([name for name in sys.modules if name.startswith(ours) and name not in ours_at_all_times])
"""
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"


# --- metrics ----------------------------------------------------------------------------------------------------------

Growth = Callable[..., float]


@pytest.fixture
def growth() -> Growth:
    """Returns the growth of a sample since the first call of the test."""
    before: dict[str, float] = {}

    def value(name: str, **labels: str) -> float:
        now = REGISTRY.get_sample_value(f"vestibule_{name}", labels) or 0.0
        return now - before.setdefault(f"{name}{labels}", now)

    return value


def test_request_is_counted_by_route_and_refusal_by_slug(open_client: OpenClient, growth: Growth) -> None:
    client = open_client(metrics_port=9100)
    wrong = {"method": "POST", "route": "/login", "status": "401"}
    refused = {"route": "/login", "problem": "invalid-credentials"}
    counts = [partial(growth, name, **wrong) for name in ("http_requests_total", "http_request_duration_seconds_count")]
    counts.append(partial(growth, "http_refusals_total", **refused))
    assert [count() for count in counts] == [0, 0, 0]
    for _ in range(2):
        client.post("/login/", {"username": "ada", "password": OTHER_PASSWORD})
    assert [count() for count in counts] == [2, 2, 2]
    assert REGISTRY.get_sample_value("vestibule_http_requests_in_progress") == 0


def test_rate_limited_request_is_counted(open_client: OpenClient, growth: Growth) -> None:
    refused = {"route": "", "problem": "rate-limited"}
    growth("http_refusals_total", **refused)
    open_client(rate_limiter=RefusingRateLimiter(), metrics_port=9100).post("/register/", ADA)
    assert growth("http_refusals_total", **refused) == 1


def test_internal_error_is_counted(open_client: OpenClient, growth: Growth) -> None:
    world = World(metrics_port=9100)
    app = create_app(vestibule_of(world, check_unique=None))  # calling None raises
    refused = {"route": "/isunique", "problem": "internal"}
    growth("http_refusals_total", **refused)
    with TestClient(app) as client:
        assert client.post("/isunique/", json={"prop": "username", "value": "ada"}).status_code == 500
    assert growth("http_refusals_total", **refused) == 1


def test_labels_contain_no_text_of_callers(open_client: OpenClient) -> None:
    client = open_client(metrics_port=9100)
    client.call("GET", "/images/hunter2?token=hunter2")
    client.call("GET", "/hunter2/?hunter2", headers={"X-Hunter2": "hunter2", "User-Agent": "hunter2"})
    client.call("DELETE", "/sessions/hunter2/", token=client.token())
    client.call("HUNTER2", "/login/")
    client.post("/login/", {"username": "hunter2", "password": "hunter2"})
    client.post("/isunique/", {"prop": "hunter2", "value": "hunter2"})
    labels = [sample.labels for metric in REGISTRY.collect() for sample in metric.samples]
    assert {"route": "/images/{name}", "problem": "not-found"} in labels
    assert any(names.get("method") == "other" for names in labels)
    assert "hunter2" not in repr(labels).lower()


class RefusingRateLimiter(MemoryRateLimiter):
    """A rate limiter that refuses every call."""

    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        return 17


def test_hashing_pool_reports_running_waiting_and_refused_calls(growth: Growth) -> None:
    pool, gate = instrumentation_for(ON).hashing(HashingPool(1, 2)), Event()
    lane = {"lane": "argon2"}
    names = ("lane_running", "lane_waiting", "lane_overloads_total", "lane_duration_seconds_count", "lane_wait_seconds_count")
    assert [growth(name, **lane) for name in names] == [0] * 5
    with ThreadPoolExecutor(3) as threads:
        jobs = [threads.submit(pool.run, gate.wait, 10) for _ in range(3)]
        eventually(lambda: (growth("lane_running", **lane), growth("lane_waiting", **lane)) == (1, 2))
        with pytest.raises(Overloaded):
            pool.run(gate.is_set)
        gate.set()
        assert [job.result() for job in jobs] == [True] * 3
    assert [growth(name, **lane) for name in names] == [0, 0, 1, 3, 3]
    pool.close()


def test_lane_reports_running_waiting_and_refused_calls(growth: Growth) -> None:
    lane, gate = instrumentation_for(ON).lane("writes", ThreadLane(threads=1, limit=2)), Event()
    names = ("lane_running", "lane_waiting", "lane_overloads_total", "lane_duration_seconds_count")
    assert [growth(name, lane="writes") for name in names] == [0] * 4

    async def call_lane() -> list[float]:
        inside = [asyncio.create_task(lane(gate.wait, 10)) for _ in range(2)]
        await asyncio.to_thread(eventually, lambda: growth("lane_running", lane="writes") == 1)
        with pytest.raises(Overloaded):
            await lane(gate.is_set)
        values = [growth(name, lane="writes") for name in names]
        gate.set()
        await asyncio.gather(*inside)
        return values

    assert asyncio.run(call_lane()) == [1, 1, 1, 0]
    assert [growth(name, lane="writes") for name in names] == [0, 0, 1, 2]


def test_refused_images_are_counted(growth: Growth) -> None:
    class OverloadedImages:
        def normalise(self, data: bytes) -> bytes:
            raise Overloaded

    names = ("lane_running", "lane_overloads_total", "lane_duration_seconds_count")
    assert [growth(name, lane="image_decoder") for name in names] == [0] * 3
    with pytest.raises(Overloaded):
        instrumentation_for(ON).images(OverloadedImages()).normalise(b"")
    assert [growth(name, lane="image_decoder") for name in names] == [0, 1, 1]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (None, "delivered"),
        (TemporaryFailure, "temporary_failure"),
        (PermanentFailure, "permanent_failure"),
        (OSError, "temporary_failure"),
    ],
)
def test_message_and_decoy_are_counted_by_outcome(fault: type[Exception] | None, outcome: str, growth: Growth) -> None:
    class FailingNotifier:
        def send(self, message: OutgoingMessage) -> None:
            if fault is not None:
                raise fault

        send_decoy = send

    notifier = instrumentation_for(ON).notifier(FailingNotifier())
    counted = partial(growth, "deliveries_total", channel="email", outcome=outcome)
    assert counted() == 0
    message = OutgoingMessage(id="1", channel=Channel.EMAIL, recipient="ada@mail.example.com", template="code", values={})
    for send in (notifier.send, notifier.send_decoy):
        with pytest.raises(fault) if fault else nullcontext():
            send(message)
    assert counted() == 2


ANSWERS: dict[str, ImportRecord | LegacyRefusal | Unavailable] = {
    "right": ImportRecord(key="1", place="account 1", username="ada"),
    "wrong": LegacyRefusal.WRONG,
    "unknown": LegacyRefusal.UNKNOWN,
    "unavailable": Unavailable(),
    "overloaded": Overloaded(),
}


@pytest.mark.parametrize("outcome", ANSWERS)
def test_question_to_the_legacy_directory_is_counted_by_its_answer(outcome: str, growth: Growth) -> None:
    answer = ANSWERS[outcome]

    class Directory:
        name = "legacy"

        def check(self, identifier: str, password: str, /) -> ImportRecord | LegacyRefusal:
            if isinstance(answer, Exception):
                raise answer
            return answer

    directory = instrumentation_for(ON).legacy_directory(Directory())
    counted = partial(growth, "legacy_directory_calls_total", outcome=outcome)
    timed = partial(growth, "legacy_directory_duration_seconds_count")
    assert (counted(), timed()) == (0, 0)
    with pytest.raises(Unavailable) if isinstance(answer, Exception) else nullcontext():
        assert directory.check("ada", OTHER_PASSWORD) == answer
    assert (counted(), timed()) == (1, 1)
    assert directory.name == "legacy"


@pytest.mark.parametrize("seen", [{"metrics_port": 9100}, {"traces": True}])
def test_observed_legacy_directory_lets_people_in(seen: dict[str, Any]) -> None:
    directory = MemoryLegacyDirectory()
    directory.add(ImportRecord(key="1", place="account 1", username="ada"), OTHER_PASSWORD)
    world = World(legacy_directory=directory, **seen)
    assert world.log_in_as("ada", OTHER_PASSWORD).account.username.text == "ada"


def test_injected_database_is_measured(growth: Growth) -> None:
    world = World()
    database = instrumentation_for(ON).database(world.database)
    reads = partial(growth, "database_duration_seconds_count", operation="accounts.get")
    begins = partial(growth, "database_begin_seconds_count")
    assert (reads(), begins()) == (0, 0)
    assert database.accounts.get(1) is None
    with database.begin() as tx:
        assert tx.accounts.get(1) is None
    database.check()
    assert (reads(), begins()) == (1, 1)
    assert growth("database_duration_seconds_count", operation="transaction") == 0
    with database.begin():
        pass
    assert growth("database_duration_seconds_count", operation="transaction") == 1
    assert database.purge(0.0, limit=1) == 0


def test_disabled_instrumentation_returns_parts_unchanged() -> None:
    disabled, pool, images = Instrumentation(), HashingPool(1, 1), PillowImages()
    lane = ThreadLane(1, 1)
    assert disabled.hashing(pool) is pool
    assert disabled.images(images) is images
    assert disabled.lane("writes", lane) is lane
    pool.close()
    images.close()


def eventually(condition: Callable[[], bool]) -> None:
    waiting = Event()
    for _ in range(500):
        if condition():
            return
        waiting.wait(0.01)
    raise TimeoutError


@pytest.mark.parametrize("seen", [{"metrics_port": 9100}, {"traces": True}])
def test_events_are_read_from_a_measured_database(tmp_path: Path, seen: dict[str, Any]) -> None:
    with build(Settings(data_dir=tmp_path, **seen), run_workers=False) as vestibule:
        vestibule.register(username="ada", name="Ada", email="ada@example.com", password=OTHER_PASSWORD)
        with vestibule.read_events("crm") as events:
            assert [position for position, _ in events] == [1]


def test_connections_are_counted_with_webhooks_on(tmp_path: Path) -> None:
    class PooledDatabase(MemoryDatabase):
        def connections(self) -> tuple[int, int]:
            return 3, 4

    settings = Settings(data_dir=tmp_path, metrics_port=9100, webhook_url="http://127.0.0.1:9/", webhook_secret=(SECRET,))
    with build(settings, run_workers=False, database=PooledDatabase()):
        assert REGISTRY.get_sample_value("vestibule_database_connections", {"state": "in_use"}) == 3
        assert REGISTRY.get_sample_value("vestibule_database_connections", {"state": "idle"}) == 4
