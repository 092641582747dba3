"""What handlers are given: the call, the use cases, the room for uploads."""

from typing import Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from ..async_facade import AsyncVestibule
from ..concurrency.executors import CapacityLimiter

Call = Request[Any, Any, Any]


def use_cases(request: Call) -> AsyncVestibule:
    """As the front has left them. For calls that are made all the time: resolving a dependency is a sixth of their cost."""
    found = request.scope["state"]["vestibule"]
    assert isinstance(found, AsyncVestibule)  # noqa: S101 — nothing reaches a handler but through the front
    return found


UseCases = NamedDependency[SkipValidation[AsyncVestibule]]
"""As `vestibule`. Unvalidated: it is the app that provides it, and looking into it costs time at each call. A handler on a hot
path asks for nothing beside it: for two dependencies Litestar begins a task each, which costs more than the answer."""

Uploads = NamedDependency[SkipValidation[CapacityLimiter]]
"""As `uploads`: how many files may be in memory at once."""
