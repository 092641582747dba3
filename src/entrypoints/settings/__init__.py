"""The settings that an operator may change, read from environment variables."""

from .settings import Settings, SettingsError

__all__ = ["Settings", "SettingsError"]
