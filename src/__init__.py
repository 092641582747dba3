"""Vestibule: user accounts, to run as a service or to import as use cases.

`build(settings)` returns a `Build`; entering it by `with` or `async with` gives the use cases. `errors` are the refusals that
they raise. Every name is imported on first use, so that `vestibule --help` does not wait for a database driver.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import errors as errors
    from .application import *  # noqa: F403
    from .domain.errors import *  # noqa: F403
    from .domain.rate_limits import Limits as Limits
    from .domain.rate_limits import RateLimit as RateLimit
    from .entrypoints.async_facade import AsyncVestibule as AsyncVestibule
    from .entrypoints.container import Adapters as Adapters
    from .entrypoints.container import Build as Build
    from .entrypoints.container import build as build
    from .entrypoints.doctor.diagnosis import diagnose as diagnose
    from .entrypoints.doctor.findings import Finding as Finding
    from .entrypoints.facade import Vestibule as Vestibule
    from .entrypoints.settings import Settings as Settings
    from .entrypoints.settings import SettingsError as SettingsError

    __version__: str
else:
    _MODULES = {
        "AsyncVestibule": "entrypoints.async_facade",
        "Adapters": "entrypoints.container",
        "Build": "entrypoints.container",
        "build": "entrypoints.container",
        "Finding": "entrypoints.doctor.findings",
        "diagnose": "entrypoints.doctor.diagnosis",
        "Limits": "domain.rate_limits",
        "RateLimit": "domain.rate_limits",
        "Vestibule": "entrypoints.facade",
        "Settings": "entrypoints.settings",
        "SettingsError": "entrypoints.settings",
    }

    def __getattr__(name: str) -> object:
        """Classes that are not listed above come from `application`; lower-case names may be submodules, not loaded yet."""
        if name == "__version__":
            value = import_module("importlib.metadata").version("vestibule-accounts")
        elif name == "errors":
            value = import_module(".errors", __name__)
        elif name in _MODULES or name[0].isupper():
            value = getattr(import_module(f".{_MODULES.get(name, 'application')}", __name__), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        """The public names, so that a console completes them."""
        return sorted({*globals(), *_MODULES, "errors", "__version__", *import_module(".application", __name__).__all__})
