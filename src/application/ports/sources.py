"""Sources of time and ids."""

from collections.abc import Callable

__all__ = ["Clock", "NewId"]

Clock = Callable[[], float]
"""Returns the current time."""

NewId = Callable[[], str]
"""Returns an unguessable id: 26 lower-case letters and digits (Crockford's base 32) with at least 128 random bits."""
