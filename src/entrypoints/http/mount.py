"""Mounts the HTTP app in another application: as a plain ASGI app, or as a plugin of Litestar.

The mounted app keeps its own middleware: rate limits, headers, request ids, problem documents, 404 and 405. It shares no
handlers, dependencies, exception handlers or OpenAPI document with the host.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar
from litestar import asgi as asgi_handler
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.plugins import InitPlugin
from litestar.types import Receive, Scope, Send

from ..async_facade import AsyncVestibule
from ..container import Build
from .app import create_app


class Mounted:
    """An ASGI app to mount in Starlette, FastAPI or any other host; builds the use cases when it is entered.

    Enter it by `async with` in the lifespan of the host, which yields the use cases. URLs in responses begin with the setting
    `api_prefix`, the path of the mount: `build(Settings(api_prefix="/accounts"))`. Raises `RuntimeError` if called before.
    """

    def __init__(self, build: Build) -> None:
        self.prefix = build.settings.api_prefix
        self._build = build
        self._app: Litestar | None = None

    async def __aenter__(self) -> AsyncVestibule:
        vestibule = await self._build.aopen()
        self._app = create_app(vestibule)
        return vestibule

    async def __aexit__(self, *_: object) -> None:
        self._app = None
        await self._build.aclose()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Passes a copy of the scope on: the host's middleware reads the original."""
        if self._app is None:
            raise RuntimeError("Vestibule is not started: enter it in the lifespan of the host application.")
        if scope["type"] == "http":
            own_scope: Any = {**scope, "path": self._path(scope), "root_path": ""}
            await self._app(own_scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def _path(self, scope: Any) -> str:
        """Returns the path without the path of the mount (`root_path`), under the app's prefix.

        By the ASGI specification `path` begins with `root_path`; some hosts strip it.
        """
        path, root = scope["path"], scope.get("root_path", "").rstrip("/")
        if root and path.startswith(f"{root}/"):
            path = path[len(root) :]
        return f"{self.prefix}{path}"


class VestibulePlugin(InitPlugin):
    """Mounts the app in a Litestar application, under the setting `api_prefix`; starts and stops with the host.

    `dependency` names the dependency by which handlers of the host get the use cases, an `AsyncVestibule`; None adds none.
    Raises `ValueError` without a prefix.
    """

    def __init__(self, build: Build, *, dependency: str | None = "vestibule") -> None:
        if not build.settings.api_prefix:
            raise ValueError("VestibulePlugin needs a path to mount at: Settings(api_prefix='/accounts')")
        self._mounted = Mounted(build)
        self._dependency = dependency
        self._vestibule: AsyncVestibule | None = None

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        mount = asgi_handler(self._mounted.prefix, is_mount=True, copy_scope=True)(self._handle)
        app_config.route_handlers.append(mount)
        app_config.lifespan.append(self._run)
        if self._dependency is not None:
            app_config.dependencies[self._dependency] = Provide(self._use_cases, sync_to_thread=False)
        return app_config

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Litestar strips the path of the mount, also from a longer name that only begins with the same letters."""
        if not scope["path"].startswith("/"):
            raise NotFoundException
        await self._mounted({**scope, "root_path": ""}, receive, send)

    @asynccontextmanager
    async def _run(self, _: Litestar) -> AsyncGenerator[None]:
        async with self._mounted as self._vestibule:
            yield

    def _use_cases(self) -> AsyncVestibule:
        assert self._vestibule is not None  # noqa: S101 — a host handles requests between startup and shutdown only
        return self._vestibule
