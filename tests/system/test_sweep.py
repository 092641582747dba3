"""`vestibule sweep-images` while a server runs."""

import os
import shutil
import time
from pathlib import Path

from tests.support.command_line import vestibule
from tests.support.http_client import Client, random_png
from tests.support.server import Server


def make_two_hours_old(path: Path) -> None:
    then = time.time() - 7200
    os.utime(path, (then, then))


def test_unreferenced_images_are_counted_and_deleted_with_the_option(tmp_path: Path) -> None:
    images, settings = tmp_path / "data" / "images", {"VESTIBULE_DATA_DIR": str(tmp_path / "data")}

    def sweep(*options: str) -> list[str]:
        result = vestibule("sweep-images", *options, **settings)
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout.splitlines()

    with Server(tmp_path / "data") as server, Client(server.port) as client:
        token = client.tokens("ada")["token"]
        current = images / client.upload(token, random_png(8)).json["profile_image"].rpartition("/")[2]
        unreferenced = Path(shutil.copy(current, images / f"{'a' * 32}.webp"))
        assert sweep("--delete") == ["Images: 0, 0 of them unreferenced. Deleted: 0."]
        make_two_hours_old(unreferenced)
        suspicious = "No image belongs to an account: is this the right database?"
        assert sweep("--delete") == ["Images: 1, 1 of them unreferenced. Deleted: 0.", suspicious]
        make_two_hours_old(current)
        hint = "Delete them with `vestibule sweep-images --delete`."
        assert sweep() == ["Images: 2, 1 of them unreferenced. Deleted: 0.", hint]
        assert sweep("--delete") == ["Images: 2, 1 of them unreferenced. Deleted: 1."]
        assert list(images.iterdir()) == [current]
        assert sweep("--delete") == ["Images: 1, 0 of them unreferenced. Deleted: 0."]
        with Client(server.port) as fresh:  # the server may have closed the idle connection
            assert fresh.call("GET", f"/images/{current.name}").status == 200


def test_unavailable_storage_is_reported_in_one_line(tmp_path: Path) -> None:
    result = vestibule(
        "sweep-images",
        VESTIBULE_DATA_DIR=str(tmp_path),
        VESTIBULE_IMAGES_URL="s3://nowhere",
        AWS_REGION="eu-central-1",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_ACCESS_KEY_ID="anybody",
        AWS_SECRET_ACCESS_KEY="s3cret",
    )
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("vestibule: ")
    assert "Traceback" not in result.stderr
