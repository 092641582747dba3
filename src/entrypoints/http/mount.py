"""The HTTP door inside somebody else's application: as a plain ASGI app, or as a plugin of Litestar.

It stays an app of its own behind its front: limits, headers, request ids, problems, 404 and 405 under its path are its own, and
neither handlers nor dependencies, exception handlers or OpenAPI of the host meet with its own.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

from litestar import Litestar
from litestar import asgi as asgi_handler
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.plugins import InitPlugin
from litestar.types import Receive, Scope, Send

from ..async_facade import AsyncVestibule
from ..container.build import Build
from .app import create_app


class Mounted:
    """An ASGI app to mount in Starlette, FastAPI or any other host, of use cases yet to be built.

    `async with` it in the lifespan of the host, which gives the use cases too. `build(Settings(api_prefix="/accounts"))` tells
    where it is mounted, for the URLs that it answers. Raises `RuntimeError` at a call that comes before.
    """

    def __init__(self, build: Build) -> None:
        self._build = build
        self._app: Litestar | None = None

    async def __aenter__(self) -> AsyncVestibule:
        vestibule = await self._build.__aenter__()
        self._app = create_app(vestibule)
        return vestibule

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._app = None
        await self._build.__aexit__(kind, error, trace)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The host's own scope stays as it is: what stands in it is for the host's middleware too."""
        if self._app is None:
            raise RuntimeError("Vestibule is not started: enter it in the lifespan of the application that it is mounted in.")
        if scope["type"] == "http":
            at_home: Any = {**scope, "path": self._path(scope), "root_path": ""}
            await self._app(at_home, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def _path(self, scope: Any) -> str:
        """What follows the place where it is mounted (`root_path`), under its own prefix.

        By the ASGI specification `path` begins with `root_path`; some hosts have cut it off.
        """
        path, root = scope["path"], scope.get("root_path", "").rstrip("/")
        if root and path.startswith(f"{root}/"):
            path = path[len(root) :]
        return f"{self._build.settings.api_prefix}{path}"


class VestibulePlugin(InitPlugin):
    """Mounts the HTTP door in a Litestar application, under the setting `api_prefix`; starts and ends with it.

    With `dependency` the handlers of the host are given the use cases, an `AsyncVestibule`, by that name; None keeps them out.
    Raises `ValueError` without a prefix.
    """

    def __init__(self, build: Build, *, dependency: str | None = "vestibule") -> None:
        if not build.settings.api_prefix:
            raise ValueError("to be mounted it needs a path: Settings(api_prefix='/accounts')")
        self._mounted = Mounted(build)
        self._path = build.settings.api_prefix
        self._dependency = dependency
        self._vestibule: AsyncVestibule | None = None

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        mount = asgi_handler(self._path, is_mount=True, copy_scope=True)(self._answer)
        app_config.route_handlers.append(mount)
        app_config.lifespan.append(self._run)
        if self._dependency is not None:
            app_config.dependencies[self._dependency] = Provide(self._use_cases, sync_to_thread=False)
        return app_config

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Litestar gives what follows its path, also where that only begins with the same letters."""
        if not scope["path"].startswith("/"):
            raise NotFoundException
        await self._mounted({**scope, "root_path": ""}, receive, send)

    @asynccontextmanager
    async def _run(self, _: Litestar) -> AsyncGenerator[None]:
        async with self._mounted as self._vestibule:
            yield

    def _use_cases(self) -> AsyncVestibule:
        assert self._vestibule is not None  # noqa: S101 — a host answers between start and end alone
        return self._vestibule
