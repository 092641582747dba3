"""The ways in. `build` makes the use cases on given settings, for whoever imports them."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .async_facade import AsyncVestibule as AsyncVestibule
    from .container import Adapters as Adapters
    from .container import Build as Build
    from .container import build as build
    from .facade import Vestibule as Vestibule
    from .settings import Settings as Settings
    from .settings import SettingsError as SettingsError

__all__ = ["Adapters", "AsyncVestibule", "Build", "Settings", "SettingsError", "Vestibule", "build"]

_HOMES = {
    "Adapters": "container",
    "AsyncVestibule": "async_facade",
    "Build": "container",
    "Settings": "settings",
    "SettingsError": "settings",
    "Vestibule": "facade",
    "build": "container",
}


def __getattr__(name: str) -> object:
    """Imports what is asked for when it is: `vestibule --help` shall not wait for a database driver."""
    if name not in _HOMES:
        raise AttributeError(name)
    found = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return found
