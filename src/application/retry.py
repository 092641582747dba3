"""Two changes that stand in each other's way: the database lets one go through, and the other is made once more."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from ..domain.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


def retry_on_conflict(ask: Callable[P, T]) -> Callable[P, T]:
    """Asks again where the first try had to give way (`Unavailable` with `retry_after` 0), and so has changed nothing."""

    @wraps(ask)
    def asked(*args: P.args, **question: P.kwargs) -> T:
        try:
            return ask(*args, **question)
        except Unavailable as refusal:
            if refusal.retry_after > 0:
                raise
        return ask(*args, **question)

    return asked
