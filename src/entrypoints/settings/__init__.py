"""The settings of the service, read from environment variables."""

from .environment import SettingsError
from .settings import Settings

__all__ = ["Settings", "SettingsError"]
