"""docs/migrating.md: an old system and this one side by side, with the commands and the lines of the page."""

import json
import re
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import pbkdf2_hmac
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tests.support.command_line import vestibule
from tests.support.databases import rows
from tests.support.documents import DOCS
from tests.support.drf_user_app import App, LoggedOut
from tests.support.http_client import PASSWORD, Client, random_png
from tests.support.other_services.django_project import django
from tests.support.other_services.fastapi_users_project import fill_fastapi_users
from tests.support.other_services.old_site import OldSite
from tests.support.reverse_proxies import proxy_of_a_site
from tests.support.server import Server

pytestmark = pytest.mark.slow

OTHER = "another engine weaves flowers"
NEVER_LOG_IN = {"inactive", "blanks", "9300000001", "by_pbkdf2_sha256@example.com"}
"""Neither there nor here: drf-user trims passwords, and takes the last two for the mobile and the email of another user."""

PAGE = (DOCS / "migrating.md").read_text()


class Move:
    """Runs the commands of one section of the page, with names of this machine."""

    def __init__(self, section: str, directory: Path, **names: str) -> None:
        text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        self.commands = re.findall(r"^ {4,}((?:VESTIBULE_\w+=\S+ )*vestibule .+)$", text, re.MULTILINE)
        self.settings = {"VESTIBULE_DATA_DIR": str(directory / "data"), "VESTIBULE_DEFAULT_REGION": "IN"}
        self._names = {"/srv/shop/media": f"{directory}/media", **names}

    def run(self, text: str, **names: str) -> CompletedProcess[str]:
        """Runs the only command with this text, in the current directory; fails if it does."""
        (command,) = [one for one in self.commands if text in one]
        for name, here in (self._names | names).items():
            command = command.replace(name, here)
        done = vestibule(*command.split()[1:], **self.settings)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return done

    def server(self, **settings: str) -> Server:
        """The server, with the settings of the command that starts it."""
        (command,) = [one for one in self.commands if one.endswith("vestibule serve")]
        ours = dict(setting.split("=") for setting in command.split() if "=" in setting)
        return Server(Path(self.settings["VESTIBULE_DATA_DIR"]), environment=self.settings | ours, **settings)

    def imported(self, text: str = "--report report.jsonl") -> dict[str, dict[str, Any]]:
        """Runs the import, and returns the rows of its report that are not unchanged, by their keys."""
        Path("report.jsonl").unlink(missing_ok=True)
        self.run(text)
        reports = map(json.loads, Path("report.jsonl").read_text().splitlines())
        return {row["key"]: row for row in reports if row["outcome"] != "unchanged"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["sqlite", "postgres"])
def old_url(request: pytest.FixtureRequest, here: Path) -> str:
    """The URL of an empty database for the old system."""
    return f"sqlite:///{here}/shop.db" if request.param == "sqlite" else str(request.getfixturevalue("new_postgres"))


def test_users_of_drf_user_move_here_and_back_within_the_day(old_url: str, here: Path) -> None:
    passwords: dict[str, str | None] = django("fill", "0008", database=old_url)
    (here / "media" / "user_images").mkdir(parents=True)
    (here / "media" / "user_images" / "face.png").write_bytes(random_png())
    there = {key: user["username"] for key, user in django("users", database=old_url).items()}
    move = Move("From drf-user", here, **{"postgresql://shop@db/shop": old_url})
    back = Move("The way back", here)

    with OldSite(old_url) as old:
        move.run("--dry-run")
        assert move.imported().keys() >= passwords.keys()

        # The old system runs on:
        ada = App(old.port)
        assert ada.log_in("by_scrypt", "Right password of scrypt")
        assert ada.change(name="Ada", password=OTHER) == 200
        validate(old_url, "late@mail.example.com")
        late = {"username": "late", "name": "Late", "email": "late@mail.example.com", "password": PASSWORD}
        assert ada.post("register/", **late)[0] == 201

        # Closed, imported again and switched:
        ada_id, late_id = (key for key, user in django("users", database=old_url).items() if user["name"] in ("Ada", "Late"))
        assert {key: row["outcome"] for key, row in move.imported().items()} == {ada_id: "updated", late_id: "imported"}
        passwords |= {ada_id: OTHER, late_id: PASSWORD}
        there[late_id] = "late"
        switched_at = datetime.now(UTC).isoformat()
        with move.server(rate_limits="off") as server:
            ada.port = server.port
            with pytest.raises(LoggedOut):
                ada.account()
            assert ada.log_in("by_scrypt", OTHER)
            assert (ada.account()["id"], ada.profile["user_id"], ada.profile["name"]) == (int(ada_id), int(ada_id), "Ada")
            without = {there[key] for key, word in passwords.items() if word is None} | NEVER_LOG_IN
            assert log_ins_that_fail(server.port, there, passwords) == without | {"by_md5"}
            assert move.imported() == {}

            # A code to an address that was validated there clears nothing:
            email = "by_pbkdf2_sha256@example.com"
            app = App(server.port)
            status, sent = app.post("otp/", destination=email, is_login="true")
            assert status == 201
            assert app.enter("otp/", destination=email, is_login="true", verify_otp=server.code(email, sent["reference"]))
            assert app.log_in(email, "Right password of pbkdf2_sha256")

            # Changes of a day:
            bob = App(server.port)
            assert bob.log_in("by_bcrypt", "Right password of bcrypt")
            assert bob.change(name="Bob", password=OTHER) == 200
            new = {"username": "new", "name": "New", "email": "new@mail.example.com", "password": PASSWORD}
            assert bob.post("register/", **new)[0] == 201
            face = App(server.port)
            assert face.log_in("image", "Right password 17")
            assert face.change(name="Face") == 200

            (gone_id,) = (key for key, name in there.items() if name == "null_mobile")
            assert vestibule("accounts", "remove", "null_mobile", "--yes", **move.settings).returncode == 0

            done = back.run("export-to-django", **{"2026-12-02T09:30": switched_at})
            assert done.stderr.splitlines() == [
                f"Deleted here, and to be deleted there: {gone_id}",
                "Accounts: 3 written, 0 left out, 1 deleted here.",
            ]

        # Loaded and switched back:
        assert "        python manage.py loaddata users.json\n" in PAGE
        before = django("users", database=old_url)
        after = django("load", here / "users.json", database=old_url)
        (new_id,) = after.keys() - before.keys()
        assert int(new_id) == max(map(int, after))
        bob_id, face_id = (key for key, name in there.items() if name in ("by_bcrypt", "image"))
        assert {key for key in before if before[key] != after[key]} == {bob_id, face_id}
        assert after[bob_id]["groups"] == before[bob_id]["groups"]
        image = here / "media" / after[face_id]["profile_image"]
        assert image.read_bytes()[8:12] == b"WEBP"
        passwords |= {bob_id: OTHER, new_id: PASSWORD}
        there[new_id] = "new"
        assert log_ins_that_fail(old.port, there, passwords) == without
        validate(old_url, "next@mail.example.com")
        following = {"username": "next", "name": "Next", "email": "next@mail.example.com", "password": PASSWORD}
        assert App(old.port).post("register/", **following)[0] == 201  # with an id of its own

        # The next attempt, with an empty database:
        again = Move("From drf-user", here / "again", **{"postgresql://shop@db/shop": old_url, f"{here}/again": str(here)})
        imported = again.imported()
        assert imported[new_id]["outcome"] == "imported"
        assert imported.keys() == passwords.keys() | {str(int(new_id) + 1)}


@pytest.mark.parametrize("program", ["nginx", "caddy"])
def test_lines_of_the_page_close_the_api_and_switch_it(program: str, here: Path) -> None:
    closed, switched = re.findall(rf"^```{program}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    move = Move("From drf-user", here)
    django("fill", "0008", database=(url := f"sqlite:///{here}/shop.db"))
    with OldSite(url) as old, move.server(trusted_proxies="127.0.0.1/32") as server:
        with proxy_of_a_site(program, here / "closed", closed, old.port) as port, Client(port) as client:
            for path in ("login/", "account", "otp/"):
                response = client.call("POST", f"/api/user/{path}", {})
                assert (response.status, response.headers["retry-after"]) == (503, "60")
                assert "detail" in response.json
            assert client.call("GET", "/").content == b"the site"
        block = switched.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
        with proxy_of_a_site(program, here / "switched", block, old.port) as port, Client(port, source="127.0.4.7") as client:
            new = {"username": "new", "name": "New", "email": "new@mail.example.com", "password": PASSWORD}
            forged = {"Content-Type": "application/json", "Forwarded": "for=198.51.100.9", "X-Forwarded-For": "198.51.100.9"}
            assert client.send("POST", "/api/user/register/", json.dumps(new).encode(), headers=forged).status == 201
            tokens = client.call("POST", "/api/user/login/", {"username": "new", "password": PASSWORD}).json
            [session] = client.call("GET", "/api/user/sessions/", token=tokens["token"]).json["sessions"]
            assert session["address"] == "127.0.4.7"
            assert client.call("GET", "/").content == b"the site"


def test_users_of_django_move_here_and_back(old_url: str, here: Path) -> None:
    passwords = django("fill_own", database=old_url, USERS="auth.User")
    move = Move("From Django", here, **{"postgresql://shop@db/shop": old_url})
    move.run("--dry-run")
    assert {key: row["outcome"] for key, row in move.imported().items()} == {"1": "imported", "2": "imported"}
    switched_at = datetime.now(UTC).isoformat()
    with Server(Path(move.settings["VESTIBULE_DATA_DIR"])) as server, Client(server.port) as client:
        assert client.log_in("root", passwords["2"]).status == 200
        token = client.log_in("ada", passwords["1"]).json["token"]
        assert client.change_password(token, OTHER).status == 200
        assert client.register("new").status == 201
    move.run("export-to-django", **{"2026-12-02T09:30": switched_at})
    users = django("load", here / "users.json", database=old_url, USERS="auth.User")
    assert [user["username"] for user in users.values()] == ["ada", "root", "new"]
    assert users["1"]["groups"] == ["Editors"]
    for key, password in {"1": OTHER, "2": passwords["2"], "3": PASSWORD}.items():
        found = django("log_in", users[key]["username"], password, database=old_url, USERS="auth.User")
        assert found == int(key)


@pytest.mark.parametrize("ids", ["integer", "uuid"])
def test_users_of_fastapi_users_move_here(old_url: str, ids: str, here: Path) -> None:
    passwords = fill_fastapi_users(old_url, ids)
    move = Move("From fastapi-users", here, **{"postgresql://shop@db/shop": old_url})
    move.run("--dry-run")
    assert {row["outcome"] for row in move.imported().values()} == {"imported"}
    with Server(Path(move.settings["VESTIBULE_DATA_DIR"])) as server, Client(server.port) as client:
        for email, password in passwords.items():
            assert client.log_in(email, password).status == 200
    assert move.imported() == {}


def test_users_in_a_file_move_here(here: Path) -> None:
    (here / "media").mkdir()
    (here / "media" / "face.png").write_bytes(random_png())
    hashes = {key: f"pbkdf2_sha256$1000$salt{key}${pbkdf2(word, f'salt{key}')}" for key, word in ((1, PASSWORD), (2, OTHER))}
    users = [{"id": key, "username": f"user{key}", "password_hash": text} for key, text in hashes.items()]
    users[0]["image"] = "face.png"
    move = Move("From others, by a file", here)
    file = here / "users.jsonl"
    file.write_text(json.dumps(users[0]))
    move.run("--dry-run")
    assert list(move.imported()) == ["id:1"]
    file.write_text("\n".join(map(json.dumps, users)))
    assert [row["key"] for row in move.imported().values()] == ["id:2"]
    with Server(Path(move.settings["VESTIBULE_DATA_DIR"])) as server, Client(server.port) as client:
        tokens = [client.log_in(f"user{key}", word) for key, word in ((1, PASSWORD), (2, OTHER))]
        accounts = [client.account(one.json["token"]).json for one in tokens]
        assert [(one["id"], one["profile_image"] is not None) for one in accounts] == [(1, True), (2, False)]


def pbkdf2(password: str, salt: str) -> str:
    return b64encode(pbkdf2_hmac("sha256", password.encode(), salt.encode(), 1000)).decode()


def validate(url: str, email: str) -> None:
    """Notes in the database of drf-user that a code to that email came back, as it wants before a registration."""
    names = "otp, destination, prop, is_validated, validate_attempt, send_counter, create_date, update_date, reactive_at"
    now = "CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP"
    true = "1" if url.startswith("sqlite") else "true"
    rows(url, f"INSERT INTO drf_user_otpvalidation ({names}) VALUES ('12345', '{email}', 'E', {true}, 3, 0, {now})")  # noqa: S608 — of constants


def log_ins_that_fail(port: int, usernames: dict[str, str], passwords: dict[str, str | None]) -> set[str]:
    """Logs in everybody by username and password, and returns the usernames for which it fails."""
    return {name for key, name in usernames.items() if not App(port).log_in(name, passwords[key] or "Raw text in the column")}
