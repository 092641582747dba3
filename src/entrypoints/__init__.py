"""The ways in. `build` makes the use cases on given settings, for whoever imports them."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .async_facade import AsyncVestibule as AsyncVestibule
    from .building import Adapters as Adapters
    from .building import Building as Building
    from .container import build as build
    from .facade import Vestibule as Vestibule
    from .settings import Settings as Settings
    from .settings import SettingsError as SettingsError

__all__ = ["Adapters", "AsyncVestibule", "Building", "Settings", "SettingsError", "Vestibule", "build"]

_HOMES = {
    "Adapters": "building",
    "AsyncVestibule": "async_facade",
    "Building": "building",
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
