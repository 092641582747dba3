"""The shipped configurations of HAProxy, nginx and Caddy, run before servers on this machine.

A configuration is changed where a reader changes it too: name, certificate, addresses, and the path if there is one.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.http_client import CONNECTION_ERRORS, Client
from tests.support.processes import eventually
from tests.support.server import free_port

SHIPPED = Path(__file__).parents[2] / "examples" / "nodes"
_PATH = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
_NODES = ("10.0.0.11:8000", "10.0.0.12:8000", "10.0.0.13:8000")


def haproxy(port: int, nodes: Sequence[int], *, path: str = "", strips: bool = False) -> str:
    """HAProxy passes every path on, so that only a path to strip changes its configuration."""
    lines = [line for line in (SHIPPED / "haproxy.cfg").read_text().splitlines() if not _is_left_out(line, nodes)]
    bind = ":443 ssl crt /etc/haproxy/accounts.example.org.pem alpn h2,http/1.1"
    text = _replaced("\n".join(lines), {bind: f"127.0.0.1:{port}"})
    return _with_nodes(
        _replaced(text, {"# http-request replace-path /accounts": f"http-request replace-path {path}"} if strips else {}), nodes
    )


def nginx(port: int, nodes: Sequence[int], *, path: str = "", strips: bool = False) -> str:
    lines = (SHIPPED / "nginx.conf").read_text().splitlines()
    text = "\n".join(line for line in lines if "ssl_certificate" not in line and not _is_left_out(line, nodes))
    slash = "/" if strips else ""
    changes = {
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port};",
        "location / {": f"location {path}/ {{",
        "proxy_pass http://accounts;": f"proxy_pass http://accounts{slash};",
    }
    return _nginx_main(_with_nodes(_replaced(text, changes), nodes))


def _nginx_main(text: str) -> str:
    """The whole configuration, with what belongs into nginx's own file on other machines."""
    main = "daemon off; pid nginx.pid; error_log stderr; events {}"
    temporary = "".join(f"{name}_temp_path {name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root; " if os.geteuid() == 0 else ""
    return f"{user}{main}\nhttp {{ access_log off; {temporary}\n{text}\n}}\n"


def caddy(port: int, nodes: Sequence[int], *, path: str = "", strips: bool = False) -> str:
    handle = f"handle_path {path}/*" if strips else f"handle {path}/*" if path else "handle"
    changes = {
        "accounts.example.org {": f"http://127.0.0.1:{port} {{",
        "\thandle {": f"\t{handle} {{",
        " ".join(_NODES): " ".join(_NODES[: len(nodes)]),
        "{\n\tservers": "{\n\tadmin off\n\tservers",
    }
    return _with_nodes(_replaced((SHIPPED / "Caddyfile").read_text(), changes), nodes)


_COMMANDS: dict[str, tuple[Callable[..., str], str, list[str]]] = {
    "haproxy": (haproxy, "haproxy.cfg", ["haproxy", "-db", "-f", "haproxy.cfg"]),
    "nginx": (nginx, "nginx.conf", ["nginx", "-p", ".", "-c", "nginx.conf", "-e", "stderr"]),
    "caddy": (caddy, "Caddyfile", ["caddy", "run", "--config", "Caddyfile"]),
}
PROGRAMS = tuple(_COMMANDS)


@contextmanager
def reverse_proxy(
    program: str,
    directory: Path,
    nodes: Sequence[int],
    *,
    port: int | None = None,
    path: str = "",
    strips: bool = False,
    changes: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Starts the program before nodes on these ports; yields its port when a node is ready. Skips the test without the program.

    It serves `path`, and passes it on unless it strips it. `changes` are further ones of the configuration, text for text.
    """
    port = port or free_port()
    text = _replaced(_COMMANDS[program][0](port, nodes, path=path, strips=strips), changes or {})
    with _running(program, directory, text, port, f"{path}/readyz"):
        yield port


@contextmanager
def proxy_of_a_site(program: str, directory: Path, block: str, site: int) -> Iterator[int]:
    """Starts nginx or Caddy with this block, before the one for the rest of a site on that port; yields the proxy's port."""
    port = free_port()
    rest = f"127.0.0.1:{site}"
    if program == "nginx":
        text = _nginx_main(f"server {{ listen 127.0.0.1:{port};\n{block}\nlocation / {{ proxy_pass http://{rest}; }} }}")
    else:
        text = f"{{\nadmin off\n}}\nhttp://127.0.0.1:{port} {{\n{block}\nhandle {{\nreverse_proxy {rest}\n}}\n}}"
    with _running(program, directory, text, port, "/"):
        yield port


@contextmanager
def _running(program: str, directory: Path, text: str, port: int, path: str) -> Iterator[None]:
    """Runs the program with that configuration, once the path responds 200. Skips the test without the program."""
    _, name, command = _COMMANDS[program]
    executable = shutil.which(program, path=_PATH)
    if executable is None:
        pytest.skip(f"no {program} is installed: its configuration is not tested")
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"{text}\n")
    log = directory / f"{program}.log"
    with log.open("wb") as file:
        environment = {**os.environ, "HOME": str(directory), "XDG_DATA_HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
        process = subprocess.Popen(
            [executable, *command[1:]], cwd=directory, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        assert eventually(lambda: status(port, path) == 200), log.read_text()
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def status(port: int, path: str) -> int:
    """Returns the status of a call; 0 if the connection is refused or broken."""
    with Client(port, source="127.0.2.1") as client:
        try:
            return client.call("GET", path).status
        except CONNECTION_ERRORS:
            return 0


def _replaced(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, f"the shipped configuration has no {old!r}"
        text = text.replace(old, new)
    return text


def _with_nodes(text: str, nodes: Sequence[int]) -> str:
    return _replaced(text, {old: f"127.0.0.1:{new}" for old, new in zip(_NODES, nodes, strict=False)})


def _is_left_out(line: str, nodes: Sequence[int]) -> bool:
    return line.strip().startswith("server ") and any(node in line for node in _NODES[len(nodes) :])
