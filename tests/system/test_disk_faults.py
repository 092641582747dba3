"""A full disk: a full file system, and a limit on file sizes."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import repeat
from pathlib import Path

import pytest
from tests.support.http_client import Client, Response, random_png
from tests.support.processes import worker
from tests.support.server import WITHOUT_BYTECODE, Server
from tests.system.test_kill import end_leases

pytestmark = pytest.mark.faults

Full = Callable[[Server], AbstractContextManager[None]]


@contextmanager
def limited(server: Server) -> Iterator[None]:
    """Limits the size of files to 0, so that each write of the server fails, as with an exhausted quota."""
    pid = worker(server.process.pid).pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def full(server: Server) -> Iterator[None]:
    """Fills the file system of the data directory to the last byte."""
    ballast = server.data_dir / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        file.writelines(repeat(bytes(4096)))
    yield
    ballast.unlink()


@pytest.fixture(params=["limit", "file system"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, Full]]:
    """A data directory, and a function that fills it. Without the right to mount, the limit replaces the full file system."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    mount = [shutil.which("mount") or "false", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", str(data)]
    if request.param == "limit":
        yield data, limited
    elif subprocess.run(mount, check=False, capture_output=True).returncode == 0:
        yield data, full
        subprocess.run([shutil.which("umount") or "umount", "--lazy", str(data)], check=True)
    else:
        sys.stderr.write("warning: cannot mount a file system; a limit on file sizes replaces the full disk\n")
        yield data, limited


def test_full_disk_refuses_changes_serves_reads_and_loses_nothing(disk: tuple[Path, Full]) -> None:
    data, no_space = disk
    with Server(data, environment=WITHOUT_BYTECODE, rate_limits="off") as server:
        with Client(server.port) as client:
            tokens = client.tokens("user1x")
            image = client.upload(tokens["token"], random_png()).json["profile_image"]
            with no_space(server):
                registered, sent, refused = write(client, tokens["token"])
                assert refused > 10
                assert client.upload(tokens["token"], random_png(200)).problem == "unavailable"
                assert client.account(tokens["token"]).json["profile_image"] == image
                assert client.call("GET", f"/images/{image.rpartition('/')[2]}").status == 200
                assert client.call("GET", "/readyz").status == 200
            check(server, registered, sent)
            assert client.register("user2x").status == 201, "the server recovers without a restart"
            assert client.upload(tokens["token"], random_png(200)).status == 201
            tokens = client.refresh(tokens["refresh_token"]).json
        assert "Traceback" not in server.output
        server.kill()
    with Server(data, environment=WITHOUT_BYTECODE, rate_limits="off") as server, Client(server.port) as client:
        check(server, [*registered, "user1x", "user2x"], [])
        assert client.refresh(tokens["refresh_token"]).status == 200
        assert len(list((data / "images").iterdir())) == 1


def write(client: Client, token: str) -> tuple[list[str], list[tuple[str, str]], int]:
    """Calls the server; returns the acknowledged registrations, the acknowledged messages, and the number of refusals."""
    registered, sent, refused = [], [], 0
    for number in range(20):
        name = f"other{number}x{os.urandom(4).hex()}"
        if accepted(client.register(name)):
            registered.append(name)
        else:
            refused += 1
        response = client.send_code(f"{name}@example.com")
        if accepted(response):
            sent.append((f"{name}@example.com", response.json["reference"]))
        else:
            refused += 1
        refused += not accepted(client.call("PATCH", "/account/", {"name": f"Number {number}"}, token))
        refused += not accepted(client.log_in("user1x"))
    return registered, sent, refused


def accepted(response: Response) -> bool:
    if response.status == 503:
        assert response.problem == "unavailable"
        assert int(response.headers["retry-after"]) >= 1
    else:
        assert response.status in {200, 201}, response.content
    return response.status != 503


def check(server: Server, registered: list[str], sent: list[tuple[str, str]]) -> None:
    with Client(server.port) as client:
        for name in registered:
            assert client.call("POST", "/isunique/", {"prop": "username", "value": name}).json == {"unique": False}
    end_leases(f"sqlite:///{server.data_dir / 'vestibule.db'}")
    for destination, reference in sent:
        server.code(destination, reference)
