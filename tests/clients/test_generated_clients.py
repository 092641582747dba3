"""Clients that generators make from the OpenAPI document: they compile strictly, and hold the README's conversation.

The conversations are the files next to this one, and the commands of the generators those of docs/clients.md.
"""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import node
from tests.support.server import Server

pytestmark = pytest.mark.slow

TOOLS = Path(sys.executable).parent
PAGE = (node.ROOT / "docs" / "clients.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data") as server:
        yield server


def command(program: str, server: Server) -> list[str]:
    """The command of docs/clients.md that runs this program."""
    (line,) = (line for block in blocks("sh") for line in block.splitlines() if program in line.split()[:2])
    return shlex.split(line.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{server.port}"))


def variables(server: Server) -> dict[str, str]:
    return {"SERVER": f"http://127.0.0.1:{server.port}", "OUTBOX": str(server.data_dir / "outbox")}


def test_types_of_openapi_typescript_hold_the_conversation(server: Server, tmp_path: Path) -> None:
    project = node.project(tmp_path / "project", "openapi_fetch.ts", "support.ts")
    node.call(command("openapi-typescript", server), project)
    node.call(["tsc"], project)
    node.call(["node", "openapi_fetch.js"], project, variables(server))


def test_client_of_hey_api_holds_the_conversation(server: Server, tmp_path: Path) -> None:
    project = node.project(tmp_path / "project", "hey_api.ts", "support.ts")
    node.call(command("openapi-ts", server), project)
    node.call(["tsc", "--exactOptionalPropertyTypes", "false"], project)  # its own client does not compile with it
    node.call(["node", "hey_api.js"], project, variables(server))


def test_client_of_openapi_python_client_holds_the_conversation(server: Server, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(node.CLIENTS / "python_client.py", project)
    (project / "config.yml").write_text(blocks("yaml")[0])
    _, *arguments = command("openapi-python-client", server)
    node.call([str(TOOLS / "openapi-python-client"), *arguments, "--fail-on-warning"], project)
    python = sys.executable
    node.call([python, "-m", "mypy", "--strict", "--config-file=", "python_client.py"], project)
    settings = {"typeCheckingMode": "strict", "include": ["python_client.py"]}
    (project / "pyrightconfig.json").write_text(json.dumps(settings))
    node.call([str(TOOLS / "basedpyright"), "--level", "error", "--pythonpath", python], project)
    node.call([python, "python_client.py"], project, variables(server))
