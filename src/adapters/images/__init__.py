"""Uploaded images (port `Images`), re-encoded by Pillow in a confined child process."""

from .memory import PassThroughImages
from .pillow import PillowImages

__all__ = ["PassThroughImages", "PillowImages"]
