"""Observability: metrics and traces. Each is off by default, and then its library is not even imported."""

from collections.abc import Awaitable, Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, Protocol

from ...application.ports import Database, Images, LegacyDirectory, Notifier, PasswordRules
from ...domain.events import Event
from ..concurrency.executors import Executor
from ..settings import Settings
from . import wrappers

Middleware = Callable[..., Awaitable[None]]
"""Wraps the app: a function of the app and the three arguments of ASGI."""


class Layer(Protocol):
    """Metrics or traces: an observer of each part."""

    def call(self, middleware: Middleware, *asgi: Any) -> Awaitable[None]: ...
    def lane(self, name: str) -> wrappers.Observer | None: ...
    def hashing(self) -> wrappers.Observer: ...
    def images(self) -> wrappers.Observer: ...
    def database(self, database: Database) -> wrappers.NamedObserver: ...
    def event(self, event: Event) -> object: ...
    def notifier(self) -> wrappers.NamedObserver: ...
    def password_rules(self) -> wrappers.Observer: ...
    def legacy_directory(self) -> wrappers.OutcomeObserver: ...


class Instrumentation:
    """Wraps each part that its layers observe, once, when the part is built. Without layers it returns parts as they are."""

    def __init__(self, *layers: Layer) -> None:
        self._layers = layers

    def http(self, middleware: Middleware) -> Middleware:
        for layer in self._layers:
            middleware = partial(layer.call, middleware)
        return middleware

    def lane(self, name: str, lane: Executor) -> Executor:
        for layer in self._layers:
            if (observer := layer.lane(name)) is not None:
                lane = wrappers.ObservedLane(lane, observer)
        return lane

    def hashing(self, pool: wrappers.JobPool) -> wrappers.JobPool:
        for layer in self._layers:
            pool = wrappers.ObservedPool(pool, layer.hashing())
        return pool

    def database(self, database: Database) -> Database:
        for layer, observer in [(layer, layer.database(database)) for layer in self._layers]:
            database = wrappers.ObservedDatabase(database, observer, layer.event)
        return database

    def images(self, images: Images) -> Images:
        for layer in self._layers:
            images = wrappers.ObservedImages(images, layer.images())
        return images

    def notifier(self, notifier: Notifier) -> Notifier:
        for layer in self._layers:
            notifier = wrappers.ObservedNotifier(notifier, layer.notifier())
        return notifier

    def password_rules(self, rules: PasswordRules) -> PasswordRules:
        for layer in self._layers:
            rules = wrappers.ObservedPasswordRules(rules, layer.password_rules())
        return rules

    def legacy_directory(self, directory: LegacyDirectory) -> LegacyDirectory:
        for layer in self._layers:
            directory = wrappers.ObservedLegacyDirectory(directory, layer.legacy_directory())
        return directory


def instrumentation_for(settings: Settings) -> Instrumentation:
    """The instrumentation that these settings turn on. `check_extra` has checked that its libraries are installed."""
    layers: list[Layer] = []
    if settings.metrics_port is not None:
        from .metrics import Metrics  # noqa: PLC0415 — an extra, imported only if it is on

        layers.append(Metrics())
    if settings.traces:
        from .tracing import Traces  # noqa: PLC0415 — as above

        layers.append(Traces("postgresql" if settings.resolved_database_url.startswith("postgres") else "sqlite"))
    return Instrumentation(*layers)


def check_extra(extra: str, *modules: str) -> None:
    """Raises `ImportError`, in words for the operator, if a module of that extra is not installed. Imports none of them."""
    if not all(_is_installed(module) for module in modules):
        raise ImportError(f"it needs an extra: pip install 'vestibule-accounts[{extra}]'")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is not installed
        return False
