"""A server lets no other user of the machine read or change its files."""

from pathlib import Path

from tests.support.command_line import vestibule
from tests.support.server import Server

ADA = {"username": "ada", "name": "Ada", "email": "ada@example.com", "password": "the engine weaves algebra"}


def open_paths(directory: Path) -> set[str]:
    """Returns the paths below `directory`, and itself, for which others than the owner have a permission."""
    return {path.name for path in (directory, *directory.rglob("*")) if path.stat().st_mode & 0o077}


def test_volume_that_was_opened_to_a_group_is_private_again_after_the_start(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "data.log"
    with Server(data) as server:
        assert server.call("POST", "/register/", ADA)[0] == 201
        server.stop()
    assert open_paths(data) == set()
    assert "open to other users" not in log.read_text()
    for path in (data, *data.rglob("*")):
        path.chmod(path.stat().st_mode | 0o2070 if path.is_dir() else 0o660)
    with Server(data) as server:
        assert server.call("POST", "/login/", ADA)[0] == 200
        assert open_paths(data) <= {".keys.json.lock"}
    lines = [line for line in log.read_text().splitlines() if "open to other users" in line]
    assert len(lines) == 5, "data, vestibule.db, keys.json, images and outbox, once each"


def test_database_in_another_place_is_made_private(tmp_path: Path) -> None:
    file = tmp_path / "database"
    file.touch()
    file.chmod(0o666)
    result = vestibule("purge", VESTIBULE_DATA_DIR=str(tmp_path / "data"), VESTIBULE_DATABASE_URL=f"sqlite:///{file}")
    assert result.returncode == 0
    assert "database was open to other users (mode 0666)" in result.stderr
    assert open_paths(tmp_path) == set()


def test_start_in_a_directory_of_other_programs_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "index.html").touch()
    tmp_path.chmod(0o755)
    result = vestibule("serve", VESTIBULE_DATA_DIR=str(tmp_path))
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line == (
        f"vestibule: VESTIBULE_DATA_DIR: {tmp_path} is open to other users (mode 0755): "
        f"run chmod 0700 {tmp_path}, or name another directory"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"index.html"}
