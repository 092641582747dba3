"""A server lets no other user of the machine read or change its files."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.command_line import vestibule
from tests.support.http_client import Client, random_png
from tests.support.server import VESTIBULE, Server

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


# --- another user -----------------------------------------------------------------------------------------------------

USER = 12_345
"""A user without a name and a home, as in a container. It may read all files, as the interpreter may be root's own."""

as_root = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root starts processes of others")


def as_user(*arguments: str) -> list[str]:
    rights = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
    user = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *rights)
    return [*user, str(Path(VESTIBULE).with_name("python")), "-m", "vestibule.entrypoints.cli", *arguments]


def purged_by_user(data: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "VESTIBULE_DATA_DIR": str(data), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(as_user("purge"), env=environment, capture_output=True, text=True, timeout=120, check=False)


@as_root
def test_volume_of_root_is_refused_and_a_directory_in_it_is_used(tmp_path: Path) -> None:
    """Such are the volumes of Kubernetes with `fsGroup`, which gives the group access again at each start."""
    volume = tmp_path / "volume"
    volume.mkdir()
    os.chown(volume, 0, USER)
    volume.chmod(0o2770)
    refused = purged_by_user(volume)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        f"vestibule: VESTIBULE_DATA_DIR: {volume} belongs to another user and is open to others (mode 2770): "
        f"run chown {USER} {volume} as root, or name a directory in it, such as {volume}/vestibule\n"
    )
    assert list(volume.iterdir()) == []
    for warnings in (0, 5):
        started = purged_by_user(volume / "vestibule")
        assert started.returncode == 0, started.stderr
        assert started.stderr.count("open to other users") == warnings
        assert open_paths(volume / "vestibule") <= {".keys.json.lock"}
        for path in (volume / "vestibule").rglob("*"):
            path.chmod(path.stat().st_mode | 0o060)
        (volume / "vestibule").chmod(0o2770)


def test_file_in_place_of_the_data_directory_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    result = vestibule("serve", VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    line = f"vestibule: VESTIBULE_DATA_DIR: {tmp_path}/data is not a directory.\n"
    assert (result.returncode, result.stdout, result.stderr) == (2, "", line)
    below = vestibule("serve", VESTIBULE_DATA_DIR=str(tmp_path / "data" / "below"))
    line = f"vestibule: VESTIBULE_DATA_DIR: cannot use {tmp_path}/data/below (Not a directory).\n"
    assert (below.returncode, below.stdout, below.stderr) == (2, "", line)


@as_root
def test_read_only_data_directory_is_refused_in_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, USER, USER)
    data.chmod(0o500)
    refused = purged_by_user(data)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"vestibule: VESTIBULE_DATA_DIR: this user cannot write to {data}.\n"


class BareServer(Server):
    """A server of a user without name, home, time zone, locale, temporary directory and standard streams."""

    def start(self) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "VESTIBULE_DATA_DIR": str(self.data_dir),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONOPTIMIZE": "2",
            "TZ": "garbage",
            "LANG": "xx",
            "TMPDIR": "/does/not/exist",
        }
        command = as_user("serve", "--port", str(self.port))
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", 'ulimit -n 64; exec "$@" <&- >&-', "sh", *command],
                env=environment,
                stderr=log,
                start_new_session=True,
            )


@as_root
def test_server_needs_no_home_locale_time_zone_temporary_directory_and_streams(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, USER, USER)
    with BareServer(data) as server, Client(server.port) as client:
        tokens = client.tokens("user1x")
        assert client.upload(tokens["token"], random_png()).status == 201
        reference = client.send_code("user1x@example.com").json["reference"]
        assert len(server.code("user1x@example.com", reference)) == 6
        assert server.stop() == 0
        assert [line.split()[1] for line in server.output.splitlines()] in (["INFO"], ["INFO", "WARNING"]), "SQLite's, if any"


def test_output_that_cannot_be_written_does_not_stop_a_server(tmp_path: Path) -> None:
    class Deaf(Server):
        def command(self) -> list[str]:
            return ["/bin/sh", "-c", '"$@" > /dev/full', "sh", *super().command()]

    with Deaf(tmp_path / "data") as server, Client(server.port) as client:
        client.register("user1x")
        reference = client.send_code("user1x@example.com").json["reference"]
        assert len(server.code("user1x@example.com", reference)) == 6
        assert "Traceback" not in server.output
    result = subprocess.run(
        ["/bin/sh", "-c", '"$0" settings > /dev/full', VESTIBULE], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stderr) == (2, "vestibule: [Errno 28] No space left on device\n")
