"""Images that no account has, counted and deleted by the command line while a real server runs."""

import os
import shutil
import time
from pathlib import Path

from tests.support.proxy import Line, picture
from tests.support.server import Server
from tests.system.test_command_line import vestibule


def put_two_hours_back(path: Path) -> None:
    then = time.time() - 7200
    os.utime(path, (then, then))


def test_what_no_account_has_is_counted_first_and_goes_when_that_is_said(tmp_path: Path) -> None:
    images, settings = tmp_path / "data" / "images", {"VESTIBULE_DATA_DIR": str(tmp_path / "data")}

    def sweep(*options: str) -> list[str]:
        shown = vestibule("sweep-images", *options, **settings)
        assert (shown.returncode, shown.stderr) == (0, "")
        return shown.stdout.splitlines()

    with Server(tmp_path / "data") as server, Line(server.port) as line:
        token = line.tokens("ada")["token"]
        kept = images / line.upload(token, picture(8)).json["profile_image"].rpartition("/")[2]
        orphan = Path(shutil.copy(kept, images / f"{'a' * 32}.webp"))
        assert sweep("--delete") == ["Images: 0, 0 of them of no account. Deleted: 0."]
        put_two_hours_back(orphan)
        none = "No account has any of them: is this their database?"
        assert sweep("--delete") == ["Images: 1, 1 of them of no account. Deleted: 0.", none]
        put_two_hours_back(kept)
        how = "Delete them by `vestibule sweep-images --delete`."
        assert sweep() == ["Images: 2, 1 of them of no account. Deleted: 0.", how]
        assert sweep("--delete") == ["Images: 2, 1 of them of no account. Deleted: 1."]
        assert list(images.iterdir()) == [kept]
        assert sweep("--delete") == ["Images: 1, 0 of them of no account. Deleted: 0."]
        assert line.ask("GET", f"/images/{kept.name}").status == 200


def test_a_storage_that_is_down_ends_it_with_one_line(tmp_path: Path) -> None:
    shown = vestibule(
        "sweep-images",
        VESTIBULE_DATA_DIR=str(tmp_path),
        VESTIBULE_IMAGES_URL="s3://nowhere",
        AWS_REGION="eu-central-1",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_ACCESS_KEY_ID="anybody",
        AWS_SECRET_ACCESS_KEY="s3cret",
    )
    assert shown.returncode == 2
    assert shown.stderr.splitlines()[-1].startswith("vestibule: ")
    assert "Traceback" not in shown.stderr
