"""Clients that generators make from the OpenAPI document: they compile strictly, and hold the README's conversation.

The conversations are the files next to this one.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import node
from tests.support.server import Server

pytestmark = pytest.mark.slow

TOOLS = Path(sys.executable).parent


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data") as server:
        yield server


@pytest.fixture
def document(server: Server, tmp_path: Path) -> Path:
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(server.call("GET", "/openapi.json")[1]))
    return path


def variables(server: Server) -> dict[str, str]:
    return {"SERVER": f"http://127.0.0.1:{server.port}", "OUTBOX": str(server.data_dir / "outbox")}


def test_types_of_openapi_typescript_hold_the_conversation(server: Server, document: Path, tmp_path: Path) -> None:
    project = node.project(tmp_path / "project", "openapi_fetch.ts", "support.ts")
    node.call(["openapi-typescript", str(document), "--output", "vestibule.d.ts"], project)
    node.call(["tsc"], project)
    node.call(["node", "openapi_fetch.js"], project, variables(server))


def test_client_of_hey_api_holds_the_conversation(server: Server, document: Path, tmp_path: Path) -> None:
    project = node.project(tmp_path / "project", "hey_api.ts", "support.ts")
    plugins = [
        part for name in ("@hey-api/typescript", "@hey-api/sdk", "@hey-api/client-fetch") for part in ("--plugins", name)
    ]
    node.call(["openapi-ts", "--input", str(document), "--output", "hey", "--no-log-file", *plugins], project)
    node.call(["tsc", "--exactOptionalPropertyTypes", "false"], project)
    node.call(["node", "hey_api.js"], project, variables(server))


def test_client_of_openapi_python_client_holds_the_conversation(server: Server, document: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(node.CLIENTS / "python_client.py", project)
    (project / "config.yml").write_text(
        "post_hooks: []\ncontent_type_overrides:\n  application/zip: application/octet-stream\n"
        "  image/webp: application/octet-stream\n"
    )
    generate = [str(TOOLS / "openapi-python-client"), "generate", "--fail-on-warning", "--path", str(document)]
    node.call([*generate, "--output-path", "generated", "--meta", "none", "--config", "config.yml"], project)
    python = sys.executable
    node.call([python, "-m", "mypy", "--strict", "--config-file=", "python_client.py"], project)
    settings = {"typeCheckingMode": "strict", "include": ["python_client.py"]}
    (project / "pyrightconfig.json").write_text(json.dumps(settings))
    node.call([str(TOOLS / "basedpyright"), "--level", "error", "--pythonpath", python], project)
    node.call([python, "python_client.py"], project, variables(server))
