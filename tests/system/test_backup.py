"""`vestibule backup` and `vestibule restore`: of a busy server, of damaged files, interrupted."""

import json
import os
import signal
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from tests.support.command_line import vestibule
from tests.support.databases import rows
from tests.support.http_client import Client, random_png
from tests.support.server import VESTIBULE, WITHOUT_BYTECODE, Server

from vestibule.entrypoints.cli.backups import restore as restore_here
from vestibule.entrypoints.settings import Settings

URL = "https://accounts.example.org"


@dataclass(frozen=True)
class Registered:
    """An account that the server has acknowledged, with its session and its image."""

    name: str
    refresh_token: str
    image: str


def register_many(server: Server, worker: int, accounts: list[Registered], stop: Event) -> None:
    """Registers accounts until `stop` is set, each with a session and a second image that replaces the first."""
    number = 0
    with Client(server.port) as client:
        while not stop.is_set():
            number += 1
            name = f"user-{worker}-{number}x"
            tokens = client.tokens(name)
            assert client.upload(tokens["token"], random_png(8)).status == 201
            image = client.upload(tokens["token"], random_png(8)).json["profile_image"].rpartition("/")[2]
            accounts.append(Registered(name, tokens["refresh_token"], image))


def test_backup_of_a_busy_server_contains_every_account_acknowledged_before_it(tmp_path: Path) -> None:
    accounts: list[Registered] = []
    stop = Event()
    backup = tmp_path / "backup.zip"
    with Server(tmp_path / "data", rate_limits="off") as server, ThreadPoolExecutor(4) as threads:
        registering = [threads.submit(register_many, server, worker, accounts, stop) for worker in range(4)]
        while len(accounts) < 12 and not any(one.done() for one in registering):
            stop.wait(0.01)
        before = list(accounts)
        completed = vestibule("backup", str(backup), VESTIBULE_DATA_DIR=str(tmp_path / "data"))
        after = len(accounts)
        stop.set()
        for one in registering:
            one.result(30)
        files = {path.name: path.read_bytes() for path in (tmp_path / "data" / "images").iterdir()}
    assert (completed.returncode, completed.stderr) == (0, "")
    assert "Warning: the backup contains the keys" in completed.stdout
    assert "do not exist" not in completed.stdout
    assert after > len(before), "the registrations ended before the backup"

    restored = tmp_path / "elsewhere" / "data"
    restored.parent.mkdir()
    completed = vestibule("restore", "--keep-sessions", str(backup), VESTIBULE_DATA_DIR=str(restored))
    assert (completed.returncode, completed.stderr) == (0, "")
    assert "do not exist" not in completed.stdout
    with Server(restored, rate_limits="off") as server, Client(server.port) as client:
        for account in before:
            assert client.log_in(account.name).status == 200, account
            refreshed = client.refresh(account.refresh_token)
            assert refreshed.status == 200, account
            shown_account = client.account(refreshed.json["token"]).json
            assert shown_account["profile_image"].rpartition("/")[2] == account.image
            assert client.call("GET", f"/images/{account.image}").content == files[account.image]
        assert client.register("newcomer").status == 201
    held = rows(f"sqlite:///{restored}/vestibule.db", "SELECT image FROM accounts WHERE image IS NOT NULL")
    assert len(held) >= len(before)
    for (image,) in held:
        assert (restored / "images" / image).is_file()


# --- sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [False, True])
def test_restore_ends_sessions_and_codes_that_the_backup_has_unless_they_are_kept(tmp_path: Path, kept: bool) -> None:
    address, data, file = "ada@mail.example.org", tmp_path / "data", tmp_path / "backup.zip"
    with Server(data, public_url=URL) as server, Client(server.port) as client:
        tokens = client.tokens("ada")
        code = server.code(address, client.send_code(address).json["reference"])
        assert back_up(data, file).returncode == 0
        assert client.call("DELETE", f"/sessions/{tokens['session']}/", token=tokens["token"]).status == 200
    options = ["--keep-sessions"] if kept else []
    completed = vestibule("restore", *options, str(file), VESTIBULE_DATA_DIR=str(tmp_path / "restored"))
    assert (completed.returncode, completed.stderr) == (0, "")
    said = "active again; end them" if kept else "Ended all sessions (1) and open codes"
    assert said in completed.stdout
    with Server(tmp_path / "restored", public_url=URL) as server, Client(server.port) as client:
        assert client.account(tokens["token"]).status == (200 if kept else 401)
        assert client.refresh(tokens["refresh_token"]).status == (200 if kept else 401)
        assert client.verify(address, code).status == (201 if kept else 403)
        assert client.log_in("ada").status == 200
    ended = rows(f"sqlite:///{tmp_path}/restored/vestibule.db", "SELECT type, detail FROM audit_log WHERE account_id IS NULL")
    assert (("all_sessions_ended", "1 by restore") in ended) is not kept


def test_sessions_end_by_a_command_after_a_restore_of_any_database(
    tmp_path: Path, database_url_for: Callable[[Path], str]
) -> None:
    url = database_url_for(tmp_path / "data")
    with Server(tmp_path / "data", database_url=url) as server, Client(server.port) as client:
        tokens = client.tokens("ada")
        variables = {"VESTIBULE_DATA_DIR": str(tmp_path / "data"), "VESTIBULE_DATABASE_URL": url}
        assert vestibule("end-sessions", **variables).returncode == 1, "it asks first"
        assert client.account(tokens["token"]).status == 200
        completed = vestibule("end-sessions", "--yes", **variables)
        assert (completed.returncode, completed.stdout) == (0, "Ended all sessions (1) and open codes.\n")
        assert client.account(tokens["token"]).status == 401
        assert client.refresh(tokens["refresh_token"]).status == 401
        assert client.log_in("ada").status == 200


# --- the file and its contents ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a stopped server, with one account that has an image."""
    directory = tmp_path_factory.mktemp("kept") / "data"
    with Server(directory) as server, Client(server.port) as client:
        tokens = client.tokens("ada")
        assert client.upload(tokens["token"], random_png(8)).status == 201
        assert client.upload(tokens["token"], random_png(8)).status == 201
        assert server.stop() == 0
    return directory


def back_up(data: Path, file: Path) -> "subprocess.CompletedProcess[str]":
    return vestibule("backup", str(file), VESTIBULE_DATA_DIR=str(data))


def restore(file: Path, data: Path) -> "subprocess.CompletedProcess[str]":
    return vestibule("restore", str(file), VESTIBULE_DATA_DIR=str(data))


def modes(directory: Path) -> set[tuple[bool, int]]:
    return {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in (directory, *directory.rglob("*"))}


def test_backup_lists_its_contents_and_only_its_owner_can_read_it(data: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        completed = back_up(data, tmp_path / "backup.zip")
    finally:
        os.umask(before)
    assert (completed.returncode, completed.stderr) == (0, "")
    first, database, keys, images, warning, _ = completed.stdout.splitlines()
    assert str(tmp_path / "backup.zip") in first
    assert database.split() == ["vestibule.db", "accounts:", "1,", "sessions:", "1"]
    assert (keys.split(), images.split()) == (["keys.json"], ["images/", "files:", "1"])
    assert warning.startswith("Warning: ")
    assert [path.name for path in tmp_path.iterdir()] == ["backup.zip"]
    assert stat.S_IMODE((tmp_path / "backup.zip").stat().st_mode) == 0o600
    with ZipFile(tmp_path / "backup.zip") as archive:
        assert archive.testzip() is None
        assert {name.partition("/")[0] for name in archive.namelist()} == {"vestibule.db", "keys.json", "images"}

    before = os.umask(0)
    try:
        assert restore(tmp_path / "backup.zip", tmp_path / "restored").returncode == 0
    finally:
        os.umask(before)
    assert modes(tmp_path / "restored") == {(True, 0o700), (False, 0o600)}
    assert {path.name for path in (tmp_path / "restored").iterdir()} == {"vestibule.db", "keys.json", "images"}


def one_line(completed: "subprocess.CompletedProcess[str]") -> str:
    assert (completed.returncode, completed.stdout) == (2, "")
    (line,) = completed.stderr.splitlines()
    return line


def test_backup_and_restore_overwrite_nothing(data: Path, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "backup.zip").write_text("another file")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("directory", "backup.zip", "link"):
        assert "exists already" in one_line(back_up(data, tmp_path / name))
    assert (tmp_path / "backup.zip").read_text() == "another file"
    assert list((tmp_path / "directory").iterdir()) == []
    assert len(list(tmp_path.iterdir())) == 3

    assert back_up(data, tmp_path / "good").returncode == 0
    assert "is not empty" in one_line(restore(tmp_path / "good", data))
    (tmp_path / "directory" / "stray").touch()
    assert "is not empty" in one_line(restore(tmp_path / "good", tmp_path / "directory"))
    assert [path.name for path in (tmp_path / "directory").iterdir()] == ["stray"]


def test_failed_backup_leaves_nothing_behind(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.zip"
    assert "There is no directory" in one_line(back_up(data, tmp_path / "none" / "backup.zip"))
    elsewhere = {"VESTIBULE_DATABASE_URL": "postgresql://user:secret@127.0.0.1/name", "VESTIBULE_DATA_DIR": str(data)}
    assert "pg_dump" in one_line(vestibule("backup", str(file), **elsewhere))
    assert "There is no database" in one_line(back_up(tmp_path / "absent", file))
    assert list(tmp_path.iterdir()) == []
    assert vestibule("keys", "list", VESTIBULE_DATA_DIR=str(tmp_path / "empty")).returncode == 0
    for database in (tmp_path / "empty").glob("vestibule.db*"):
        database.unlink()
    assert "There is no database" in one_line(back_up(tmp_path / "empty", file))
    assert vestibule("migrate", VESTIBULE_DATA_DIR=str(tmp_path / "empty")).returncode == 0
    forget_codes(tmp_path / "empty" / "keys.json")
    assert "no key of the kind codes" in one_line(back_up(tmp_path / "empty", file))
    (tmp_path / "empty" / "keys.json").unlink()
    assert "There are no keys at" in one_line(back_up(tmp_path / "empty", file))
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_backup_onto_a_full_disk_leaves_nothing_behind(data: Path, tmp_path: Path) -> None:
    """A limit on the size of files simulates the full disk."""
    command = f"trap '' XFSZ; ulimit -f 20; exec vestibule backup {tmp_path}/backup.zip"
    environment = os.environ | {"VESTIBULE_DATA_DIR": str(data), "PATH": f"{Path(VESTIBULE).parent}:{os.environ['PATH']}"}
    completed = subprocess.run(
        ["/bin/sh", "-c", command], env=environment | WITHOUT_BYTECODE, capture_output=True, text=True, check=False, timeout=60
    )
    assert one_line(completed)
    assert list(tmp_path.iterdir()) == []


def test_missing_images_are_reported_and_fail_neither_backup_nor_restore(data: Path, tmp_path: Path) -> None:
    assert back_up(data, tmp_path / "complete.zip").returncode == 0
    assert restore(tmp_path / "complete.zip", tmp_path / "data").returncode == 0
    (image,) = (tmp_path / "data" / "images").iterdir()
    image.unlink()
    completed = back_up(tmp_path / "data", tmp_path / "backup.zip")
    assert completed.returncode == 0
    assert f"1 images of accounts do not exist, such as {image.name}" in completed.stdout
    completed = restore(tmp_path / "backup.zip", tmp_path / "again")
    assert completed.returncode == 0
    assert f"1 images of accounts do not exist, such as {image.name}" in completed.stdout


def test_interrupted_backup_leaves_nothing_behind(data: Path, tmp_path: Path) -> None:
    """A named pipe instead of an image blocks the backup until the interrupt."""
    assert back_up(data, tmp_path / "complete.zip").returncode == 0
    assert restore(tmp_path / "complete.zip", tmp_path / "data").returncode == 0
    (image,) = (tmp_path / "data" / "images").iterdir()
    image.unlink()
    os.mkfifo(image)
    place = tmp_path / "backups"
    place.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VESTIBULE_")}
    with subprocess.Popen(
        [VESTIBULE, "backup", str(place / "backup.zip")],
        env=environment | {"VESTIBULE_DATA_DIR": str(tmp_path / "data")},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait = Event()
        while process.poll() is None and not list(place.glob(".backup.zip.*/archive")):
            wait.wait(0.01)
        process.send_signal(signal.SIGINT)
        assert process.stderr
        assert process.stderr.read().strip() == "Aborted!"
    assert process.returncode == 1
    assert list(place.iterdir()) == []


# --- restoring a damaged backup ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def complete(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("backups") / "complete.zip"
    assert back_up(data, file).returncode == 0
    return file


def refusal(file: Path, data: Path) -> str:
    """Returns the error of the command, which is called in this process."""
    with pytest.raises((ValueError, OSError)) as refused:
        restore_here(Settings(data_dir=data), file, lambda _done, _total: None, actor="ada")
    assert "\n" not in str(refused.value)
    return str(refused.value)


Contents = dict[str, bytes]


def rewritten(file: Path, damage: Callable[[Contents, Path], None], scratch: Path) -> Path:
    """Returns a valid zip file with changed contents."""
    with ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    damage(contents, scratch)
    with ZipFile(scratch / "rewritten.zip", "w", ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return scratch / "rewritten.zip"


def spoil_database(contents: Contents, _: Path) -> None:
    database = contents["vestibule.db"]
    contents["vestibule.db"] = database[:8192] + bytes(4096) + database[12_288:]


def make_newer(contents: Contents, scratch: Path) -> None:
    (scratch / "newer.db").write_bytes(contents["vestibule.db"])
    rows(f"sqlite:///{scratch}/newer.db", "UPDATE alembic_version SET version_num = '9999'")
    contents["vestibule.db"] = (scratch / "newer.db").read_bytes()


def forget_codes(file: Path) -> None:
    entries = json.loads(file.read_bytes())["keys"]
    file.write_text(json.dumps({"keys": [entry for entry in entries if entry["kind"] != "codes"]}))


def lose_codes(contents: Contents, scratch: Path) -> None:
    file = scratch / "spoilt.json"
    file.write_bytes(contents["keys.json"])
    forget_codes(file)
    contents["keys.json"] = file.read_bytes()


def without(name: str) -> Callable[[Contents, Path], None]:
    def damage(contents: Contents, _: Path) -> None:
        del contents[name]

    return damage


def with_entry(name: str) -> Callable[[Contents, Path], None]:
    return lambda contents, _: contents.update({name: b"evil"})


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (spoil_database, "vestibule.db is damaged"),
        (make_newer, "newer"),
        (without("vestibule.db"), "it has no vestibule.db"),
        (without("keys.json"), "There are no keys at"),
        (lose_codes, "no key of the kind codes"),
        *(
            (with_entry(name), "is not a backup of Vestibule: it contains")
            for name in (
                "unknown",
                "../outside",
                "/outside",
                "images/../../outside",
                "images/.hidden",
                "keys.json/a",
                "images/a/b",
            )
        ),
    ],
)
def test_restore_of_wrong_contents_is_refused_and_the_data_directory_stays_empty(
    damage: Callable[[Contents, Path], None], reason: str, complete: Path, tmp_path: Path
) -> None:
    file = rewritten(complete, damage, tmp_path)
    place = tmp_path / "deep"
    place.mkdir()
    assert reason in refusal(file, place / "new")
    assert list(place.iterdir()) == []
    (place / "mounted" / "lost+found").mkdir(parents=True)
    assert reason in refusal(file, place / "mounted")
    assert [path.name for path in (place / "mounted").iterdir()] == ["lost+found"]
    assert [path.name for path in place.iterdir()] == ["mounted"]
    assert not (tmp_path / "outside").exists()


def test_restore_accepts_a_backup_that_was_packed_again_with_compression(complete: Path, tmp_path: Path) -> None:
    file = rewritten(complete, lambda _contents, _scratch: None, tmp_path)
    restore_here(Settings(data_dir=tmp_path / "new"), file, lambda _done, _total: None, actor="ada")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"vestibule.db", "keys.json", "images"}


def test_restore_finds_a_changed_byte_in_each_file(complete: Path, tmp_path: Path) -> None:
    original = complete.read_bytes()
    with ZipFile(complete) as archive:
        files = [entry for entry in archive.infolist() if not entry.is_dir()]
    assert len(files) == 3
    for entry in files:
        place = entry.header_offset + 30 + len(entry.filename) + entry.file_size // 2
        changed = tmp_path / "changed.zip"
        changed.write_bytes(original[:place] + bytes([original[place] ^ 1]) + original[place + 1 :])
        assert f"Bad CRC-32 for file '{entry.filename}'" in refusal(changed, tmp_path / "new")
        assert not (tmp_path / "new").exists()


def test_restore_of_a_truncated_backup_is_refused(complete: Path, tmp_path: Path) -> None:
    content = complete.read_bytes()
    for length in (0, 700, len(content) // 2, len(content) - 200, len(content) - 1):
        (tmp_path / "cut.zip").write_bytes(content[:length])
        assert "is damaged, or not a backup of Vestibule" in refusal(tmp_path / "cut.zip", tmp_path / "new")
    assert "There is nothing at" in one_line(restore(tmp_path / "none", tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_restore_refuses_another_database(data: Path, tmp_path: Path) -> None:
    assert back_up(data, tmp_path / "backup.zip").returncode == 0
    settings = {"VESTIBULE_DATABASE_URL": f"sqlite:///{tmp_path}/other.db", "VESTIBULE_DATA_DIR": str(tmp_path / "new")}
    assert "VESTIBULE_DATABASE_URL" in one_line(vestibule("restore", str(tmp_path / "backup.zip"), **settings))
    assert not (tmp_path / "new").exists()
