"""Serves the OpenAPI document, a page to try it, and the start page. Both pages load nothing from other hosts.

The links of the pages are relative, so that they work below a path that a proxy strips.
"""

from collections.abc import Sequence
from html import escape
from importlib.metadata import version
from importlib.resources import files

from litestar import get
from litestar.handlers import HTTPRouteHandler

from ..settings import Settings
from .dependencies import HttpRequest, requested_path
from .openapi import openapi_document
from .responses import JSON, AsgiResponse

_HTML = "text/html; charset=utf-8"
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

_BANNER = """\
<p class="development" role="note">Development mode, not for the Internet: no limits, and
<a href="{root}/dev/outbox">a page with every mail and code</a>.</p>
"""


def docs_handlers(settings: Settings, handlers: Sequence[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Returns no handler if the settings turn the documentation off."""
    if not settings.has_docs:
        return []
    document = openapi_document(settings, handlers, version("vestibule-accounts"))
    return [
        _start(settings),
        _page(settings),
        _serve("/openapi.json", AsgiResponse(200, document, JSON)),
        static_file("/docs/page.js", "page.js", "text/javascript; charset=utf-8"),
        static_file("/docs/page.css", "page.css", "text/css; charset=utf-8"),
    ]


def _start(settings: Settings) -> HTTPRouteHandler:
    """Returns the handler of the URL that the program prints: a page for browsers, JSON for others."""
    url = settings.url + settings.api_prefix
    template = template_of(settings, "start.html").replace("{url}", escape(url))
    links = {"service": settings.service_name, "docs": f"{url}/docs", "openapi": f"{url}/openapi.json"}
    as_json = AsgiResponse(200, links, JSON)

    def start(request: HttpRequest) -> AsgiResponse:
        if "text/html" not in request.headers.get("accept", "").lower():
            return as_json
        path = requested_path(request)
        return html_page(template, root="." if path.endswith("/") else f"./{path.rpartition('/')[2]}")

    return get("/", sync_to_thread=False)(start)


def _page(settings: Settings) -> HTTPRouteHandler:
    template = template_of(settings, "page.html")

    def page(request: HttpRequest) -> AsgiResponse:
        return html_page(template, root=".." if requested_path(request).endswith("/") else ".")

    return get("/docs", sync_to_thread=False)(page)


def html_page(template: str, *, root: str) -> AsgiResponse:
    """`root` leads from the page's URL, which ends in a slash or not, to the root of the API."""
    return AsgiResponse(200, template.replace("{root}", escape(root)).encode(), _HTML, content_security_policy=_CSP)


def static_file(path: str, name: str, media_type: str) -> HTTPRouteHandler:
    return _serve(path, AsgiResponse(200, _static(name).encode(), media_type))


def _serve(path: str, response: AsgiResponse) -> HTTPRouteHandler:
    def serve() -> AsgiResponse:
        return response

    return get(path, sync_to_thread=False)(serve)


def template_of(settings: Settings, name: str) -> str:
    """Returns the text of a page, in development mode with a line that says so."""
    page = _static(name).replace("{title}", escape(settings.service_name))
    return page.replace("{banner}\n", _BANNER if settings.dev else "")


def _static(name: str) -> str:
    return (files(__package__) / "static" / name).read_text("utf-8")
