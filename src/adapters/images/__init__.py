"""Pictures out of uploads (port `Images`): decoded and written anew by Pillow, in a confined child process."""

from .memory import PassThroughImages
from .pillow import PillowImages

__all__ = ["PassThroughImages", "PillowImages"]
