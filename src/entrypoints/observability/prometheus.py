"""The HTTP endpoint that Prometheus scrapes: the metrics of this process or of all workers, and the outbox's backlog."""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from time import time
from typing import TYPE_CHECKING, Any, cast
from wsgiref.simple_server import WSGIServer

from ...application import Unavailable
from ..container.maintenance import backlog
from ..settings import Settings, SettingsError

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.registry import Collector

_log = logging.getLogger("vestibule.metrics")

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the directory of the workers' metrics. prometheus-client reads it once, at import."""


@contextmanager
def metrics_served(settings: Settings) -> Iterator[None]:
    """Serves the metrics of this process until the block is left. Raises `SettingsError` if it cannot listen."""
    from prometheus_client import REGISTRY, disable_created_metrics

    disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client's, as below
    with _listening(settings, REGISTRY):
        yield


@contextmanager
def worker_metrics_served(settings: Settings) -> Iterator[None]:
    """Serves the metrics of all processes forked within the block, from a process that has none of its own.

    The counters of a worker outlive it, its gauges do not. No worker is forked during a scrape, which may hold any lock.
    """
    with TemporaryDirectory(prefix="vestibule-metrics-") as directory:
        os.environ[MULTIPROCESS] = directory
        with _listening(settings, Workers(Path(directory))) as (server, scraping):
            os.register_at_fork(before=scraping.acquire, after_in_parent=scraping.release, after_in_child=scraping.release)
            os.register_at_fork(after_in_child=server.server_close)
            yield


class Workers:
    """Collects the workers' metrics from files, which outlive them. Gauges count running workers only."""

    def __init__(self, directory: Path) -> None:
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        self._directory = directory
        self._files = MultiProcessCollector(CollectorRegistry(), str(directory))  # type: ignore[no-untyped-call]

    def collect(self) -> "list[Metric]":
        self._delete_gauges_of_dead()
        return list(self._files.collect())  # type: ignore[no-untyped-call]

    def _delete_gauges_of_dead(self) -> None:
        for file in self._directory.glob("gauge_*.db"):
            try:
                os.kill(int(file.stem.rpartition("_")[2]), 0)
            except ProcessLookupError:
                file.unlink(missing_ok=True)


class BacklogCollector:
    """Collects the backlog from the database at each scrape; nothing while the database is unavailable."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import GaugeMetricFamily

        try:
            channels = backlog(self._settings)
        except Unavailable:
            return
        now = time()
        due = GaugeMetricFamily("vestibule_outbox_due_messages", "Messages that are due for delivery.", labels=("channel",))
        age = GaugeMetricFamily(
            "vestibule_outbox_oldest_due_seconds", "Seconds since the oldest became due.", labels=("channel",)
        )
        failed = GaugeMetricFamily(
            "vestibule_outbox_failed_messages", "Messages that failed permanently, kept for a week.", labels=("channel",)
        )
        for channel, count, since, failed_count in channels:
            due.add_metric((channel.value,), count)
            age.add_metric((channel.value,), 0 if since is None else max(0, now - since))
            failed.add_metric((channel.value,), failed_count)
        yield from (due, age, failed)


class Scrape:
    """Collects from all collectors, one scrape at a time; a holder of `lock` keeps scrapes away."""

    def __init__(self, *collectors: "Collector") -> None:
        self.lock = Lock()
        self._collectors = collectors

    def collect(self) -> "list[Metric]":
        with self.lock:
            return [metric for collector in self._collectors for metric in collector.collect()]


@contextmanager
def _listening(settings: Settings, metrics: "Collector") -> Iterator[tuple[WSGIServer, Lock]]:
    from prometheus_client import CollectorRegistry, start_http_server

    registry, scrape = CollectorRegistry(), Scrape(metrics, BacklogCollector(settings))
    registry.register(scrape)
    address = f"{settings.metrics_host}:{settings.metrics_port}"
    try:
        server, thread = start_http_server(settings.metrics_port or 0, settings.metrics_host, registry)
    except OSError as error:
        raise SettingsError(f"VESTIBULE_METRICS_PORT: cannot listen on {address}: {error.strerror}.") from error
    server.set_app(_answering_head(server.get_app()))
    server.handle_error = _log_abort  # type: ignore[method-assign,assignment]  # the default prints the traceback
    try:
        yield server, scrape.lock
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answering_head(app: Any) -> Any:
    """Returns a WSGI app that answers HEAD as GET without a body; prometheus_client refuses HEAD, which probes send."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "HEAD":
            return cast("Iterable[bytes]", app(environ, start_response))
        started: list[Any] = []
        body = b"".join(app({**environ, "REQUEST_METHOD": "GET"}, lambda *status: started.append(status)))
        [(status, headers)] = started
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return []

    return answer


def _log_abort(*_: object) -> None:
    _log.warning("scrape aborted", exc_info=True)
