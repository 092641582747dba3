"""Uploads that starve others: half-sent, or slow to decode; an image directory that is missing or read-only."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from select import select
from time import monotonic

import pytest
from tests.support.http_client import Client, concurrently, random_png, thousand_scans
from tests.support.processes import eventually
from tests.support.server import Server

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("images") / "data", rate_limits="off") as server:
        yield server
        assert "Traceback" not in server.output


def missing(images: Path) -> None:
    """Leaves no directory."""


def a_file(images: Path) -> None:
    images.write_text("in the way")


def a_dangling_link(images: Path) -> None:
    images.symlink_to(images.with_name("nowhere"))


def a_read_only_directory(images: Path) -> None:
    """Simulates a read-only file system. Root ignores the mode bits, so root gets a directory of the kernel."""
    images.mkdir()
    images.chmod(0o500)
    if os.geteuid() == 0:
        images.rmdir()
        images.symlink_to("/proc/self")


@pytest.mark.parametrize(
    ("instead", "reading"), [(missing, 503), (a_file, 503), (a_dangling_link, 503), (a_read_only_directory, 404)]
)
def test_image_that_cannot_be_stored_changes_nothing(server: Server, instead: Callable[[Path], None], reading: int) -> None:
    images = server.data_dir / "images"
    with Client(server.port) as client:
        token = client.tokens("user1x")["token"]
        before = client.upload(token, random_png()).json["profile_image"]
        images.rename(images.with_name("away"))
        instead(images)
        try:
            for _ in range(3):
                response = client.upload(token, random_png())
                assert (response.status, response.problem) == (503, "unavailable")
                assert int(response.headers["retry-after"]) >= 1
                assert client.account(token).json["profile_image"] == before
                assert client.call("GET", f"/images/{before.rpartition('/')[2]}").status == reading
        finally:
            clear(images)
            images.with_name("away").rename(images)
        assert client.call("GET", f"/images/{before.rpartition('/')[2]}").status == 200
        after = client.upload(token, random_png())
        assert after.status == 201
        assert [file.name for file in images.iterdir()] == [after.json["profile_image"].rpartition("/")[2]]


def clear(images: Path) -> None:
    if images.is_dir() and not images.is_symlink():
        images.rmdir()
    else:
        images.unlink(missing_ok=True)


def test_half_sent_uploads_of_an_account_leave_the_places_of_others(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server, Client(server.port) as client, ExitStack() as held:
        mallory, ada = (client.tokens(name)["token"] for name in ("mallory", "ada"))
        halves = [held.enter_context(Client(server.port)).half_an_upload(mallory) for _ in range(24)]
        assert eventually(lambda: len(select(halves, [], [], 0)[0]) == 23), "all but one have a response"
        refused = client.upload(mallory, random_png())
        assert (refused.status, refused.problem, refused.headers["retry-after"]) == (429, "rate-limited", "5")
        with Client(server.port) as another:  # the server closes the connection of a body that it has refused unread
            assert another.upload(ada, random_png()).status == 201


@pytest.mark.slow
def test_slow_upload_is_accepted_and_a_stalled_one_leaves_its_place(tmp_path: Path) -> None:
    """Ada uploads at 40 KB a second for longer than a body may stand still, while Mallory sends a beginning only."""
    with Server(tmp_path / "data") as server, Client(server.port) as client, Client(server.port) as other:
        mallory, ada = (client.tokens(name)["token"] for name in ("mallory", "ada"))
        stalled = other.half_an_upload(mallory)
        file = random_png().ljust(800_000, b"\0")
        begun = monotonic()
        assert client.slow_upload(ada, file, bytes_per_second=40_000).status == 201
        assert 18 < monotonic() - begun < 30
        assert stalled.recv(65_536).startswith(b"HTTP/1.1 408 ")
        assert client.upload(mallory, random_png()).status == 201


def test_image_that_takes_too_long_to_decode_stops_no_other_upload(server: Server) -> None:
    with Client(server.port) as client:
        tokens = [client.tokens(f"user{number}x")["token"] for number in range(5)]
    files = [thousand_scans(), *(random_png() for _ in range(4))]
    uploads = [partial(Client.upload, token=token, file=file) for token, file in zip(tokens, files, strict=True)]
    slow, *others = concurrently(server.port, uploads)
    assert (slow.status, slow.json["errors"]) == (400, {"profile_image": ["The image takes too long to decode."]})
    assert [other.status for other in others] == [201] * 4
    with Client(server.port) as client:
        assert client.upload(tokens[0], random_png()).status == 201
