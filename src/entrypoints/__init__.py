"""The ways in. `build` makes the use cases on given settings, for whoever imports them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .container import build as build
    from .settings import Settings as Settings

__all__ = ["Settings", "build"]


def __getattr__(name: str) -> Callable[..., object]:
    """Imports what is asked for when it is: `vestibule --help` shall not wait for a database driver."""
    if name == "build":
        from .container import build

        return build
    if name == "Settings":
        from .settings import Settings

        return Settings
    raise AttributeError(name)
