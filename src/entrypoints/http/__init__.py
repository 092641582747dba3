"""The HTTP entrypoint (Litestar): routes by topic, bodies, authentication, problems. Alone, or mounted in another app."""

from .app import create_app
from .mount import Mounted, VestibulePlugin

__all__ = ["Mounted", "VestibulePlugin", "create_app"]
