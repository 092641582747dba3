"""Backups as typed: of a server that is busy, restored elsewhere; and what is refused."""

import io
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shutil import copytree, rmtree
from threading import Event

import pytest
from tests.support.databases import rows
from tests.support.proxy import Line, picture
from tests.support.server import Server
from tests.system.test_command_line import vestibule

from vestibule.entrypoints.cli.backups import restore as take_up
from vestibule.entrypoints.settings import Settings


@dataclass(frozen=True)
class Person:
    """Somebody to whom all this was acknowledged."""

    name: str
    refresh_token: str
    image: str


def arrive(server: Server, worker: int, people: list[Person], over: Event) -> None:
    """Registers one person after the other, each with a session and a second image that takes the place of the first."""
    number = 0
    with Line(server.port) as line:
        while not over.is_set():
            number += 1
            name = f"person-{worker}-{number}x"
            tokens = line.tokens(name)
            assert line.upload(tokens["token"], picture(8)).status == 201
            image = line.upload(tokens["token"], picture(8)).json["profile_image"].rpartition("/")[2]
            people.append(Person(name, tokens["refresh_token"], image))


@pytest.mark.parametrize("name", ["backup", "backup.tar"])
def test_a_backup_made_amid_registrations_holds_everybody_who_was_acknowledged_before_it(name: str, tmp_path: Path) -> None:
    people: list[Person] = []
    over = Event()
    with Server(tmp_path / "data", rate_limits="off") as server, ThreadPoolExecutor(4) as threads:
        arriving = [threads.submit(arrive, server, worker, people, over) for worker in range(4)]
        while len(people) < 12 and not any(one.done() for one in arriving):
            over.wait(0.01)
        before = list(people)
        shown = vestibule("backup", str(tmp_path / name), VESTIBULE_DATA_DIR=str(tmp_path / "data"))
        after = len(people)
        over.set()
        for one in arriving:
            one.result(30)
        files = {path.name: path.read_bytes() for path in (tmp_path / "data" / "images").iterdir()}
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Warning: it holds the keys" in shown.stdout
    assert "were not there" not in shown.stdout
    assert after > len(before), "the burst was over before the backup was"

    restored = tmp_path / "elsewhere" / "data"
    restored.parent.mkdir()
    shown = vestibule("restore", str(tmp_path / name), VESTIBULE_DATA_DIR=str(restored))
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "were not there" not in shown.stdout
    with Server(restored, rate_limits="off") as server, Line(server.port) as line:
        for person in before:
            assert line.log_in(person.name).status == 200, person
            answer = line.refresh(person.refresh_token)
            assert answer.status == 200, person
            account = line.account(answer.json["token"]).json
            assert account["profile_image"].rpartition("/")[2] == person.image
            assert line.ask("GET", f"/images/{person.image}").content == files[person.image]
        assert line.register("newcomer").status == 201
    held = rows(f"sqlite:///{restored}/vestibule.db", "SELECT image FROM accounts WHERE image IS NOT NULL")
    assert len(held) >= len(before)
    for (image,) in held:
        assert (restored / "images" / image).is_file()


# --- what it looks like -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a server that is not running: one person, with an image."""
    directory = tmp_path_factory.mktemp("kept") / "data"
    with Server(directory) as server, Line(server.port) as line:
        tokens = line.tokens("ada")
        assert line.upload(tokens["token"], picture(8)).status == 201
        assert line.upload(tokens["token"], picture(8)).status == 201
        assert server.stop() == 0
    return directory


def back_up(data: Path, place: Path) -> "subprocess.CompletedProcess[str]":
    return vestibule("backup", str(place), VESTIBULE_DATA_DIR=str(data))


def restore(place: Path, data: Path) -> "subprocess.CompletedProcess[str]":
    return vestibule("restore", str(place), VESTIBULE_DATA_DIR=str(data))


def modes(directory: Path) -> set[tuple[bool, int]]:
    return {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in (directory, *directory.rglob("*"))}


def test_a_backup_says_what_it_holds_and_its_owner_alone_can_read_it(data: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        shown, packed = back_up(data, tmp_path / "backup"), back_up(data, tmp_path / "backup.tar")
    finally:
        os.umask(before)
    for one in (shown, packed):
        assert (one.returncode, one.stderr) == (0, "")
        first, database, keys, images, warning = one.stdout.splitlines()
        assert str(tmp_path / "backup") in first
        assert database.split() == ["vestibule.db", "accounts:", "1,", "sessions:", "1"]
        assert (keys.split(), images.split()) == (["keys/", "files:", "4"], ["images/", "files:", "1"])
        assert warning.startswith("Warning: ")
    assert modes(tmp_path / "backup") == {(True, 0o700), (False, 0o600)}
    assert stat.S_IMODE((tmp_path / "backup.tar").stat().st_mode) == 0o600
    with tarfile.open(tmp_path / "backup.tar") as tar:
        assert {(one.isdir(), one.mode) for one in tar} == {(True, 0o700), (False, 0o600)}
        assert {(one.uname, one.uid) for one in tar} == {("", 0)}
    assert {path.name for path in tmp_path.iterdir()} == {"backup", "backup.tar"}
    checked = subprocess.run(
        ["/usr/bin/env", "sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path / "backup", check=False
    )
    assert checked.returncode == 0
    for name in ("backup", "backup.tar"):
        assert restore(tmp_path / name, tmp_path / f"of-{name}").returncode == 0
        assert modes(tmp_path / f"of-{name}") == {(True, 0o700), (False, 0o600)}
        assert {path.name for path in (tmp_path / f"of-{name}").iterdir()} == {"vestibule.db", "keys", "images"}


def one_line(shown: "subprocess.CompletedProcess[str]") -> str:
    assert (shown.returncode, shown.stdout) == (2, "")
    (line,) = shown.stderr.splitlines()
    return line


def test_nothing_is_overwritten(data: Path, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup.tar").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("backup", "backup.tar", "link"):
        assert "is there already" in one_line(back_up(data, tmp_path / name))
    assert (tmp_path / "backup.tar").read_text() == "mine"
    assert list((tmp_path / "backup").iterdir()) == []
    assert len(list(tmp_path.iterdir())) == 3

    assert back_up(data, tmp_path / "good").returncode == 0
    assert "is not empty" in one_line(restore(tmp_path / "good", data))
    (tmp_path / "backup" / "stray").touch()
    assert "is not empty" in one_line(restore(tmp_path / "good", tmp_path / "backup"))
    assert [path.name for path in (tmp_path / "backup").iterdir()] == ["stray"]


def test_what_cannot_be_backed_up_leaves_nothing_behind(data: Path, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    assert "There is no directory" in one_line(back_up(data, tmp_path / "none" / "backup"))
    assert "pack b.tar" in one_line(back_up(data, tmp_path / "b.tar.gz"))
    elsewhere = {"VESTIBULE_DATABASE_URL": "postgresql://user:secret@127.0.0.1/name", "VESTIBULE_DATA_DIR": str(data)}
    assert "pg_dump" in one_line(vestibule("backup", str(place), **elsewhere))
    assert "There is no database" in one_line(back_up(tmp_path / "nobody", place))
    assert list(tmp_path.iterdir()) == []
    assert vestibule("keys", "list", VESTIBULE_DATA_DIR=str(tmp_path / "empty")).returncode == 0
    assert "There is no database" in one_line(back_up(tmp_path / "empty", place))
    assert vestibule("migrate", VESTIBULE_DATA_DIR=str(tmp_path / "empty")).returncode == 0
    (tmp_path / "empty" / "keys" / "codes-1.key").unlink()
    assert "at least one key of each kind" in one_line(back_up(tmp_path / "empty", place))
    rmtree(tmp_path / "empty" / "keys")
    assert "There are no keys at" in one_line(back_up(tmp_path / "empty", place))
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_backup_onto_a_full_disk_leaves_nothing_behind(data: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: it cuts a write off as a full one does."""
    for name in ("backup", "backup.tar"):
        command = f"trap '' XFSZ; ulimit -f 20; exec vestibule backup {tmp_path / name}"
        environment = os.environ | {
            "VESTIBULE_DATA_DIR": str(data),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        shown = subprocess.run(
            ["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert one_line(shown)
        assert list(tmp_path.iterdir()) == []


def test_images_that_were_gone_before_are_told_and_stop_neither_backup_nor_restore(data: Path, tmp_path: Path) -> None:
    assert back_up(data, tmp_path / "whole").returncode == 0
    assert restore(tmp_path / "whole", tmp_path / "data").returncode == 0
    (image,) = (tmp_path / "data" / "images").iterdir()
    image.unlink()
    shown = back_up(tmp_path / "data", tmp_path / "backup")
    assert shown.returncode == 0
    assert f"1 were not there, such as {image.name}" in shown.stdout
    shown = restore(tmp_path / "backup", tmp_path / "again")
    assert shown.returncode == 0
    assert f"1 were not there, such as {image.name}" in shown.stdout


# --- restoring what is not whole --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("backups") / "whole"
    assert back_up(data, place).returncode == 0
    return place


def refusal(place: Path, data: Path) -> str:
    """What the command says, without a process for each."""
    with pytest.raises((ValueError, OSError)) as refused:
        take_up(Settings(data_dir=data), place)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def spoil_database(backup: Path) -> None:
    with (backup / "vestibule.db").open("r+b") as file:
        file.seek(8192)
        file.write(bytes(4096))
    change_sum(backup)


def drop(pattern: str) -> Callable[[Path], None]:
    def damage(backup: Path) -> None:
        next(backup.glob(pattern)).unlink()

    return damage


def change(pattern: str) -> Callable[[Path], None]:
    def damage(backup: Path) -> None:
        next(backup.glob(pattern)).write_bytes(b"something else")

    return damage


def forget_codes(backup: Path) -> None:
    (backup / "keys" / "codes-1.key").unlink()
    sums = backup / "SHA256SUMS"
    sums.write_text("".join(line for line in sums.read_text().splitlines(keepends=True) if "codes-1" not in line))


def add_link(backup: Path) -> None:
    (backup / "images" / "link.webp").symlink_to("/etc/passwd")


def add_stranger(backup: Path) -> None:
    (backup / "stranger").write_text("not of it")


def make_newer(backup: Path) -> None:
    rows(f"sqlite:///{backup}/vestibule.db", "UPDATE alembic_version SET version_num = '9999'")
    change_sum(backup)


def change_sum(backup: Path) -> None:
    digest = sha256((backup / "vestibule.db").read_bytes()).hexdigest()
    kept = [line for line in (backup / "SHA256SUMS").read_text().splitlines() if not line.endswith("vestibule.db")]
    (backup / "SHA256SUMS").write_text("\n".join([*kept, f"{digest}  vestibule.db"]) + "\n")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (drop("SHA256SUMS"), "has no SHA256SUMS"),
        (drop("vestibule.db"), "vestibule.db is missing"),
        (drop("images/*"), "is missing"),
        (drop("keys/refresh-1.key"), "keys/refresh-1.key is missing"),
        (change("images/*"), "is not what its checksum says"),
        (change("vestibule.db"), "vestibule.db is not what its checksum says"),
        (change("keys/signing-1.pem"), "keys/signing-1.pem is not what its checksum says"),
        (spoil_database, "vestibule.db is damaged"),
        (forget_codes, "at least one key of each kind"),
        (add_link, "no plain file"),
        (add_stranger, "it has 'stranger'"),
        (make_newer, "newer"),
    ],
)
def test_a_backup_that_is_not_whole_is_refused_and_the_data_directory_stays_empty(
    damage: Callable[[Path], None], said: str, whole: Path, tmp_path: Path
) -> None:
    copytree(whole, tmp_path / "backup")
    damage(tmp_path / "backup")
    assert said in refusal(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "lost+found").mkdir()
    assert said in refusal(tmp_path / "backup", tmp_path / "mounted")
    assert [path.name for path in (tmp_path / "mounted").iterdir()] == ["lost+found"]


@pytest.mark.parametrize("name", ["../outside", "/outside", "keys/../../outside", "images/.hidden", "keys"])
def test_a_tar_file_writes_nowhere_but_where_a_backup_does(name: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = 4
        tar.addfile(entry, io.BytesIO(b"evil"))
    assert "is no backup of Vestibule" in refusal(tmp_path / "evil.tar", tmp_path / "deep" / "data")
    assert {path.name for path in tmp_path.iterdir()} == {"evil.tar", "deep"}


def test_a_tar_file_that_was_cut_off_is_refused(data: Path, tmp_path: Path) -> None:
    assert back_up(data, tmp_path / "backup.tar").returncode == 0
    whole = (tmp_path / "backup.tar").read_bytes()
    for length in (0, 700, len(whole) // 2, len(whole) - 12_000):
        (tmp_path / "cut.tar").write_bytes(whole[:length])
        assert "no backup of Vestibule, or not all of it" in refusal(tmp_path / "cut.tar", tmp_path / "new")
    assert "There is nothing at" in one_line(restore(tmp_path / "none", tmp_path / "new"))


def test_a_restore_is_not_led_astray_by_another_database(data: Path, tmp_path: Path) -> None:
    assert back_up(data, tmp_path / "backup").returncode == 0
    settings = {"VESTIBULE_DATABASE_URL": f"sqlite:///{tmp_path}/other.db", "VESTIBULE_DATA_DIR": str(tmp_path / "new")}
    assert "VESTIBULE_DATABASE_URL" in one_line(vestibule("restore", str(tmp_path / "backup"), **settings))
    assert not (tmp_path / "new").exists()
