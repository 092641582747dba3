"""The settings of the service, read from environment variables."""

from .settings import Settings, SettingsError

__all__ = ["Settings", "SettingsError"]
