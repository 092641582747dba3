"""One retry for transactions that the database rolled back in favour of another one."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from ..domain.errors import Conflict

P = ParamSpec("P")
T = TypeVar("T")


def retry_on_conflict(call: Callable[P, T]) -> Callable[P, T]:
    """Repeats the call once after a `Conflict`, which has changed nothing."""

    @wraps(call)
    def with_retry(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except Conflict:
            return call(*args, **kwargs)

    return with_retry
