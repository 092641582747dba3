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


class Site:
    """A client of the app, and the world that the app serves."""

    def __init__(self, client: TestClient[Litestar], world: World) -> None:
        self.client = client
        self.world = world

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        headers |= more.pop("headers", {})
        if body is not None:
            more["json"] = body
        return self.client.request(method, path, headers=headers, follow_redirects=False, **more)

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
    return Vestibule(**({one.name: getattr(world, one.name) for one in fields(Vestibule)} | other | {"use_cases": use_cases}))


Open = Callable[..., Site]


@pytest.fixture
def kind() -> str:
    """One database: headers, parsing and statuses do not depend on it. `tests/parity` sends each call on every database."""
    return "sqlite"


@pytest.fixture
def new_world(empty_database: Callable[[], Database]) -> Callable[..., World]:
    """Creates worlds with given settings or parts. On PostgreSQL a new one empties the database of the previous one."""
    return lambda **given: World(**{"database": empty_database()} | given)


@pytest.fixture
def open_site(new_world: Callable[..., World]) -> Iterator[Open]:
    """Opens sites with given settings or parts, of a new world or of an existing one."""
    clients: list[TestClient[Litestar]] = []

    def open_one(world: World | None = None, **given: Any) -> Site:
        if world is None:
            world = new_world(**given)
            app = create_app(world)
        else:
            app = create_app(vestibule_of(world, settings=replace(world.settings, **given)))
        client = TestClient(app)
        clients.append(client.__enter__())
        return Site(client, world)

    yield open_one
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def site(open_site: Open) -> Site:
    return open_site()


@pytest.fixture
def world(site: Site) -> World:
    return site.world


@pytest.fixture(scope="session")
def pillow() -> Iterator[PillowImages]:
    images = PillowImages()
    yield images
    images.close()


Header = tuple[bytes, bytes]


class Raw:
    """A response over plain ASGI."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self.body = b""
        self.taken = 0

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")


class MovedLoop(asyncio.SelectorEventLoop):
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
    breaks_off: bool = False,
) -> Raw:
    """Makes one call as a server does, chunk by chunk; `taken` counts the chunks that the app received."""
    raw, loop = Raw(), MovedLoop()

    async def arriving() -> AsyncIterator[dict[str, Any]]:
        for chunk in chunks:
            raw.taken += 1
            loop.offset += seconds_between
            await asyncio.sleep(0)
            yield {"type": "http.request", "body": chunk, "more_body": True}
        if not breaks_off:
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
    source = arriving()
    try:
        loop.run_until_complete(app(scope, source.__anext__, raw.send))  # type: ignore[arg-type]
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
    return raw
