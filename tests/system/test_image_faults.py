"""An image directory that is missing, is no directory, or is read-only."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.http_client import Client, random_png
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
