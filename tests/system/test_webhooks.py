"""Webhooks of a real server to a receiver that verifies, fails, and is down."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError
from tests.support.command_line import vestibule
from tests.support.server import Server
from tests.support.webhook_receiver import OTHER_SECRET, SECRET, Receiver, receiver
from tests.system.test_deliver import eventually
from tests.system.test_readme import blocks

PASSWORD = "the engine weaves algebra"
ADA = {"username": "ada", "name": "Ada", "email": "ada@example.com", "password": PASSWORD}
LOGIN = {"username": "ada", "password": PASSWORD}


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as opened:
        yield opened


def variables(hook: Receiver, data: Path, **more: str) -> dict[str, str]:
    settings = {"webhook_url": hook.url, "webhook_secret": SECRET, "data_dir": str(data), **more}
    return {f"VESTIBULE_{name.upper()}": value for name, value in settings.items()}


def serving(hook: Receiver, data: Path, **more: str) -> Server:
    return Server(data, environment=variables(hook, data, **more))


def make_due(data: Path) -> None:
    """Makes all webhooks that wait for a retry due, and ends the lease of a killed reader, as if minutes had passed."""
    with closing(sqlite3.connect(data / "vestibule.db", isolation_level=None)) as plain:
        plain.execute("UPDATE outbox SET due_at = 0, not_before = 0 WHERE channel = 'webhook' AND due_at IS NOT NULL")
        plain.execute("UPDATE cursors SET leased_until = 0")


def test_webhook_is_signed_and_contains_no_personal_data(
    hook: Receiver, tmp_path: Path, database_url_for: Callable[[Path], str]
) -> None:
    data = tmp_path / "data"
    with serving(hook, data, database_url=database_url_for(data)) as server:
        assert "Events go to          http://127.0.0.1" in server.output
        assert "hooks" not in server.output
        _, account = server.call("POST", "/register/", ADA)
        _, tokens = server.call("POST", "/login/", LOGIN)
        server.call("POST", "/login/", {**LOGIN, "password": "wrong"})
        server.call("PATCH", "/account/", {"name": "Ada Lovelace"}, token=tokens["token"])
        assert eventually(lambda: len(hook.accepted) >= 3)
    assert hook.types() == ["account.logged_in", "account.name_changed", "account.registered"]
    data_of = {payload["type"]: payload["data"] for payload in hook.accepted.values()}
    assert data_of["account.logged_in"] == {"account_id": account["id"], "session_id": tokens["session"], "detail": "password"}
    assert all(word not in str(hook.calls) for word in ("Ada", "ada@", PASSWORD, tokens["token"]))


def test_failing_receiver_gets_every_event_at_least_once(hook: Receiver, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(hook, data, rate_limits="off") as server:
        hook.answers = [500, 302, 429]
        for number in range(6):
            server.call("POST", "/register/", {**ADA, "username": f"ada{number}x", "email": f"ada{number}@example.com"})
        assert eventually(lambda: len(hook.calls) >= 6)
        hook.close()
        server.call("POST", "/register/", ADA)
        assert server.call("POST", "/otp/", {"destination": "ada@example.com"})[0] == 201
        assert eventually(lambda: len(list((data / "outbox").glob("*.eml"))) == 1), "mail does not wait for the receiver"
        listed = vestibule("outbox", "list", "--json", **variables(hook, data)).stdout.splitlines()
        assert {json.loads(line)["channel"] for line in listed} == {"webhook"}
        assert {json.loads(line)["recipient"] for line in listed} == {"webhook"}
        hook.open()
        vestibule("outbox", "retry", "--all", **variables(hook, data))
        assert eventually(lambda: len(hook.accepted) >= 7, 30)
    assert sorted(payload["data"]["account_id"] for payload in hook.accepted.values()) == list(range(1, 8))


def test_webhook_of_an_acknowledged_event_survives_sigkill(hook: Receiver, tmp_path: Path) -> None:
    data = tmp_path / "data"
    hook.close()
    with serving(hook, data) as server:
        assert server.call("POST", "/register/", ADA)[0] == 201
        server.kill()
    hook.open()
    make_due(data)
    with serving(hook, data):
        assert eventually(lambda: hook.types() == ["account.registered"])


def test_separate_delivery_worker_sends_the_chosen_event_types(hook: Receiver, tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = {"webhook_events": "login_failed, refreshed, account_claimed", "delivery": "off"}
    with serving(hook, data, **settings) as server:
        server.call("POST", "/register/", ADA)
        server.call("POST", "/login/", {**LOGIN, "password": "wrong"})
        server.call("POST", "/login/", {"username": "unknown", "password": "wrong"})
    assert hook.calls == []
    result = vestibule("deliver", "--once", **variables(hook, data, **settings))
    assert (result.returncode, result.stderr) == (0, "")
    assert "Events go to" in result.stdout
    assert [(payload["type"], payload["data"]["account_id"]) for payload in hook.accepted.values()] == [
        ("account.login_failed", 1),
        ("account.login_failed", None),
    ]


def test_receiver_that_answers_410_fails_permanently_with_a_log_line(hook: Receiver, tmp_path: Path) -> None:
    data = tmp_path / "data"
    hook.answers = [410]
    with serving(hook, data) as server:
        server.call("POST", "/register/", ADA)
        assert eventually(lambda: "410 Gone" in server.output)
        assert "unset VESTIBULE_WEBHOOK_URL" in server.output
    [failed] = vestibule("outbox", "list", "--failed", "--json", **variables(hook, data)).stdout.splitlines()
    assert json.loads(failed)["failure_reason"].startswith("PermanentFailure: 127.0.0.1 answers 410 Gone")


def test_both_secrets_sign_during_a_rotation(tmp_path: Path) -> None:
    with receiver(OTHER_SECRET) as hook:
        with serving(hook, tmp_path / "data", webhook_secret=f"{OTHER_SECRET} {SECRET}") as server:
            server.call("POST", "/register/", ADA)
            assert eventually(lambda: len(hook.accepted) == 1)
        assert len(hook.calls[0][1]["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("VESTIBULE_WEBHOOK_URL", {"webhook_url": "http://hooks.example.org/hunter2"}),
        ("VESTIBULE_WEBHOOK_URL", {"webhook_url": "pigeon:hunter2"}),
        ("VESTIBULE_WEBHOOK_SECRET", {"webhook_secret": "hunter2"}),
        ("VESTIBULE_WEBHOOK_SECRET", {"webhook_secret": "whsec_hunter2"}),
        ("VESTIBULE_WEBHOOK_EVENTS", {"webhook_events": "registered, hunter2"}),
        ("VESTIBULE_WEBHOOK_EVENTS", {"webhook_events": "keys_changed"}),
    ],
)
def test_invalid_webhook_url_stops_the_start_in_one_line(
    hook: Receiver, tmp_path: Path, name: str, setting: dict[str, str]
) -> None:
    result = vestibule("serve", **variables(hook, tmp_path / "data", **setting))
    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert name in line
    assert "hunter2" not in line


@pytest.mark.parametrize("missing", ["VESTIBULE_WEBHOOK_URL", "VESTIBULE_WEBHOOK_SECRET"])
def test_webhook_url_and_secret_must_be_set_together(hook: Receiver, tmp_path: Path, missing: str) -> None:
    settings = variables(hook, tmp_path / "data")
    del settings[missing]
    result = vestibule("serve", **settings)
    assert result.returncode == 2
    assert "VESTIBULE_WEBHOOK_URL" in result.stderr
    assert "VESTIBULE_WEBHOOK_SECRET" in result.stderr


def test_documented_receiver_verifies_webhooks(hook: Receiver, tmp_path: Path) -> None:
    [snippet] = blocks("docs/operating.md", "python")
    receiving: dict[str, Any] = {}
    exec(compile(snippet, "docs/operating.md", "exec"), receiving)  # noqa: S102 — our own documentation
    with serving(hook, tmp_path / "data") as server:
        server.call("POST", "/register/", ADA)
        assert eventually(lambda: len(hook.accepted) == 1)
    [(_, headers, body)] = hook.calls
    assert receiving["received"](body, headers)["type"] == "account.registered"
    with pytest.raises(WebhookVerificationError):
        receiving["received"](body + b" ", headers)
