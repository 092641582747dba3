"""The refusals that use cases raise."""

from .domain.errors import *  # noqa: F403
from .domain.errors import __all__ as __all__  # noqa: PLC0414 — the public names of this module too
