"""The composition root: builds adapters and use cases from settings."""

from .composition import Adapters, Build, build
from .container import Container

__all__ = ["Adapters", "Build", "Container", "build"]
