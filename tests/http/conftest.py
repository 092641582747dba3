"""The HTTP app of a `World`, whose clock tests move."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from tests.support.world import PASSWORD, World

from vestibule.adapters.images import PillowImages
from vestibule.application.ports import Database
from vestibule.entrypoints.facade import Vestibule
from vestibule.entrypoints.http import create_app

ADA = {"username": "ada", "name": "Ada Lovelace", "email": "ada@mail.example.com", "mobile": "9999999999", "password": PASSWORD}
BOB = {**ADA, "username": "bob", "name": "Bob", "email": "bob@mail.example.com", "mobile": "8888888888"}
URN = "urn:vestibule:problem:"


class AppClient:
    """A client of the app, with the world that the app serves."""

    def __init__(self, http: TestClient[Litestar], world: World) -> None:
        self.http = http
        self.world = world

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        headers |= more.pop("headers", {})
        if body is not None:
            more["json"] = body
        return self.http.request(method, path, headers=headers, follow_redirects=False, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        return self.call("POST", path, body, **more)

    def registered(self, **fields: Any) -> dict[str, Any]:
        answer = self.post("/register/", ADA | fields)
        assert answer.status_code == 201, answer.text
        account: dict[str, Any] = answer.json()
        return account

    def tokens(self, username: str = "ada", password: str = PASSWORD) -> dict[str, Any]:
        answer = self.post("/login/", {"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def token(self) -> str:
        """Registers Ada and returns an access token of hers."""
        self.registered()
        return str(self.tokens()["token"])

    def code(self, destination: str, *, read_at: str | None = None, **fields: Any) -> str:
        answer = self.post("/otp/", {"destination": destination, **fields})
        assert answer.status_code == 201, answer.text
        return self.world.code_for(read_at or destination)


def vestibule_of(world: World, **other: Any) -> Vestibule:
    """The use cases of the world, some replaced."""
    use_cases = {name: other.pop(name, use_case) for name, use_case in world.use_cases.items()}
    return Vestibule(
        **({field.name: getattr(world, field.name) for field in fields(Vestibule)} | other | {"use_cases": use_cases})
    )


OpenClient = Callable[..., AppClient]


@pytest.fixture
def kind() -> str:
    """One database: headers, parsing and statuses do not depend on it. `tests/parity` sends each call on every database."""
    return "sqlite"


@pytest.fixture
def new_world(empty_database: Callable[[], Database]) -> Callable[..., World]:
    """Creates worlds with some settings or adapters. On PostgreSQL a new one empties the database of the previous one."""
    return lambda **adapters: World(**{"database": empty_database()} | adapters)


@pytest.fixture
def open_client(new_world: Callable[..., World]) -> Iterator[OpenClient]:
    """Opens clients of apps with some settings or adapters, of a new world or of an existing one."""
    opened: list[TestClient[Litestar]] = []

    def open_app(world: World | None = None, **changes: Any) -> AppClient:
        if world is None:
            world = new_world(**changes)
            app = create_app(world)
        else:
            app = create_app(vestibule_of(world, settings=replace(world.settings, **changes)))
        http = TestClient(app)
        opened.append(http.__enter__())
        return AppClient(http, world)

    yield open_app
    for http in opened:
        http.__exit__(None, None, None)


@pytest.fixture
def client(open_client: OpenClient) -> AppClient:
    return open_client()


@pytest.fixture
def world(client: AppClient) -> World:
    return client.world


@pytest.fixture(scope="session")
def pillow() -> Iterator[PillowImages]:
    images = PillowImages()
    yield images
    images.close()


Header = tuple[bytes, bytes]


class RawResponse:
    """A response over plain ASGI."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self.body = b""
        self.chunks_received = 0

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")


class LoopWithClock(asyncio.SelectorEventLoop):
    """An event loop with an adjustable clock."""

    offset = 0.0

    def time(self) -> float:
        return super().time() + self.offset


def call_asgi(
    app: Litestar,
    method: str,
    path: str,
    chunks: Sequence[bytes] = (),
    *,
    headers: Sequence[Header] = (),
    peer: tuple[str, int] | None = ("192.0.2.1", 4000),
    seconds_between: float = 0.0,
    disconnects: bool = False,
) -> RawResponse:
    """Makes one call as a server does, chunk by chunk; `chunks_received` counts the chunks that the app received."""
    raw, loop = RawResponse(), LoopWithClock()

    async def receive() -> AsyncIterator[dict[str, Any]]:
        for chunk in chunks:
            raw.chunks_received += 1
            loop.offset += seconds_between
            await asyncio.sleep(0)
            yield {"type": "http.request", "body": chunk, "more_body": True}
        if not disconnects:
            yield {"type": "http.request", "body": b"", "more_body": False}
        while True:
            yield {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), *headers],
        "client": peer,
        "server": ("localhost", 80),
    }
    source = receive()
    try:
        loop.run_until_complete(app(scope, source.__anext__, raw.send))  # type: ignore[arg-type]
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
    return raw
