"""What an operator may watch: metrics and traces, each off unless it is set, and then not even imported.

What is on wraps the parts that it wants to see, once, when they are built; what is off leaves no trace in them.
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

Front = Callable[..., Awaitable[None]]
"""What every call passes before it reaches the app: a function of the app, and of the three that ASGI gives."""

Begun = Callable[[], object]
Around = Callable[[str], AbstractContextManager[Begun]]
"""A block around work of that name. It gives what is to be called when the wait is over and the work begins."""


class Pool(Protocol):
    """Threads that hash."""

    def run(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...

    def close(self) -> None: ...


class Watch:
    """Sees nothing: every part is left as it is."""

    def front(self, front: Front) -> Front:
        return front

    def lane(self, name: str, lane: Executor) -> Executor:  # noqa: ARG002 — for those who see
        return lane

    def hashing(self, pool: Pool) -> Pool:
        return pool

    def database(self, database: Database) -> Database:
        return database

    def images(self, images: Images) -> Images:
        return images

    def notifier(self, notifier: Notifier) -> Notifier:
        return notifier


def watch(settings: Settings) -> Watch:
    """What these settings turn on. The extras are there, or `check_extras` would have said so."""
    seen = Watch()
    if settings.metrics_port is not None:
        from .metrics import Metrics  # noqa: PLC0415 — an extra, and only where it is on

        seen = Metrics(seen)
    if settings.traces:
        from .tracing import Traces  # noqa: PLC0415 — as above

        seen = Traces(seen, "postgresql" if settings.accounts_url.startswith("postgres") else "sqlite")
    return seen


def check_extra(extra: str, *modules: str) -> None:
    """Raises `ImportError`, in words for an operator, where a library of that extra is not installed. Imports none of them."""
    if not all(_is_installed(module) for module in modules):
        raise ImportError(f"it needs an extra: pip install 'vestibule-accounts[{extra}]'")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # what it lies in is not
        return False
