"""The shipped configurations of HAProxy, nginx and Caddy before a real server, with a path and without one.

Each program is skipped where it is not installed.
"""

import re
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import pytest
from tests.support.command_line import vestibule
from tests.support.documents import DOCS
from tests.support.http_client import PASSWORD, Client, random_png
from tests.support.processes import eventually
from tests.support.reverse_proxies import PROGRAMS, reverse_proxy
from tests.support.server import Server, free_port

FORGED = {"X-Forwarded-For": "198.51.100.9", "Forwarded": "for=198.51.100.9", "X-Forwarded-Host": "evil.example"}


class Layout(NamedTuple):
    """Where the API lies: `path` is what clients see."""

    path: str
    strips: bool


LAYOUTS = {
    "root": Layout("", strips=False),
    "path stripped": Layout("/accounts", strips=True),
    "path kept": Layout("/accounts", strips=False),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_address_host_and_links_are_those_of_the_client(program: str, layout: Layout, tmp_path: Path) -> None:
    port = free_port()
    path, strips = layout
    public_url = f"http://127.0.0.1:{port}{path if strips else ''}"
    prefix = "" if strips else path
    settings = {
        "VESTIBULE_TRUSTED_PROXIES": "127.0.0.1/32",
        "VESTIBULE_PUBLIC_URL": public_url,
        "VESTIBULE_API_PREFIX": prefix,
        "VESTIBULE_ALLOWED_HOSTS": "127.0.0.1",  # so the proxy has to pass on the client's
        "VESTIBULE_DOCS": "on",
    }
    with (
        Server(tmp_path / "data", environment=settings) as server,
        reverse_proxy(program, tmp_path / program, [server.port], port=port, path=path, strips=strips),
    ):
        base = f"http://127.0.0.1:{port}{path}"
        with Client(port, source="127.0.4.7") as client:
            login = b'{"username": "ada1", "password": "the engine weaves algebra"}'
            body = login.replace(b"{", b'{"name": "Ada", "email": "ada1@example.com", ', 1)
            headers = {**FORGED, "Content-Type": "application/json"}
            assert client.send("POST", f"{path}/register/", body, headers=headers).status == 201
            tokens = client.send("POST", f"{path}/login/", login, headers=headers).json
            (session,) = client.send("GET", f"{path}/sessions/", None, tokens["token"], FORGED).json["sessions"]
            assert session["address"] == "127.0.4.7"

            form = b'--b\r\nContent-Disposition: form-data; name="profile_image"; filename="me"\r\n\r\n%s\r\n--b--\r\n'
            multipart = {**FORGED, "Content-Type": "multipart/form-data; boundary=b"}
            image = client.send("POST", f"{path}/upload-image/", form % random_png(400), tokens["token"], multipart)
            assert image.status == 201, image.content
            url = image.json["profile_image"]
            assert url.startswith(f"{base}/images/")
            assert client.call("GET", urlsplit(url).path).headers["content-type"] == "image/webp"
            document = client.send("GET", f"{path}/openapi.json", None, headers=FORGED).json
            assert document["servers"] == [{"url": base}]

            for page in ("/", "/docs", "/docs/"):
                answer = client.send("GET", path + page, None, headers={**FORGED, "Accept": "text/html"})
                assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
                links = re.findall(rb'(?:src|href)="([^"]+)"', answer.content)
                assert len(links) >= 3
                for link in links:
                    assert client.call("GET", urlsplit(urljoin(base + page, link.decode())).path).status == 200, link
                assert client.call("HEAD", path + page).status == 200
            assert client.call("GET", f"{path}/nowhere").problem == "not-found"

        assert "share one limit" not in server.output
        server.stop()
        with Client(port, source="127.0.4.8") as client:
            response = client.call("GET", f"{path}/account/")
            assert (response.status, response.problem, response.headers["retry-after"]) == (503, "unavailable", "2")


def test_address_is_found_behind_two_proxies_that_append_to_what_a_caller_sent(tmp_path: Path) -> None:
    """HAProxy appends in a line of its own, nginx in the same line."""
    lines = {"http-request set-header X-Forwarded-For %[src]": "option forwardfor"}
    joined = {"X-Forwarded-For $remote_addr": "X-Forwarded-For $proxy_add_x_forwarded_for"}
    with (
        Server(tmp_path / "data", trusted_proxies="127.0.0.1/32") as server,
        reverse_proxy("nginx", tmp_path / "nginx", [server.port], changes=joined) as inner,
        reverse_proxy("haproxy", tmp_path / "haproxy", [inner], changes=lines) as outer,
    ):
        for port in (inner, outer):
            with Client(port, caller="198.51.100.9", source=f"127.0.5.{port % 200}") as client:
                token = client.tokens(f"ada{port}")["token"]
                (session,) = client.call("GET", "/sessions/", token=token).json["sessions"]
                assert session["address"] == f"127.0.5.{port % 200}"
        assert "share one limit" not in server.output


def test_nginx_bounds_the_calls_of_a_network_and_the_size_of_bodies(tmp_path: Path) -> None:
    with (
        Server(tmp_path / "data", trusted_proxies="127.0.0.1/32") as server,
        reverse_proxy("nginx", tmp_path / "nginx", [server.port]) as port,
        Client(port, source="127.0.4.9") as client,
    ):
        headers = {"Content-Type": "application/json"}
        too_large = client.send("POST", "/login/", b" " * 7_000_000, headers=headers)
        assert (too_large.status, too_large.problem) == (413, "body-too-large")
        with ExitStack() as stack:
            for _ in range(100):
                uploading = stack.enter_context(Client(port, source="127.0.4.10"))
                uploading.half_an_upload("any")
            assert eventually(lambda: is_refused(port))
            assert client.call("GET", "/healthz").status == 200
        assert eventually(lambda: not is_refused(port))


_ANCHORS = {
    "nginx": "    client_max_body_size 6m;",
    "caddy": '\theader Strict-Transport-Security "max-age=63072000"',
    "haproxy": "    http-request del-header Forwarded",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_documented_lines_keep_the_calls_of_operators_from_the_public(program: str, tmp_path: Path) -> None:
    block = (DOCS / "operating.md").read_text().partition(f"```{program}\n")[2].partition("```")[0]
    lines, anchor = block.rstrip("\n"), _ANCHORS[program]
    with (
        Server(tmp_path / "data", trusted_proxies="127.0.0.1/32") as server,
        reverse_proxy(program, tmp_path / program, [server.port], changes={anchor: f"{anchor}\n{lines}"}) as port,
        Client(port, source="127.0.4.11") as public,
        Client(server.port) as direct,
    ):
        arguments = ("--username", "ada", "--email", "ada@example.org", "--name", "Ada", "--password-file", "-")
        vestibule("create-superuser", *arguments, stdin=f"{PASSWORD}\n", VESTIBULE_DATA_DIR=str(server.data_dir))
        token = direct.log_in("ada").json["token"]
        spellings = ("/%61dmin/summary/", "/./admin/summary", "//admin/summary/", "/admin", "/x/../admin/summary/")
        for path in ("/admin/summary/", *spellings):
            assert public.call("GET", path, token=token).status == 404, path
        assert public.call("GET", "/account/", token=token).status == 200
        assert direct.call("GET", "/admin/summary/", token=token).status == 200


def is_refused(port: int) -> bool:
    with Client(port, source="127.0.4.10") as another:
        response = another.call("GET", "/healthz")
        return response.status == 429 and response.problem == "rate-limited" and response.headers["retry-after"] == "1"
