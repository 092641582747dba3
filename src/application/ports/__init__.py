"""Ports: the interfaces between the use cases and adapters, each with its promise.

Times are seconds since the epoch, UTC. An adapter that cannot keep a promise raises `Unavailable` (a dependency is down) or
`Overloaded` (its queue is full), and has then changed nothing. The exception is an `Unavailable` with `is_outcome_unknown`: the
connection to the database was lost between a commit and its acknowledgement.
"""

from . import (
    admission,
    credentials,
    database,
    devices,
    identifiers,
    images,
    imports,
    legacy_directory,
    messages,
    password_rules,
    rate_limits,
    records,
    search,
    sources,
)
from .admission import *  # noqa: F403
from .credentials import *  # noqa: F403
from .database import *  # noqa: F403
from .devices import *  # noqa: F403
from .identifiers import *  # noqa: F403
from .images import *  # noqa: F403
from .imports import *  # noqa: F403
from .legacy_directory import *  # noqa: F403
from .messages import *  # noqa: F403
from .password_rules import *  # noqa: F403
from .rate_limits import *  # noqa: F403
from .records import *  # noqa: F403
from .search import *  # noqa: F403
from .sources import *  # noqa: F403

_MODULES = (
    admission,
    credentials,
    database,
    devices,
    identifiers,
    images,
    imports,
    legacy_directory,
    messages,
    password_rules,
    rate_limits,
    records,
    search,
    sources,
)
__all__ = [name for module in _MODULES for name in module.__all__]
