"""OPTIONS: which methods a path takes."""

from collections.abc import Iterable

from litestar import Response, route
from litestar.handlers import HTTPRouteHandler


def options_handlers(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """One for each path; Litestar's own knows of the first handler of a path only. To be registered before the others."""
    methods: dict[str, set[str]] = {}
    for handler in handlers:
        for path in handler.paths:
            methods.setdefault(path, {"OPTIONS"}).update(handler.http_methods)
    return [_options(path, ", ".join(sorted(names))) for path, names in methods.items()]


def _options(path: str, allow: str) -> HTTPRouteHandler:
    def options() -> Response[None]:
        return Response(None, headers={"allow": allow})

    return route(path, http_method=["OPTIONS"], status_code=204, sync_to_thread=False)(options)
