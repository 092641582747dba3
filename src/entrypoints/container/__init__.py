"""Wiring: the only place that names adapters."""

from .ready import build
from .wiring import Container

__all__ = ["Container", "build"]
