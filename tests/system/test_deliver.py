"""`vestibule deliver`: several concurrent processes, next to servers, stopped, and with mail servers that are down."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.command_line import vestibule
from tests.support.next_hops import Relay, relay
from tests.support.server import VESTIBULE, Server


@pytest.fixture
def mail_server() -> Iterator[Relay]:
    with relay() as server:
        yield server


@pytest.fixture
def variables(tmp_path: Path, mail_server: Relay) -> dict[str, str]:
    return {
        "VESTIBULE_DATA_DIR": str(tmp_path / "data"),
        "VESTIBULE_EMAIL_URL": f"smtp://127.0.0.1:{mail_server.port}?starttls=off",
        "VESTIBULE_RATE_LIMITS": "off",
    }


@contextmanager
def serving(variables: dict[str, str], *, delivery: str) -> Iterator[Server]:
    with Server(Path(variables["VESTIBULE_DATA_DIR"]), environment=variables, delivery=delivery) as server:
        yield server


@contextmanager
def delivering(variables: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VESTIBULE_")} | variables
    with log.open("wb") as output:
        process = subprocess.Popen([VESTIBULE, "deliver"], env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        assert eventually(lambda: "SMS go to" in log.read_text())
        yield process
    finally:
        process.kill()
        process.wait(15)


def stopped(process: "subprocess.Popen[bytes]", number: signal.Signals = signal.SIGTERM) -> int:
    process.send_signal(number)
    return process.wait(30)


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def request_codes(server: Server, count: int) -> list[str]:
    destinations = [f"p{number:02}@example.com" for number in range(count)]
    for destination in destinations:
        assert server.call("POST", "/otp/", {"destination": destination})[0] == 201
    return destinations


def mails(server: Relay) -> list[str]:
    return sorted(to for _, [to], _ in server.received)


@pytest.mark.parametrize(("delivery", "database"), [("off", "sqlite"), ("on", "sqlite"), ("on", "postgres")])
def test_several_processes_send_each_message_once(
    variables: dict[str, str], mail_server: Relay, delivery: str, database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if database == "postgres":
        variables["VESTIBULE_DATABASE_URL"] = request.getfixturevalue("postgres")
    mail_server.seconds = 0.02
    with (
        serving(variables, delivery=delivery) as server,
        delivering(variables, tmp_path / "one.log") as one,
        delivering(variables, tmp_path / "two.log") as two,
    ):
        expected = request_codes(server, 40)
        assert eventually(lambda: len(mails(mail_server)) >= len(expected))
        assert (stopped(one), stopped(two, signal.SIGINT), server.stop()) == (0, 0, 0)
    assert mails(mail_server) == expected
    assert "Traceback" not in (tmp_path / "one.log").read_text() + (tmp_path / "two.log").read_text()


def test_server_without_delivery_leaves_messages_to_others(
    variables: dict[str, str], mail_server: Relay, tmp_path: Path
) -> None:
    with serving(variables, delivery="off") as server:
        expected = request_codes(server, 3)
        assert server.stop() == 0
    assert mails(mail_server) == []
    with delivering(variables, tmp_path / "deliver.log"):
        assert eventually(lambda: mails(mail_server) == expected)


def test_stopped_process_finishes_its_message_and_releases_the_others(
    variables: dict[str, str], mail_server: Relay, tmp_path: Path
) -> None:
    with serving(variables, delivery="off") as server:
        expected = request_codes(server, 6)
        assert server.stop() == 0
    mail_server.seconds = 0.5
    with delivering(variables, tmp_path / "deliver.log") as process:
        assert eventually(lambda: len(mails(mail_server)) >= 1)
        assert stopped(process) == 0
    assert 1 <= len(mails(mail_server)) < len(expected)
    mail_server.seconds = 0.0
    assert vestibule("deliver", "--once", **variables).returncode == 0
    assert mails(mail_server) == expected


def test_once_delivers_due_messages_and_ends(variables: dict[str, str], mail_server: Relay) -> None:
    with serving(variables, delivery="off") as server:
        expected = request_codes(server, 12)
        assert server.stop() == 0
    result = vestibule("deliver", "--once", **variables)
    assert (result.returncode, result.stderr) == (0, "")
    assert mails(mail_server) == expected
    assert mail_server.connections == 1
    assert vestibule("deliver", "--once", **variables).returncode == 0
    assert mails(mail_server) == expected


def test_hanging_mail_server_delays_no_sms(variables: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=9) as silent:
        variables["VESTIBULE_EMAIL_URL"] = f"smtp://127.0.0.1:{silent.getsockname()[1]}"
        with serving(variables, delivery="off") as server, delivering(variables, tmp_path / "deliver.log"):
            request_codes(server, 2)
            assert server.call("POST", "/otp/", {"destination": "+4915112345678"})[0] == 201
            assert eventually(lambda: "SMS to +4915112345678" in (tmp_path / "deliver.log").read_text(), 8)


def test_mail_rate_is_limited(variables: dict[str, str], mail_server: Relay) -> None:
    with serving(variables, delivery="off") as server:
        expected = request_codes(server, 4)
        assert server.stop() == 0
    begun = time.monotonic()
    assert vestibule("deliver", "--once", **variables, VESTIBULE_EMAIL_RATE="2").returncode == 0
    assert time.monotonic() - begun >= 1.5
    assert mails(mail_server) == expected


@pytest.mark.parametrize("setting", ["VESTIBULE_DELIVERY=perhaps", "VESTIBULE_EMAIL_RATE=0.1", "VESTIBULE_SMS_RATE=many"])
def test_invalid_setting_is_named_in_one_line(setting: str, tmp_path: Path) -> None:
    name, _, value = setting.partition("=")
    result = vestibule("deliver", "--once", **{name: value, "VESTIBULE_DATA_DIR": str(tmp_path / "data")})
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert name in line
