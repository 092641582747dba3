"""Observability: metrics and traces. Each is off by default, and then its library is not even imported.

An instrumentation wraps the parts that it observes once, when they are built. With both off every part is left as it is.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import ParamSpec, Protocol, TypeVar

from ...application.ports import Database, Images, Notifier
from ..concurrency.executors import Executor
from ..settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

Middleware = Callable[..., Awaitable[None]]
"""Wraps the app: a function of the app and the three arguments of ASGI."""

Started = Callable[[], object]
Observer = Callable[[str], AbstractContextManager[Started]]
"""Makes a `with` block around the work of that name. The block's value is called when the wait ends and the work starts."""


def did_not_wait() -> None:
    """A `Started` for work that has no wait to observe."""


class JobPool(Protocol):
    """The hasher's thread pool."""

    def run(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...

    def close(self) -> None: ...


class Instrumentation:
    """Observes nothing: returns every part as it is. Its subclasses wrap parts."""

    def http(self, middleware: Middleware) -> Middleware:
        return middleware

    def lane(self, name: str, lane: Executor) -> Executor:  # noqa: ARG002 — subclasses use it
        return lane

    def hashing(self, pool: JobPool) -> JobPool:
        return pool

    def database(self, database: Database) -> Database:
        return database

    def images(self, images: Images) -> Images:
        return images

    def notifier(self, notifier: Notifier) -> Notifier:
        return notifier


def instrumentation_for(settings: Settings) -> Instrumentation:
    """The instrumentation that these settings turn on. `check_extra` has checked that its libraries are installed."""
    instrumentation = Instrumentation()
    if settings.metrics_port is not None:
        from .metrics import Metrics  # noqa: PLC0415 — an extra, imported only if it is on

        instrumentation = Metrics(instrumentation)
    if settings.traces:
        from .tracing import Traces  # noqa: PLC0415 — as above

        instrumentation = Traces(
            instrumentation, "postgresql" if settings.resolved_database_url.startswith("postgres") else "sqlite"
        )
    return instrumentation


def check_extra(extra: str, *modules: str) -> None:
    """Raises `ImportError`, in words for the operator, if a module of that extra is not installed. Imports none of them."""
    if not all(_is_installed(module) for module in modules):
        raise ImportError(f"it needs an extra: pip install 'vestibule-accounts[{extra}]'")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is not installed
        return False
