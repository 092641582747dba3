"""The HTTP entrypoint (Litestar): routes by topic, bodies, authentication, problems."""

from .app import create_app

__all__ = ["create_app"]
