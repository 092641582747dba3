"""Serves the OpenAPI document, and a page to try it that loads nothing from other hosts."""

from collections.abc import Sequence
from html import escape
from importlib.metadata import version
from importlib.resources import files

from litestar import get
from litestar.handlers import HTTPRouteHandler

from ..settings import Settings
from .openapi import openapi_document
from .responses import JSON, AsgiResponse

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def docs_handlers(settings: Settings, handlers: Sequence[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Returns no handler if the settings turn the documentation off."""
    if not settings.has_docs:
        return []
    document = openapi_document(settings, handlers, version("vestibule-accounts"))
    page = _static("page.html").replace("{prefix}", settings.api_prefix).replace("{title}", escape(settings.service_name))
    return [
        _serve("/openapi.json", AsgiResponse(200, document, JSON)),
        _serve("/docs", AsgiResponse(200, page.encode(), "text/html; charset=utf-8", content_security_policy=_CSP)),
        _serve("/docs/page.js", AsgiResponse(200, _static("page.js").encode(), "text/javascript; charset=utf-8")),
        _serve("/docs/page.css", AsgiResponse(200, _static("page.css").encode(), "text/css; charset=utf-8")),
    ]


def _serve(path: str, response: AsgiResponse) -> HTTPRouteHandler:
    def serve() -> AsgiResponse:
        return response

    return get(path, sync_to_thread=False)(serve)


def _static(name: str) -> str:
    return (files(__package__) / "static" / name).read_text("utf-8")
