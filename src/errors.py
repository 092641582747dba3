"""The refusals that use cases raise."""

from .domain.errors import *  # noqa: F403
