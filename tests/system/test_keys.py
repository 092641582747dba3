"""Keys rotated on the command line while a real server runs."""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from tests.support.command_line import vestibule
from tests.support.databases import rows
from tests.support.server import Server

from vestibule import Settings, build
from vestibule.adapters.database import migrate
from vestibule.adapters.keys import FileKeyStore, KeyManager
from vestibule.application.ports import SIGNING_ALGORITHMS
from vestibule.entrypoints.settings import SettingsError
from vestibule.errors import InvalidRefreshToken
from vestibule.verify import JwksClient, Verifier

PASSWORD = "the engine weaves algebra"
ADA = {"username": "ada", "name": "Ada Lovelace", "email": "ada@mail.example.com", "password": PASSWORD}
RELOAD_SECONDS = 5.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data", limit_logins_per_account="1000/min") as server:  # some tests log in until a key has changed
        assert server.call("POST", "/register/", ADA)[0] == 201
        yield server


def _keys(server: Server, *arguments: str) -> list[str]:
    result = vestibule("keys", *arguments, VESTIBULE_DATA_DIR=str(server.data_dir))
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


def _log_in(server: Server) -> tuple[str, str]:
    status, tokens = server.call("POST", "/login/", {"username": "ada", "password": PASSWORD})
    assert status == 200
    return str(tokens["token"]), str(tokens["refresh_token"])


def _kid(token: str) -> str:
    head = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])


def _number(refresh_token: str) -> int:
    """Returns the number of the secret that encrypted the token."""
    token = base64.urlsafe_b64decode(refresh_token.removeprefix("vst_rt_") + "==")
    return int.from_bytes(token[:2])


def _published(server: Server) -> list[str]:
    return [key["kid"] for key in server.call("GET", "/.well-known/jwks.json")[1]["keys"]]


def _soon(condition: Callable[[], bool]) -> None:
    """Waits for the condition as long as a server may take to reload changed keys."""
    deadline = time.monotonic() + RELOAD_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_running_server_reloads_new_keys_and_refuses_revoked_ones(server: Server) -> None:
    token, refresh = _log_in(server)
    first = _kid(token)

    (line,) = _keys(server, "rotate")
    assert line.startswith("signing-2: published, signs from ")
    _soon(lambda: len(_published(server)) == 2)
    second = _published(server)[1]
    assert _published(server) == [first, second]
    assert _kid(_log_in(server)[0]) == first

    line, meaning = _keys(server, "rotate", "--now")
    assert line.startswith("signing-2: signs since ")
    assert "Other services refuse tokens that it signs until" in meaning
    _soon(lambda: _kid(_log_in(server)[0]) == second)
    assert server.call("GET", "/account/", token=token)[0] == 200
    newer, _ = _log_in(server)
    assert _kid(newer) == second
    assert server.call("GET", "/account/", token=newer)[0] == 200

    listed = _keys(server, "list")
    names = ["signing-1", "signing-2", "codes-1", "refresh-1", "digests-1", "next", "next", "next"]
    assert [line.split()[0] for line in listed] == names
    assert "retired, verifies until" in listed[0]
    assert listed[0].endswith(first)
    assert "signs since" in listed[1]
    assert listed[1].endswith(second)

    assert _keys(server, "revoke", first)[0].startswith("signing-1 is revoked.")
    _soon(lambda: server.call("GET", "/account/", token=token)[0] == 401)
    assert server.call("GET", "/account/", token=newer)[0] == 200
    assert _published(server) == [second]
    status, renewed = server.call("POST", "/refresh-token/", {"refresh": refresh})
    assert (status, _kid(renewed["token"])) == (200, second)
    assert _keys(server, "prune") == ["No key has expired."]
    audit_log = vestibule("audit-log", "--type", "keys_changed", VESTIBULE_DATA_DIR=str(server.data_dir))
    assert [json.loads(line)["detail"] for line in audit_log.stdout.splitlines()] == [
        "rotated signing-2",
        "rotated signing-2",
        "revoked signing-1",
    ]


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_change_of_the_algorithm_is_followed_by_clients_and_other_services_without_a_break(
    algorithm: str, tmp_path: Path
) -> None:
    with Server(tmp_path / "data") as server:
        assert server.call("POST", "/register/", ADA)[0] == 201
        old, refresh = _log_in(server)
        url = f"http://127.0.0.1:{server.port}"
        verifier = Verifier(issuer=url, keys=JwksClient(f"{url}/.well-known/jwks.json", unknown_key_interval=0))
        assert verifier(old).account_id == 1
        assert server.stop() == 0
    changed = Server(tmp_path / "data", token_algorithm=algorithm, rate_limits="off")  # it is asked until it has followed
    changed.port = server.port
    with changed:
        _soon(lambda: len(_published(changed)) == 2)
        assert changed.call("GET", "/.well-known/openid-configuration")[1] == {
            "issuer": url,
            "jwks_uri": f"{url}/.well-known/jwks.json",
            "id_token_signing_alg_values_supported": sorted(["EdDSA", algorithm]),
            "subject_types_supported": ["public"],
        }
        signed = [old]

        def refreshed() -> str:
            nonlocal refresh
            status, tokens = changed.call("POST", "/refresh-token/", {"refresh": refresh})
            assert status == 200
            refresh = tokens["refresh_token"]
            signed.append(tokens["token"])
            assert all(changed.call("GET", "/account/", token=token)[0] == 200 for token in (old, signed[-1]))
            return str(jwt.get_unverified_header(signed[-1])["alg"])

        assert refreshed() == "EdDSA"
        given = {"VESTIBULE_DATA_DIR": str(changed.data_dir), "VESTIBULE_TOKEN_ALGORITHM": algorithm}
        assert vestibule("keys", "rotate", "--now", **given).stdout.startswith("signing-2: signs since ")
        _soon(lambda: refreshed() == algorithm)
        keys = jwt.PyJWKClient(f"{url}/.well-known/jwks.json")
        for token in signed:
            assert verifier(token).account_id == 1
            key = keys.get_signing_key_from_jwt(token)
            assert jwt.decode(token, key, algorithms=["EdDSA", algorithm], audience=url, issuer=url)["sub"] == "1"


@pytest.mark.parametrize("algorithm", SIGNING_ALGORITHMS)
def test_pyjwt_reads_the_settings_in_a_token_that_it_verifies_by_discovery(algorithm: str, tmp_path: Path) -> None:
    claims = "username,name,email,email_verified,mobile,is_staff,is_superuser,roles"
    given: dict[str, Any] = {"token_algorithm": algorithm, "token_claims": claims, "access_seconds": "60", "max_sessions": "1"}
    with Server(tmp_path / "data", **given) as server:
        assert server.call("POST", "/register/", ADA)[0] == 201
        roles = vestibule("accounts", "roles", "ada", "--roles", "editor", VESTIBULE_DATA_DIR=str(server.data_dir))
        assert roles.returncode == 0
        first, _ = _log_in(server)
        second, _ = _log_in(server)
        assert [server.call("GET", "/account/", token=token)[0] for token in (first, second)] == [401, 200], "one session"
        found = server.call("GET", "/.well-known/openid-configuration")[1]
        key = jwt.PyJWKClient(found["jwks_uri"]).get_signing_key_from_jwt(second)
        allowed = found["id_token_signing_alg_values_supported"]
        read = jwt.decode(second, key, algorithms=allowed, audience=found["issuer"], issuer=found["issuer"])
        assert allowed == [algorithm]
        assert read["exp"] - read["iat"] == 60
        assert {name: read.get(name) for name in claims.split(",")} == {
            "username": "ada",
            "name": "Ada Lovelace",
            "email": "ada@mail.example.com",
            "email_verified": False,
            "mobile": None,
            "is_staff": False,
            "is_superuser": False,
            "roles": ["editor"],
        }


def test_server_rotates_keys_by_itself_and_records_it(tmp_path: Path) -> None:
    KeyManager(FileKeyStore(tmp_path / "data" / "keys.json"), lambda: time.time() - 89.5 * 86_400).list_keys()
    with Server(tmp_path / "data") as server:
        assert server.call("POST", "/register/", ADA)[0] == 201
        assert server.stop() == 0
        assert vestibule("purge", VESTIBULE_DATA_DIR=str(server.data_dir)).returncode == 0
        assert _keys(server, "list")[1].startswith("codes-1"), "a purge adds no key"
    with Server(tmp_path / "data", workers="2") as server:
        _soon(lambda: len(_published(server)) == 2)
        listed = _keys(server, "list")
        assert [line.split()[0] for line in listed[:2]] == ["signing-1", "signing-2"]
        assert re.fullmatch(r"signing-1 +signs since .* UTC until .* UTC +EdDSA \S{43}", listed[0])
        assert re.fullmatch(r"next signing +published by itself from .* UTC, signs from .* UTC", listed[5])
        audit_log = vestibule("audit-log", "--type", "keys_changed", VESTIBULE_DATA_DIR=str(server.data_dir))
        assert [json.loads(line)["detail"] for line in audit_log.stdout.splitlines()] == ["rotated signing-2"]


def test_sent_code_and_refresh_token_survive_the_rotation_of_their_secrets(server: Server) -> None:
    _, refresh = _log_in(server)
    status, sent = server.call("POST", "/otp/", {"destination": ADA["email"]})
    assert status == 201
    code = server.code(ADA["email"], sent["reference"])
    for kind in ("codes", "refresh"):
        assert _keys(server, "rotate", "--kind", kind, "--now")[0].startswith(f"{kind}-2: active since ")
    _soon(lambda: _number(_log_in(server)[1]) == 2)
    assert _number(refresh) == 1
    status, renewed = server.call("POST", "/refresh-token/", {"refresh": refresh})
    assert (status, _number(renewed["refresh_token"])) == (200, 2)
    body = {"destination": ADA["email"], "verify_otp": code, "is_login": True}
    assert server.call("POST", "/otp/", body)[0] == 201


def _refused(data_dir: Path, *arguments: str) -> str:
    result = vestibule("keys", *arguments, VESTIBULE_DATA_DIR=str(data_dir))
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("command", [(), ("list",), ("rotate",), ("revoke",), ("prune",), ("reencrypt",)])
def test_help_shows_usage(command: tuple[str, ...]) -> None:
    result = vestibule("keys", *command, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert "Usage: vestibule keys" in result.stdout


def test_refused_change_is_reported_in_one_line(tmp_path: Path) -> None:
    for name in ("signing-7", "-V7ozMigYVGAZjMrmO_WP8rqSUIaphqaQflqRhUGndc", "--to", "-"):
        assert "no such key" in _refused(tmp_path, "revoke", name)
    vestibule("keys", "rotate", VESTIBULE_DATA_DIR=str(tmp_path))
    assert "signing-2 is already pending" in _refused(tmp_path, "rotate")
    assert "not set" in _refused(tmp_path, "reencrypt")
    (tmp_path / "vestibule.db").unlink()
    (tmp_path / "keys.json").rename(tmp_path / "notes.txt")
    tmp_path.chmod(0o755)
    assert "is open to other users (mode 0755): run chmod 0700" in _refused(tmp_path, "list")


def test_rotation_of_all_kinds_skips_a_kind_with_a_pending_key(tmp_path: Path) -> None:
    vestibule("keys", "rotate", VESTIBULE_DATA_DIR=str(tmp_path))
    result = vestibule("keys", "rotate", "--kind", "all", VESTIBULE_DATA_DIR=str(tmp_path))
    assert result.returncode == 2
    assert "signing-2 is already pending" in result.stderr
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == ["codes-2", "refresh-2"]


def test_emergency_revocation_does_not_wait_for_the_database(tmp_path: Path) -> None:
    assert vestibule("keys", "list", VESTIBULE_DATA_DIR=str(tmp_path)).returncode == 0
    (tmp_path / "vestibule.db").write_bytes(b"These bytes are longer than the header of a database.")
    (tmp_path / "vestibule.db").chmod(0o600)
    result = vestibule("keys", "revoke", "signing-1", VESTIBULE_DATA_DIR=str(tmp_path))
    assert result.returncode == 0
    assert result.stdout.startswith("signing-1 is revoked.")
    (line,) = result.stderr.splitlines()
    assert "not in the audit log" in line


@pytest.mark.parametrize("secret", ["", "eSrSnQ/T9hFYgbvBt3GFjL0yALcxQoJ8tYbU6kwmzXE="])
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_lost_keys_are_replaced_by_a_command_alone(
    database: str, secret: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    file = tmp_path / "data" / "keys.json"
    url = f"sqlite:///{file.with_name('vestibule.db')}" if database == "sqlite" else request.getfixturevalue("new_postgres")
    migrate(url)
    used = {"VESTIBULE_DATA_DIR": str(file.parent), "VESTIBULE_DATABASE_URL": url, "VESTIBULE_SECRET": secret}
    settings = Settings.from_environment(used)
    with build(settings, run_workers=False) as with_me:
        with_me.register(username="ada", name="Ada", email=ADA["email"], password=PASSWORD)
        refresh = with_me.log_in(username="ada", password=PASSWORD).refresh_token
    if secret:
        rows(url, "DELETE FROM keys")
    else:
        file.unlink()
    way = "restore the keys from a backup, or run `vestibule keys create`, which makes new ones and ends all sessions"
    for command in (("serve",), ("keys", "list"), ("keys", "rotate"), ("purge",), ("deliver", "--once")):
        result = vestibule(*command, **used)
        assert (result.returncode, result.stdout) == (2, ""), command
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"vestibule: VESTIBULE_{'SECRET' if settings.secret else 'DATA_DIR'}: there are no keys in ")
        assert line.endswith(f" accounts: {way}")
    with pytest.raises(SettingsError, match=r"there are no keys in .*vestibule keys create"):
        build(settings).open()
    assert not file.exists()

    result = vestibule("keys", "create", **used)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "There are new keys. 1 sessions have ended; users have to log in again.\n"
    with build(settings, run_workers=False) as with_me:
        with pytest.raises(InvalidRefreshToken):
            with_me.refresh(refresh=refresh)
        with_me.log_in(username="ada", password=PASSWORD)
    again = vestibule("keys", "create", **used)
    assert again.returncode == 2
    assert again.stderr.endswith("There are keys already; `vestibule keys rotate` replaces them.\n")


def test_new_database_gets_keys_at_the_first_start(tmp_path: Path) -> None:
    for _ in range(2):
        result = vestibule("keys", "list", VESTIBULE_DATA_DIR=str(tmp_path / "data"))
        assert (result.returncode, result.stderr) == (0, "")
