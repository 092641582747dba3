"""Mail and SMS servers that are down, refuse, or hang."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.http_client import Client
from tests.support.next_hops import Gateway, Relay, gateway_server, relay
from tests.support.processes import eventually
from tests.support.server import Server, free_port

pytestmark = pytest.mark.faults


@contextmanager
def silent_server() -> Iterator[int]:
    """Yields the port of a server that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield listening.getsockname()[1]


@contextmanager
def serving(data: Path, mail: int, sms: int = 9) -> Iterator[Server]:
    urls = {"email_url": f"smtp://127.0.0.1:{mail}?starttls=off", "sms_url": f"json://127.0.0.1:{sms}/send"}
    with Server(data, environment=None, rate_limits="off", **urls) as server:
        yield server
        assert "Traceback" not in server.output


def send(server: Server, *destinations: str) -> None:
    """Requests a code for each destination; each call returns within two seconds."""
    with Client(server.port) as client:
        for destination in destinations:
            begun = time.monotonic()
            assert client.send_code(destination).status == 201
            assert time.monotonic() - begun < 2


def mails(server: Relay) -> list[str]:
    return [to for _, [to], _ in server.received]


@pytest.fixture
def mail_server() -> Iterator[Relay]:
    with relay() as server:
        yield server


@pytest.fixture
def sms_server() -> Iterator[Gateway]:
    with gateway_server() as server:
        yield server


def test_mail_is_delivered_when_its_server_returns(tmp_path: Path, mail_server: Relay) -> None:
    mail_server.close()
    with serving(tmp_path / "data", mail_server.port) as server:
        wanted = [f"user{number}@example.com" for number in range(5)]
        send(server, *wanted)
        assert eventually(lambda: "failed, retrying in 5 s" in server.output)
        mail_server.open()
        assert eventually(lambda: sorted(mails(mail_server)) == wanted, 14)


def test_refused_mail_fails_permanently_and_delays_no_other(tmp_path: Path, mail_server: Relay) -> None:
    with serving(tmp_path / "data", mail_server.port) as server:
        mail_server.answers["RCPT"] = "550 5.1.1 No such user"
        send(server, "unknown@example.com")
        assert eventually(lambda: "failed permanently" in server.output)
        mail_server.answers.clear()
        send(server, "user1@example.com")
        assert eventually(lambda: mails(mail_server) == ["user1@example.com"])
        assert "unknown@example.com" not in server.output


def test_hanging_mail_server_delays_neither_sms_nor_shutdown(tmp_path: Path, sms_server: Gateway) -> None:
    with silent_server() as mail, serving(tmp_path / "data", mail, sms_server.port) as server:
        send(server, *[f"user{number}@example.com" for number in range(12)])
        time.sleep(0.5)
        for number in range(3):
            send(server, f"+4915112345{number}")
            assert eventually(lambda: len(sms_server.received) > number, 3)  # noqa: B023 — called at once
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 13
        assert "Killing" not in server.output


def test_mail_in_transfer_at_shutdown_is_sent_once(tmp_path: Path, mail_server: Relay) -> None:
    wanted = [f"user{number}@example.com" for number in range(8)]
    mail_server.seconds = 0.5
    with serving(tmp_path / "data", mail_server.port) as server:
        send(server, *wanted)
        assert eventually(lambda: len(mails(mail_server)) >= 1)
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 3, "shutdown does not wait for the other mails"
    assert len(mails(mail_server)) < len(wanted)
    mail_server.seconds = 0.0
    with serving(tmp_path / "data", mail_server.port):
        assert eventually(lambda: len(mails(mail_server)) >= len(wanted))
    assert sorted(mails(mail_server)) == wanted


def test_codes_are_accepted_while_the_mail_server_refuses_connections(tmp_path: Path) -> None:
    with serving(tmp_path / "data", free_port(), free_port()) as server:
        send(server, *[f"user{number}@example.com" for number in range(15)], "+4915112345678")
        assert server.call("GET", "/readyz")[0] == 200
