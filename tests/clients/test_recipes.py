"""The recipes of docs/clients.md, run as they are printed."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import node
from tests.support.server import Server

from vestibule.application.ports import SIGNING_ALGORITHMS

pytestmark = pytest.mark.slow

PAGE = (node.ROOT / "docs" / "clients.md").read_text()
SERVICE = "https://accounts.example.org"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data", token_claims="email_verified, username", rate_limits="off") as server:
        yield server


def test_recipe_for_browsers_refreshes_once_for_all_calls_and_tabs(server: Server, tmp_path: Path) -> None:
    project = node.project(tmp_path / "project", "browser_recipe.mjs")
    url = f"http://127.0.0.1:{server.port}"
    (project / "accounts.js").write_text(blocks("js")[0].replace(SERVICE, url))
    node.call(["node", "browser_recipe.mjs"], project, {"SERVER": url})


@pytest.mark.parametrize("algorithm", SIGNING_ALGORITHMS)
def test_recipe_for_node_verifies_a_token_with_its_claims(algorithm: str, tmp_path: Path) -> None:
    project = node.project(tmp_path / "project", "jose_recipe.mjs")
    recipe = blocks("js")[1]
    assert '["EdDSA"]' in recipe
    given: dict[str, Any] = {"token_claims": "email_verified, username", "token_algorithm": algorithm, "access_seconds": "600"}
    with Server(tmp_path / "data", rate_limits="off", **given) as server:
        url = f"http://127.0.0.1:{server.port}"
        (project / "identify.js").write_text(recipe.replace(SERVICE, url).replace('["EdDSA"]', f'["{algorithm}"]'))
        node.call(["node", "jose_recipe.mjs"], project, {"SERVER": url, "ACCESS_SECONDS": "600"})


def test_recipe_for_django_identifies_the_caller(server: Server, tmp_path: Path) -> None:
    tokens, settings = (block.replace(SERVICE, f"http://127.0.0.1:{server.port}") for block in blocks("python"))
    (tmp_path / "tokens.py").write_text(tokens)
    (tmp_path / "project_settings.py").write_text(
        f"{settings}\nROOT_URLCONF = 'project_urls'\nSECRET_KEY = 'only a test'\nALLOWED_HOSTS = ['*']\n"
    )
    (tmp_path / "project_urls.py").write_text(
        "from django.http import JsonResponse\nfrom django.urls import path\nfrom rest_framework.response import Response\n"
        "from rest_framework.views import APIView\n\n"
        "def plain(request):\n    return JsonResponse({'name': request.user.username})\n\n"
        "class Rest(APIView):\n    def get(self, request):\n        return Response({'name': request.user.username})\n\n"
        "urlpatterns = [path('plain', plain), path('rest', Rest.as_view())]\n"
    )
    ada = {"username": "ada", "name": "Ada", "email": "ada@example.com", "password": "the engine weaves algebra"}
    assert server.call("POST", "/register/", ada)[0] == 201
    token = server.call("POST", "/login/", {"username": "ada", "password": ada["password"]})[1]["token"]
    program = (
        "import django; django.setup()\nfrom django.test import Client\n"
        f"headers = {{'authorization': 'Bearer {token}'}}\n"
        "for path in ('/plain', '/rest'):\n"
        "    assert Client().get(path, headers=headers).json() == {'name': 'ada'}, path\n"
        "assert Client().get('/rest').status_code == 401\n"
    )
    node.call([sys.executable, "-c", program], tmp_path, {"DJANGO_SETTINGS_MODULE": "project_settings"})
