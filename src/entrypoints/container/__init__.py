"""Wiring: the only place that names adapters."""

from .build import Adapters, Build, build
from .container import Container

__all__ = ["Adapters", "Build", "Container", "build"]
