"""Keys in the database: nodes with separate data directories and a common secret form one service."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from zipfile import ZipFile

import pytest
from tests.support.command_line import vestibule
from tests.support.databases import rows
from tests.support.server import Server, free_port
from tests.system.test_keys import ADA, PASSWORD, RELOAD_SECONDS

from vestibule.adapters.database import MemoryDatabase, migrate
from vestibule.adapters.keys import FileKeyStore, KeyManager
from vestibule.entrypoints.container import build
from vestibule.entrypoints.settings import Settings, SettingsError

SECRET, NEWER = token_urlsafe(32), token_urlsafe(32)
URL = "https://accounts.example.org"
ServerSettings = dict[str, str]


@pytest.fixture(params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> ServerSettings:
    """Settings that the nodes of one service share, for each kind of database."""
    url = request.getfixturevalue("postgres") if request.param == "postgres" else f"sqlite:///{tmp_path}/shared.db"
    return {"database_url": url, "secret": SECRET, "public_url": URL}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts a node with that name and its own data directory."""
    with ExitStack() as stack:
        yield lambda name, **settings: stack.enter_context(Server(tmp_path / name, **settings))


def command(node: Path, settings: ServerSettings, *arguments: str) -> list[str]:
    variables = {f"VESTIBULE_{name.upper()}": value for name, value in settings.items()}
    result = vestibule(*arguments, VESTIBULE_DATA_DIR=str(node), **variables)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


def refused(node: Path, settings: ServerSettings, *arguments: str) -> str:
    variables = {f"VESTIBULE_{name.upper()}": value for name, value in settings.items()}
    result = vestibule(*arguments, VESTIBULE_DATA_DIR=str(node), **variables)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert not {secret for secret in (SECRET, NEWER) if secret in line}
    return line


def test_node_with_a_file_of_keys_of_its_own_follows_no_algorithm_and_says_so(
    new_postgres: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = {"database_url": new_postgres, "data_dir": tmp_path}
    migrate(new_postgres)
    with build(Settings(**given)) as node:  # type: ignore[arg-type]  # by name
        kids = node.jwks()
    assert caplog.messages == []
    with build(Settings(**given, token_algorithm="ES256")) as node:  # type: ignore[arg-type]  # as above
        assert node.rotate_keys() == ()
        assert node.jwks() == kids
    hint = "VESTIBULE_TOKEN_ALGORITHM: run `vestibule keys rotate`, and copy keys.json to every server"
    assert caplog.messages == [hint]


def published(server: Server) -> list[str]:
    return [key["kid"] for key in server.call("GET", "/.well-known/jwks.json")[1]["keys"]]


def log_in(server: Server) -> dict[str, str]:
    status, tokens = server.call("POST", "/login/", {"username": "ada", "password": PASSWORD})
    assert status == 200, server.output
    return tokens


def accepts(server: Server, tokens: dict[str, str]) -> bool:
    return server.call("GET", "/account/", token=tokens["token"])[0] == 200


def soon(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + RELOAD_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nodes_accept_each_others_tokens_and_codes_and_reload_changed_keys(
    shared: ServerSettings, start: Callable[..., Server], tmp_path: Path
) -> None:
    one, other = start("one", delivery="off", **shared), start("other", **shared)
    assert not (tmp_path / "one" / "keys.json").exists()
    assert not (tmp_path / "other" / "keys.json").exists()
    (first,) = published(one)
    assert published(other) == [first]

    assert one.call("POST", "/register/", ADA)[0] == 201
    tokens = log_in(one)
    assert accepts(other, tokens)
    assert other.call("POST", "/refresh-token/", {"refresh": tokens["refresh_token"]})[0] == 200
    for sender, verifier, address in ((one, other, "grace@mail.example.com"), (other, one, "edsger@mail.example.com")):
        status, sent = sender.call("POST", "/otp/", {"destination": address})
        assert status == 201
        code = other.code(address, sent["reference"])
        assert verifier.call("POST", "/otp/", {"destination": address, "verify_otp": code})[0] == 201

    operator = tmp_path / "operator"
    assert command(operator, shared, "keys", "rotate", "--now")[0].startswith("signing-2: signs since ")
    soon(lambda: all(len(published(node)) == 2 for node in (one, other)))
    second = published(one)[1]
    newer = log_in(other)
    assert accepts(one, tokens)
    assert accepts(one, newer)
    assert command(operator, shared, "keys", "revoke", first)[0].startswith("signing-1 is revoked.")
    soon(lambda: not any(accepts(node, tokens) for node in (one, other)))
    assert all(accepts(node, newer) for node in (one, other))
    assert published(one) == published(other) == [second]
    listed = command(operator, shared, "keys", "list")
    assert [line.split()[0] for line in listed] == ["signing-2", "codes-1", "refresh-1", "digests-1", "next", "next", "next"]
    assert command(operator, shared, "keys", "prune") == ["No key has expired."]
    assert not (operator / "keys.json").exists()
    details = [json.loads(line)["detail"] for line in command(operator, shared, "audit-log", "--type", "keys_changed")]
    assert details == ["rotated signing-2", "revoked signing-1"]
    assert not {secret for secret in (SECRET, SECRET[:20]) if secret in one.output + other.output}


def test_one_of_two_nodes_rotates_the_keys_for_both(
    shared: ServerSettings, start: Callable[..., Server], tmp_path: Path
) -> None:
    settings: dict[str, Any] = shared | {"keys_rotate_days": "90"}
    KeyManager(FileKeyStore(tmp_path / "one" / "keys.json"), lambda: time.time() - 89.5 * 86_400).list_keys()
    first = start("one", **settings)  # keeps the keys in the database
    assert first.call("POST", "/register/", ADA)[0] == 201
    assert first.stop() == 0
    nodes = [Server(tmp_path / name, **settings) for name in ("one", "other")]
    with ExitStack() as stack:
        for node in nodes:
            stack.callback(node.kill)
            node.start()
        for node in nodes:
            node.wait()
        soon(lambda: all(len(published(node)) == 2 for node in nodes))
        assert published(nodes[0]) == published(nodes[1])
        soon(lambda: command(tmp_path / "operator", shared, "audit-log", "--type", "keys_changed") != [])
        [event] = map(json.loads, command(tmp_path / "operator", shared, "audit-log", "--type", "keys_changed"))
        assert (event["detail"], event["actor"]) == ("rotated signing-2", None)


def test_secret_is_replaced_while_the_nodes_are_restarted_one_by_one(
    shared: ServerSettings, start: Callable[..., Server], tmp_path: Path
) -> None:
    one, other = start("one", **shared), start("other", **shared)
    assert one.call("POST", "/register/", ADA)[0] == 201
    tokens = log_in(one)
    both, newer = shared | {"secret": f"{NEWER}, {SECRET}"}, shared | {"secret": NEWER}
    assert one.stop() == 0
    one = start("one", **both)
    assert accepts(one, tokens)
    assert accepts(other, log_in(one))
    assert other.stop() == 0
    other = start("other", **both)

    now, already = "The keys are now encrypted with the first secret.", "The keys were encrypted with the first secret already."
    assert command(tmp_path / "one", both, "keys", "reencrypt") == [now]
    assert command(tmp_path / "one", both, "keys", "reencrypt") == [already]
    time.sleep(2.1)
    assert accepts(one, tokens)
    assert accepts(other, log_in(one))
    assert "cannot reload" not in one.output + other.output
    for node in (one, other):
        assert node.stop() == 0
    assert accepts(start("one", **newer), tokens)
    assert "encrypted with another secret" in refused(tmp_path / "other", shared, "serve", "--port", str(free_port()))


def test_node_without_the_right_secret_stops_with_one_line(
    shared: ServerSettings, start: Callable[..., Server], tmp_path: Path
) -> None:
    one = start("one", **shared)
    node, port = tmp_path / "other", str(free_port())
    without = {name: value for name, value in shared.items() if name != "secret"}
    for settings in (shared | {"secret": NEWER}, without):
        for arguments in (("serve", "--port", port), ("deliver", "--once"), ("purge",)):
            line = refused(node, settings, *arguments)
            assert line.startswith("vestibule: VESTIBULE_SECRET")
    assert "encrypted with another secret" in refused(node, shared | {"secret": NEWER}, "keys", "list")
    assert "is not set" in refused(node, without, "keys", "reencrypt")
    assert one.call("GET", "/readyz")[0] == 200


def test_key_file_is_imported_when_a_secret_is_set_and_tokens_stay_valid(
    shared: ServerSettings, start: Callable[..., Server], tmp_path: Path
) -> None:
    without = {name: value for name, value in shared.items() if name != "secret"}
    alone = start("one", **without)
    assert alone.call("POST", "/register/", ADA)[0] == 201
    tokens = log_in(alone)
    file = tmp_path / "one" / "keys.json"
    content = file.read_bytes()
    assert alone.stop() == 0

    one = start("one", **shared)
    assert "imported the keys of the key file into the database; the file is not read any more" in one.output
    other = start("other", **shared)
    assert "imported the keys" not in other.output
    assert all(accepts(node, tokens) for node in (one, other))
    assert other.call("POST", "/refresh-token/", {"refresh": tokens["refresh_token"]})[0] == 200
    assert file.read_bytes() == content
    file.unlink()
    assert one.stop() == 0
    assert accepts(start("one", **shared), tokens)


def test_backup_contains_the_encrypted_keys_and_needs_the_secret(start: Callable[..., Server], tmp_path: Path) -> None:
    with Server(tmp_path / "data", secret=SECRET, public_url=URL) as server:
        assert server.call("POST", "/register/", ADA)[0] == 201
        tokens = log_in(server)
        output = command(tmp_path / "data", {"secret": SECRET}, "backup", str(tmp_path / "backup.zip"))
    assert "A restore needs VESTIBULE_SECRET, which is not in the backup." in output
    assert re.search("sessions: 1, keys: encrypted$", output[1])
    with ZipFile(tmp_path / "backup.zip") as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"vestibule.db", "images"}
    assert "VESTIBULE_SECRET" in refused(tmp_path / "data", {}, "backup", str(tmp_path / "again.zip"))

    restored = tmp_path / "restored"
    assert "is not set" in refused(restored, {}, "restore", str(tmp_path / "backup.zip"))
    assert "another secret" in refused(restored, {"secret": NEWER}, "restore", str(tmp_path / "backup.zip"))
    assert not restored.exists()
    command(restored, {"secret": SECRET}, "restore", "--keep-sessions", str(tmp_path / "backup.zip"))
    assert {path.name for path in restored.iterdir()} == {"vestibule.db", "images"}
    assert accepts(start("restored", secret=SECRET, public_url=URL), tokens)


def test_backup_with_a_key_file_is_restored_with_a_secret_and_imported(start: Callable[..., Server], tmp_path: Path) -> None:
    with Server(tmp_path / "data", public_url=URL) as server:
        assert server.call("POST", "/register/", ADA)[0] == 201
        tokens = log_in(server)
        command(tmp_path / "data", {}, "backup", str(tmp_path / "backup.zip"))
    output = command(tmp_path / "restored", {"secret": SECRET}, "restore", "--keep-sessions", str(tmp_path / "backup.zip"))
    assert "  keys.json" in output
    assert accepts(start("restored", secret=SECRET, public_url=URL), tokens)


def test_keys_are_copied_with_the_database(new_postgres: str, start: Callable[..., Server], tmp_path: Path) -> None:
    with Server(tmp_path / "data", secret=SECRET, public_url=URL) as server:
        assert server.call("POST", "/register/", ADA)[0] == 201
        tokens = log_in(server)
        assert server.stop() == 0
    new = {"database_url": new_postgres, "secret": SECRET}
    command(tmp_path / "data", new, "migrate")
    assert rows(new_postgres, "SELECT count(*) FROM keys") == [(0,)]
    variables = {f"VESTIBULE_{name.upper()}": value for name, value in new.items()}
    source = f"sqlite:///{tmp_path}/data/vestibule.db"
    result = vestibule("copy", "--from", source, VESTIBULE_DATA_DIR=str(tmp_path / "data"), **variables)
    assert result.returncode == 0, result.stderr
    assert "  keys    the same VESTIBULE_SECRET" in result.stdout.splitlines()
    assert accepts(start("elsewhere", public_url=URL, **new), tokens)


def test_serve_migrate_creates_the_first_keys_of_a_new_database(new_postgres: str, tmp_path: Path) -> None:
    with Server(tmp_path / "one", "--migrate", database_url=new_postgres, secret=SECRET) as one:
        assert len(published(one)) == 1
    assert rows(new_postgres, "SELECT count(*) FROM keys") == [(1,)]


def test_program_shares_the_keys_of_the_servers(start: Callable[..., Server], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    server = start("server", database_url=url, secret=SECRET, public_url=URL)
    assert server.call("POST", "/register/", ADA)[0] == 201
    variables = Settings(data_dir=tmp_path / "program", database_url=url, secret=(SECRET,), public_url=URL)
    with build(variables, run_workers=False) as accounts:
        tokens = accounts.log_in(username="ada", password=PASSWORD)
        assert accounts.jwks() == server.call("GET", "/.well-known/jwks.json")[1]
    assert server.call("GET", "/account/", token=tokens.access_token)[0] == 200
    assert not (tmp_path / "program" / "keys.json").exists()


def test_secret_is_refused_with_a_database_that_stores_no_keys(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "program", secret=(SECRET,))
    database = MemoryDatabase()
    del database.keys  # the port `Database` does not have it
    own = build(settings, run_workers=False, database=database)
    with pytest.raises(SettingsError, match="VESTIBULE_SECRET: cannot be used with a custom database adapter"), own:
        pass
