"""The HTTP API mounted in another application: it serves the paths under its prefix, the host all others."""

import importlib.util
import re
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from urllib.parse import urljoin

import pytest
from fastapi import FastAPI
from litestar import Litestar, get
from litestar.di import NamedDependency, Provide
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import TestClient
from tests.http.conftest import ADA, URN

from vestibule import Settings, build
from vestibule.entrypoints.http import Mounted, VestibulePlugin

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(name: str, monkeypatch: pytest.MonkeyPatch, data: Path) -> ModuleType:
    monkeypatch.setenv("DATA_DIR", str(data))
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # where frameworks resolve annotations
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["litestar_mounted", "fastapi_imports"])
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    app = example(request.param, monkeypatch, tmp_path).app
    client: Any = TestClient(app)
    client.follow_redirects = False
    with client:
        yield client


def token(host: Any) -> str:
    assert host.post("/accounts/register/", json=ADA).status_code == 201
    answer = host.post("/accounts/login/", json={"username": "ada", "password": ADA["password"]})
    assert answer.status_code == 200
    return str(answer.json()["token"])


def test_token_of_the_mounted_api_is_valid_for_the_host(host: Any) -> None:
    authorization = {"Authorization": f"Bearer {token(host)}"}
    assert host.get("/accounts/account/", headers=authorization).json()["username"] == "ada"
    assert host.get("/accounts/account", headers=authorization).status_code == 200
    assert "Good day, Ada Lovelace." in host.get("/greeting", headers=authorization).text
    assert host.get("/greeting").status_code == 401


def test_middleware_applies_to_the_mounted_api_only(host: Any) -> None:
    own, other = host.get("/accounts/account/"), host.get("/greeting")
    assert (own.status_code, own.json()["type"]) == (401, f"{URN}not-authenticated")
    assert own.headers["X-Content-Type-Options"] == "nosniff"
    assert own.headers["X-Request-ID"]
    assert "X-Request-ID" not in other.headers


@pytest.mark.parametrize("path", ["/accounts/nowhere/", "/accounts/accounts/account/", "/accounts/greeting"])
def test_unknown_path_under_the_mount_is_a_problem_document(path: str, host: Any) -> None:
    answer = host.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["/nowhere", "/accountsaccount/", "/accounts-of-others", "/account/", "/register/"])
def test_unknown_path_elsewhere_is_the_hosts(path: str, host: Any) -> None:
    answer = host.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/json")
    assert "X-Request-ID" not in answer.headers


def test_wrong_method_is_refused_by_the_app_of_the_path(host: Any) -> None:
    own, other = host.delete("/accounts/login/"), host.delete("/greeting")
    assert (own.status_code, own.json()["type"]) == (405, f"{URN}method-not-allowed")
    assert set(own.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
    assert (other.status_code, other.headers["Content-Type"]) == (405, "application/json")


@pytest.mark.parametrize("path", ["/accounts//login/", "/accounts/login%2f", "/accounts/login//", "/accounts/%6cogin"])
def test_no_spelling_of_a_path_evades_a_limit(path: str, host: Any) -> None:
    wrong = {"username": "ada", "password": "not the password"}
    for _ in range(5):
        assert host.post("/accounts/login/", json=wrong).status_code == 401
    assert host.post(path, json=wrong).status_code == 429


@pytest.mark.parametrize("path", ["/accounts", "/accounts/", "/accounts/docs", "/accounts/docs/"])
def test_pages_work_below_the_path_of_the_mount(path: str, host: Any) -> None:
    page = host.get(path, headers={"Accept": "text/html"}, follow_redirects=True)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    for link in links:
        assert host.get(urljoin(str(page.url), link)).status_code == 200, link
    assert len(links) >= 3
    head = host.head(path, headers={"Accept": "text/html"}, follow_redirects=True)
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", str(len(page.content)))


def test_openapi_documents_are_separate(host: Any) -> None:
    own = host.get("/accounts/openapi.json").json()
    assert own["servers"] == [{"url": "http://127.0.0.1:8000/accounts"}]
    assert "/login/" in own["paths"]
    for path in ("/openapi.json", "/schema/openapi.json"):
        answer = host.get(path)
        assert answer.status_code == 404 or not any("accounts" in path for path in answer.json()["paths"])


def test_mounted_api_restarts_with_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("litestar_mounted", "fastapi_imports"):
        app = example(name, monkeypatch, tmp_path / name).app
        with TestClient(app) as first:
            known = {"Authorization": f"Bearer {token(first)}"}
        with TestClient(app) as second:
            assert second.get("/accounts/account/", headers=known).status_code == 200


def test_dependencies_and_exception_handlers_are_separate(tmp_path: Path) -> None:
    @get("/")
    async def show(vestibule: NamedDependency[str], uploads: NamedDependency[int]) -> str:
        return f"{vestibule} {uploads}"

    def never(*_: Any) -> Any:
        raise AssertionError("the host must not receive errors of the mounted API")

    settings = Settings(data_dir=tmp_path, api_prefix="/accounts")
    app = Litestar(
        [show],
        plugins=[VestibulePlugin(build(settings, run_workers=False), dependency=None)],
        dependencies={
            "vestibule": Provide(lambda: "theirs", sync_to_thread=False),
            "uploads": Provide(lambda: 7, sync_to_thread=False),
        },
        exception_handlers={Exception: never, 404: never, 405: never},
    )
    with TestClient(app) as client:
        assert client.get("/").text == "theirs 7"
        assert client.get("/accounts/nowhere").status_code == 404
        assert client.get("/accounts/login/").status_code == 405
        assert client.post("/accounts/login/", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400


def test_plugin_without_a_prefix_is_refused() -> None:
    with pytest.raises(ValueError, match="api_prefix"):
        VestibulePlugin(build(Settings()))


def test_call_before_the_lifespan_is_refused(tmp_path: Path) -> None:
    app = FastAPI()
    app.mount("/accounts", Mounted(build(Settings(data_dir=tmp_path), run_workers=False)))
    with TestClient(cast("Any", app)) as client, pytest.raises(RuntimeError, match="lifespan"):
        client.get("/accounts/account/")


def test_app_without_a_prefix_serves_at_any_mount_path(tmp_path: Path) -> None:
    accounts = Mounted(build(Settings(data_dir=tmp_path), run_workers=False))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with accounts:
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount("/anywhere", accounts)
    with TestClient(cast("Any", app)) as client:
        assert client.get("/anywhere/healthz").status_code == 200
        assert client.get("/healthz").status_code == 404


def test_websockets_are_closed(host: Any) -> None:
    with pytest.raises(WebSocketDisconnect), host.websocket_connect("/accounts/login/"):
        pass
