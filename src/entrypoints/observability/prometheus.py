"""The port that Prometheus scrapes: what this process has counted, or all workers have, and what waits in the outbox then."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from time import time
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer

from ...application import Unavailable
from ..container.maintenance import backlog
from ..settings import Settings, SettingsError

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.registry import Collector

_log = logging.getLogger("vestibule.metrics")

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""The directory where each process keeps what it counts. prometheus-client looks at it once, when it is imported."""


@contextmanager
def exposed(settings: Settings) -> Iterator[None]:
    """Listens for scrapes of this process, until the block is left. Raises `SettingsError` where it cannot."""
    from prometheus_client import REGISTRY, disable_created_metrics

    disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client's, as below
    with _listening(settings, REGISTRY):
        yield


@contextmanager
def exposed_of_workers(settings: Settings) -> Iterator[None]:
    """The same for all processes that begin within the block, in a process that counts nothing itself.

    What a worker has counted outlives it, but for its gauges. No process is forked amid a scrape, which may hold any lock.
    """
    with TemporaryDirectory(prefix="vestibule-metrics-") as directory:
        os.environ[MULTIPROCESS] = directory
        with _listening(settings, Workers(Path(directory))) as (server, scraping):
            os.register_at_fork(before=scraping.acquire, after_in_parent=scraping.release, after_in_child=scraping.release)
            os.register_at_fork(after_in_child=server.server_close)
            yield


class Workers:
    """What the workers have counted, in files that outlive them; gauges are those of workers that live."""

    def __init__(self, directory: Path) -> None:
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        self._directory = directory
        self._files = MultiProcessCollector(CollectorRegistry(), str(directory))  # type: ignore[no-untyped-call]

    def collect(self) -> "list[Metric]":
        self._bury()
        return list(self._files.collect())  # type: ignore[no-untyped-call]

    def _bury(self) -> None:
        for file in self._directory.glob("gauge_*.db"):
            if not _lives(int(file.stem.rpartition("_")[2])):
                file.unlink(missing_ok=True)


class Outbox:
    """What waits in the outbox, asked at each scrape; nothing where the database cannot be had."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import GaugeMetricFamily

        try:
            found = backlog(self._settings)
        except Unavailable:
            return
        now = time()
        due = GaugeMetricFamily("vestibule_outbox_due_messages", "Messages that a courier may take.", labels=("kind",))
        age = GaugeMetricFamily("vestibule_outbox_oldest_due_seconds", "How long the oldest of these is due.", labels=("kind",))
        dead = GaugeMetricFamily(
            "vestibule_outbox_dead_messages", "Messages that were given up, and are kept.", labels=("kind",)
        )
        for kind, many, since, given_up in found:
            due.add_metric((kind.value,), many)
            age.add_metric((kind.value,), 0 if since is None else max(0, now - since))
            dead.add_metric((kind.value,), given_up)
        yield from (due, age, dead)


class Scrape:
    """One after another; while `lock` is held there is none."""

    def __init__(self, *collectors: "Collector") -> None:
        self.lock = Lock()
        self._collectors = collectors

    def collect(self) -> "list[Metric]":
        with self.lock:
            return [metric for collector in self._collectors for metric in collector.collect()]


@contextmanager
def _listening(settings: Settings, counted: "Collector") -> Iterator[tuple[WSGIServer, Lock]]:
    from prometheus_client import CollectorRegistry, start_http_server

    registry, scrape = CollectorRegistry(), Scrape(counted, Outbox(settings))
    registry.register(scrape)
    where = f"{settings.metrics_host}:{settings.metrics_port}"
    try:
        server, thread = start_http_server(settings.metrics_port or 0, settings.metrics_host, registry)
    except OSError as error:
        raise SettingsError(f"VESTIBULE_METRICS_PORT: cannot listen on {where}: {error.strerror}.") from error
    server.handle_error = _broken_off  # type: ignore[method-assign,assignment]  # by itself it prints the traceback
    try:
        yield server, scrape.lock
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _broken_off(*_: object) -> None:
    _log.warning("a scrape broke off", exc_info=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
