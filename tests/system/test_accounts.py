"""`vestibule accounts` and `vestibule summary`: the day of an operator at the command line, and each command."""

import json
import os
import pty
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from select import select
from subprocess import CompletedProcess
from typing import Any

import click
import pytest
from tests.support.command_line import vestibule
from tests.support.databases import rows
from tests.support.server import VESTIBULE, Server

from vestibule.entrypoints.cli.group import vestibule as group

PASSWORD = "the engine weaves algebra"
ACTOR = re.compile(r"command line \([^()]+\)")


class CommandLine:
    """The command line of an operator, on one data directory, 80 columns wide."""

    def __init__(self, data_dir: Path) -> None:
        self.variables = {"VESTIBULE_DATA_DIR": str(data_dir), "COLUMNS": "80"}
        self.database = f"sqlite:///{data_dir}/vestibule.db"

    def run(self, *arguments: str, stdin: str = "") -> CompletedProcess[str]:
        return vestibule(*arguments, stdin=stdin, **self.variables)

    def text(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.text(*arguments, "--json"))

    def refusal(self, *arguments: str, code: int = 1) -> str:
        """The one line of a command that is refused."""
        result = self.run(*arguments)
        assert (result.returncode, result.stdout) == (code, "")
        (line,) = result.stderr.splitlines()
        return line

    def audited(self, event_type: str) -> list[tuple[bool, str | None]]:
        """Whether each event of that type names this command line as its actor, and its reason."""
        lines = self.text("audit-log", "--type", event_type).splitlines()
        return [(bool(ACTOR.fullmatch(event["actor"] or "")), event["reason"]) for event in map(json.loads, lines)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data") as server:
        yield server


@pytest.fixture
def operator(server: Server) -> CommandLine:
    return CommandLine(server.data_dir)


def register(server: Server, username: str, name: str, email: str) -> None:
    fields = {"username": username, "name": name, "email": email, "password": PASSWORD}
    assert server.call("POST", "/register/", fields)[0] == 201


def log_in(server: Server, username: str, password: str = PASSWORD) -> int:
    return server.call("POST", "/login/", {"username": username, "password": password})[0]


@pytest.fixture
def ada(server: Server) -> None:
    register(server, "ada", "Ada Lovelace", "ada@example.com")


# --- a day ------------------------------------------------------------------------------------------------------------


def test_day_of_an_operator(server: Server, operator: CommandLine, tmp_path: Path) -> None:
    register(server, "grace", "Grace Hopper", "grace@example.com")
    register(server, "countess", "Ada Lovelace", "ada@example.com")

    # A person calls, who cannot log in. She is found by a fragment of her name.
    assert "countess" in operator.text("accounts", "list", "lovel")
    assert "grace" not in operator.text("accounts", "list", "lovel")
    assert log_in(server, "countess") == 200
    for _ in range(5):
        assert log_in(server, "countess", "wrong") == 401
    assert log_in(server, "countess") == 429
    shown = operator.text("accounts", "show", "countess")
    assert "limit: failed logins from 127.0.0.1, 5/5min, for 5 min" in shown
    assert "`vestibule accounts unlock 2` lifts the limits." in shown
    assert "1 active" in shown
    assert operator.text("accounts", "unlock", "2", "--reason", "called") == (
        "Account 2, countess: Limits that were in force and are lifted: 1.\n"
    )
    assert log_in(server, "countess") == 200

    # A thief has changed the email. Her address is put back.
    assert operator.text("accounts", "edit", "countess", "--email", "thief@example.net") == "Account 2, countess, is changed.\n"
    operator.text("accounts", "edit", "countess", "--email", "ada@example.com", "--vouch", "--reason", "stolen")
    account = operator.json("accounts", "show", "countess")
    assert (account["email"], account["email_verified"], account["recovery_addresses"]) == ("ada@example.com", True, [])
    assert operator.text("accounts", "sign-out", "countess") == "Account 2, countess: Sessions that are ended: 2.\n"

    # Another one sends spam, and is suspended for a week, which ends by itself.
    suspended = operator.text("accounts", "suspend", "grace", "--until", "7d", "--reason", "spam")
    assert re.fullmatch(r"Account 1, grace, is suspended until 20\d\d-\d\d-\d\d \d\d:\d\d UTC\.\n", suspended)
    assert log_in(server, "grace") == 401
    assert re.search(r"Login +suspended until .* spam *\n", operator.text("accounts", "show", "grace"))
    assert "grace" in operator.text("accounts", "list", "--state", "suspended")
    rows(operator.database, "UPDATE accounts SET suspended_until = suspended_until - 7 * 86400")
    assert operator.text("accounts", "list", "--state", "suspended") == "No account matches.\n"
    assert operator.json("accounts", "show", "grace")["state"] == "active"
    assert log_in(server, "grace") == 200

    # One asks for everything that is kept about her, and to be forgotten.
    export = tmp_path / "ada.zip"
    assert operator.text("accounts", "export", "countess", "--output", str(export), "--reason", "asked") == (
        f"Account 2, countess, is exported to {export}.\n"
    )
    with zipfile.ZipFile(export) as archive:
        assert json.loads(archive.read("account.json"))["username"] == "countess"
    assert export.stat().st_mode & 0o777 == 0o600

    # The audit log names the operator and the reasons; of a removed account it keeps those of the removal alone.
    events: dict[str, list[str | None]] = {
        "unlocked": ["called"],
        "email_changed": [None, "stolen"],
        "signed_out": [None],
        "suspended": ["spam"],
        "exported": ["asked"],
    }
    for event, reasons in events.items():
        assert operator.audited(event) == [(True, reason) for reason in reasons], event
    removed = operator.text("accounts", "remove", "countess", "--yes", "--reason", "asked by letter")
    assert removed == "Account 2, countess, is removed.\n"
    assert operator.refusal("accounts", "show", "2") == "vestibule: No account has this id, username, email or mobile."
    assert operator.audited("account_deleted") == [(True, "asked by letter")]
    summary = operator.json("summary")
    assert (summary["accounts"], summary["days"][0]["registrations"]) == (1, 1)


# --- list and show ----------------------------------------------------------------------------------------------------


def test_account_is_named_by_id_username_email_or_mobile(server: Server, operator: CommandLine, ada: None) -> None:
    operator.text("accounts", "edit", "ada", "--mobile", "+44 20 7946 0958")
    for name in ("1", "id:1", "ADA", "Ada@example.com", "+442079460958"):
        assert operator.json("accounts", "show", name)["username"] == "ada"
    for name in ("2", "id:2", "eve", "0"):
        assert operator.refusal("accounts", "show", name) == "vestibule: No account has this id, username, email or mobile."


def test_table_has_the_width_of_the_terminal(server: Server, operator: CommandLine) -> None:
    long = "a" * 60
    register(server, long, f"Ada {long}", f"{long}@mail.example.com")
    register(server, "bob", "Bob", "bob@example.com")
    lines = operator.text("accounts", "list").splitlines()
    assert lines[0].split() == ["Id", "Username", "Name", "Email", "and", "mobile", "State", "Created"]
    assert max(map(len, lines)) <= 80
    assert lines[2].split()[:5] == ["2", "bob", "Bob", "bob@example.com", "?"]
    assert "".join(line[8:22].strip() for line in lines[3:]) == long
    assert "\x1b" not in "".join(lines)


def test_list_ends_at_the_limit_and_says_so(server: Server, operator: CommandLine) -> None:
    for number in range(3):
        register(server, f"user{number}", "A person", f"user{number}@example.com")
    result = operator.run("accounts", "list", "--limit", "2", "--json")
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == [3, 2]
    assert result.stderr == "There are more than 2: use --all, or another --limit.\n"
    everything = operator.text("accounts", "list", "--all", "--json").splitlines()
    assert [json.loads(line)["id"] for line in everything] == [3, 2, 1]


def test_all_pages_are_listed_in_one_table(operator: CommandLine) -> None:
    operator.text("accounts", "list")
    values = ", ".join(f"('user{n}', 'user{n}', 'N', 1, 0, 0, 0, 0, 0, {n})" for n in range(150))
    columns = (
        "username, canonical_username, name, is_active, is_staff, is_superuser, "
        "email_verified, mobile_verified, ever_verified, created_at"
    )
    rows(operator.database, f"INSERT INTO accounts ({columns}) VALUES {values}")  # noqa: S608 — of constants
    lines = operator.text("accounts", "list", "--all").splitlines()
    assert sum("Username" in line for line in lines) == 1
    assert [line.split()[1] for line in lines[2:]] == [f"user{number}" for number in reversed(range(150))]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["bob", "ada"]),
        (["--staff"], ["bob"]),
        (["--not-staff"], ["ada"]),
        (["--verified"], []),
        (["--unverified"], ["bob", "ada"]),
        (["--state", "deactivated"], []),
        (["--created-from", "1h"], ["bob"]),
        (["--created-until", "1d"], ["ada"]),
        (["--created-until", "2001-09-09T01:46:41Z"], ["ada"]),
        (["--logged-in-from", "1min"], ["ada"]),
        (["--logged-in-until", "1min"], ["bob"]),
        (["--staff", "lovel"], []),
    ],
)
def test_filters(server: Server, operator: CommandLine, ada: None, options: Sequence[str], found: list[str]) -> None:
    register(server, "bob", "Bob", "bob@example.com")
    assert log_in(server, "ada") == 200
    operator.text("accounts", "roles", "bob", "--staff")
    rows(operator.database, "UPDATE accounts SET created_at = 1e9 WHERE id = 1")
    result = operator.text("accounts", "list", *options, "--json")
    assert [json.loads(line)["username"] for line in result.splitlines()] == found


def test_hostile_names_are_harmless_to_a_terminal(server: Server, operator: CommandLine, ada: None) -> None:
    rows(operator.database, "UPDATE accounts SET name = 'A' || char(27) || '[2J[bold]x[/bold]'")
    for command in (("list",), ("show", "1")):
        assert "\x1b" not in (text := operator.text("accounts", *command))
        assert r"\u001b" in text
        assert "bold]x[/bol" in text  # markup of rich is text


def test_no_secret_is_shown(server: Server, operator: CommandLine, ada: None) -> None:
    assert log_in(server, "ada") == 200
    ((hashed,),) = rows(operator.database, "SELECT password_hash FROM accounts")
    shown = "".join(operator.text("accounts", "show", "ada", *more) for more in ([], ["--json"]))
    assert "$argon2" in str(hashed)
    assert "$argon2" not in shown
    assert "has_password" in shown


# --- changes ----------------------------------------------------------------------------------------------------------


def test_roles_are_set_and_shown(operator: CommandLine, server: Server, ada: None) -> None:
    register(server, "bob", "Bob", "bob@example.com")
    assert operator.text("accounts", "roles", "bob", "--superuser") == "Account 2, bob, is superuser.\n"
    assert operator.text("accounts", "roles", "ada", "--staff", "--roles", "support,editor") == (
        "Account 1, ada, is staff, with the roles editor, support.\n"
    )
    assert re.search(r"Roles +staff, editor, support *\n", operator.text("accounts", "show", "ada"))
    changed = operator.json("accounts", "roles", "ada", "--no-staff", "--roles", "")
    assert (changed["is_staff"], changed["roles"]) == (False, [])
    assert operator.refusal("accounts", "roles", "bob", "--no-superuser").startswith("vestibule: This is the last superuser")
    assert operator.refusal("accounts", "roles", "ada", "--roles", "a b").startswith("roles: A role is 1 to 50")


def test_suspension_without_an_end_lasts_until_it_is_reinstated(server: Server, operator: CommandLine, ada: None) -> None:
    assert operator.text("accounts", "suspend", "ada", "--reason", "spam") == "Account 1, ada, is suspended.\n"
    assert log_in(server, "ada") == 401
    assert operator.text("accounts", "reinstate", "ada", "--reason", "sorry") == "Account 1, ada, is active.\n"
    assert log_in(server, "ada") == 200
    assert operator.audited("reinstated") == [(True, "sorry")]
    changed = operator.json("accounts", "suspend", "ada", "--reason", "spam", "--until", "2100-12-24", "--no-notice")
    assert (changed["suspended_until"], changed["suspension_reason"]) == ("2100-12-24T00:00:00Z", "spam")
    assert operator.refusal("accounts", "suspend", "ada", "--reason", "x", "--until", "2020-01-01") == (
        "until: This must be a time in the future."
    )


def test_reset_sends_a_code(server: Server, operator: CommandLine, ada: None) -> None:
    assert operator.text("accounts", "send-reset", "ada") == "Account 1, ada: A code is sent to its email.\n"
    assert json.loads(operator.text("outbox", "list", "--json") or '{"template": "code"}')["template"] == "code"
    assert operator.audited("reset_sent") == [(True, None)]


def test_unchanged_account_is_said_to_be_so(operator: CommandLine, ada: None) -> None:
    assert operator.text("accounts", "edit", "ada", "--name", "Ada Lovelace") == "Account 1, ada, is unchanged.\n"
    changed = operator.json("accounts", "edit", "ada", "--username", "countess", "--name", "Ada King")
    assert (changed["username"], changed["name"]) == ("countess", "Ada King")


def test_mobile_is_set_and_removed(operator: CommandLine, ada: None) -> None:
    assert operator.json("accounts", "edit", "ada", "--mobile", "+442079460958", "--vouch")["mobile_verified"] is True
    operator.text("accounts", "edit", "ada", "--email", "ada@example.com", "--vouch")
    assert operator.json("accounts", "edit", "ada", "--no-mobile")["mobile"] is None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["edit", "ada"], "Name a change"),
        (["edit", "ada", "--mobile", "1", "--no-mobile"], "Use --mobile or --no-mobile."),
        (["roles", "ada"], "Name a change"),
        (["suspend", "ada"], "Missing option '--reason'"),
        (["suspend", "ada", "--reason", "x", "--until", "soon"], "the format is 2026-11-23"),
        (["suspend", "ada", "--reason", "x", "--tell-reason", "--no-notice"], "Use --tell-reason or --no-notice."),
        (["list", "--state", "odd"], "'odd' is not one of"),
        (["shwo", "ada"], "No such command 'shwo'"),
    ],
)
def test_wrong_call_is_explained(operator: CommandLine, arguments: list[str], error: str) -> None:
    result = operator.run("accounts", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert error in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        *(["edit", "eve", "--name", "Eve"], ["suspend", "eve", "--reason", "x"], ["roles", "eve", "--staff"]),
        *([name, "eve"] for name in ("show", "reinstate", "unlock", "sign-out", "send-reset", "export")),
        ["remove", "eve", "--yes"],
    ],
)
def test_unknown_account_is_refused(operator: CommandLine, arguments: list[str], tmp_path: Path) -> None:
    assert operator.refusal("accounts", *arguments) == "vestibule: No account has this id, username, email or mobile."
    assert not list(tmp_path.glob("*.zip"))


def test_taken_and_invalid_values_are_named(server: Server, operator: CommandLine, ada: None) -> None:
    register(server, "bob", "Bob", "bob@example.com")
    assert operator.refusal("accounts", "edit", "ada", "--username", "bob").startswith("username: ")
    result = operator.run("accounts", "edit", "ada", "--username", "a@b", "--email", "x")
    assert (result.returncode, [line.partition(":")[0] for line in result.stderr.splitlines()]) == (1, ["username", "email"])


def test_export_replaces_no_file_and_goes_to_a_pipe(operator: CommandLine, ada: None, tmp_path: Path) -> None:
    kept = tmp_path / "kept.zip"
    kept.write_text("kept")
    assert operator.refusal("accounts", "export", "ada", "--output", str(kept), code=2).endswith("kept.zip: File exists")
    assert kept.read_text() == "kept"
    assert operator.audited("exported") == []
    environment = operator.variables | {"PATH": os.environ["PATH"]}
    piped = subprocess.run(
        [VESTIBULE, "accounts", "export", "ada", "--output", "-"], env=environment, capture_output=True, timeout=60, check=True
    )
    assert piped.stdout.startswith(b"PK")
    assert piped.stderr == b""


def test_unreachable_database_is_a_fault_of_the_set_up(tmp_path: Path) -> None:
    data = {"VESTIBULE_DATA_DIR": str(tmp_path / "data"), "VESTIBULE_DATABASE_URL": "postgresql://127.0.0.1:1/accounts"}
    result = vestibule("accounts", "list", **data)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)


# --- a terminal -------------------------------------------------------------------------------------------------------


_CONTROLLED = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes the terminal that of the session, so that Ctrl-C in it is a signal."""

CTRL_C = "\x03"


def in_terminal(operator: CommandLine, *arguments: str, answer: str = "") -> tuple[int, str]:
    """Runs the command in a pseudo-terminal; returns the exit code and the output."""
    main, terminal = pty.openpty()
    variables = operator.variables | {"PATH": os.environ["PATH"], "TERM": "xterm-256color"}
    command = [sys.executable, "-c", _CONTROLLED, VESTIBULE, *arguments]
    process = subprocess.Popen(command, env=variables, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True)
    os.close(terminal)
    output, is_asked = b"", False
    with suppress(OSError):  # at the end of the process
        while select([main], [], [], 60)[0] and (piece := os.read(main, 4096)):
            output += piece
            if b"[y/N]" in output and not is_asked:
                is_asked = True
                os.write(main, f"{answer}\n".encode())
    os.close(main)
    return process.wait(60), output.decode()


def test_removal_asks_in_a_terminal_and_is_refused_without_one(operator: CommandLine, ada: None) -> None:
    refused = operator.refusal("accounts", "remove", "ada", code=2)
    assert refused == "vestibule: there is no terminal to ask for a confirmation: use --yes"
    for answer in ("n", CTRL_C):
        code, output = in_terminal(operator, "accounts", "remove", "ada", answer=answer)
        assert code == 1
        assert "Remove account 1, ada (Ada Lovelace, ada@example.com), for ever? [y/N]" in output
        assert output.endswith("Aborted!\r\n")
        assert operator.json("accounts", "show", "ada")["state"] == "active"
    code, output = in_terminal(operator, "accounts", "remove", "ada", answer="y")
    assert code == 0
    assert output.endswith("Account 1, ada, is removed.\r\n")


def test_colours_are_for_terminals(operator: CommandLine, ada: None) -> None:
    assert "\x1b[32mactive" in in_terminal(operator, "accounts", "list")[1]
    assert "\x1b" not in operator.text("accounts", "list")


# --- the documents -----------------------------------------------------------------------------------------------------


def test_page_for_operators_lists_each_command() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    section = page.partition("\n## Accounts\n")[2].partition("\n## ")[0]
    commands = group.commands["accounts"]
    assert isinstance(commands, click.Group)
    assert set(re.findall(r"^\| `accounts ([a-z-]+)[ `]", section, re.MULTILINE)) == set(commands.commands)
