"""Wiring: the only place that names adapters."""

from .build import build
from .container import Container

__all__ = ["Container", "build"]
