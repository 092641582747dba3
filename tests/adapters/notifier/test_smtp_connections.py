"""Several mails over one connection, and timeouts."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from tests.support.messages import SENDER, TEMPLATES
from tests.support.next_hops import Relay, relay

from vestibule.adapters.notifier import SmtpNotifier, SmtpServer
from vestibule.adapters.notifier.smtp_connections import MAX_MAILS, SmtpConnections
from vestibule.application.ports import PermanentFailure, TemporaryFailure
from vestibule.testing.contracts.notifier import mail_message


@pytest.fixture
def server() -> Iterator[Relay]:
    with relay() as server:
        yield server


@pytest.fixture
def notifier(server: Relay) -> Iterator[SmtpNotifier]:
    notifier = SmtpNotifier(f"smtp://127.0.0.1:{server.port}", SENDER, TEMPLATES)
    yield notifier
    notifier.close()


def becomes_true(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 5
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


def test_successive_mails_share_a_connection(server: Relay, notifier: SmtpNotifier) -> None:
    for number in range(10):
        notifier.send(mail_message(number))
    assert (len(server.received), server.connections, server.quits) == (10, 1, 0)


def test_decoy_uses_the_same_connection(server: Relay, notifier: SmtpNotifier) -> None:
    notifier.send_decoy(mail_message(1))
    notifier.send(mail_message(2))
    notifier.send_decoy(mail_message(3))
    assert (len(server.received), server.connections) == (1, 1)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
def test_login_is_kept_for_the_connection() -> None:
    with relay(authenticator=True, auth_require_tls=False, auth_required=True) as server:
        url = f"smtp://vestibule:p%40ss%2Fw%3Ard%23%3F%25@127.0.0.1:{server.port}?starttls=off"
        notifier = SmtpNotifier(url, SENDER, TEMPLATES)
        for number in range(3):
            notifier.send(mail_message(number))
        notifier.close()
        assert (len(server.received), len(server.logins)) == (3, 1)


def test_connection_is_replaced_after_max_mails(server: Relay, notifier: SmtpNotifier) -> None:
    for number in range(MAX_MAILS + 1):
        notifier.send(mail_message(number % 100))
    assert (len(server.received), server.connections, server.quits) == (MAX_MAILS + 1, 2, 1)


def test_closed_connection_is_replaced(server: Relay, notifier: SmtpNotifier) -> None:
    notifier.send(mail_message(1))
    server.hang_up()
    notifier.send(mail_message(2))
    assert (len(server.received), server.connections) == (2, 2)


def test_restarted_server_is_reconnected(server: Relay, notifier: SmtpNotifier) -> None:
    notifier.send(mail_message(1))
    server.close()
    with pytest.raises(TemporaryFailure):
        notifier.send(mail_message(2))
    server.open()
    notifier.send(mail_message(3))
    assert len(server.received) == 2


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_refused_mail_does_not_affect_the_next(server: Relay, notifier: SmtpNotifier, verb: str) -> None:
    notifier.send(mail_message(1))
    server.answers[verb] = "550 5.1.1 no"
    with pytest.raises((PermanentFailure, TemporaryFailure)):
        notifier.send(mail_message(2))
    server.answers.clear()
    notifier.send(mail_message(3, recipient="bob@example.com"))
    assert [to for _, to, _ in server.received] == [["alice@example.com"], ["bob@example.com"]]


def test_connection_serves_one_thread_at_a_time(server: Relay, notifier: SmtpNotifier) -> None:
    server.seconds = 0.05
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(notifier.send, [mail_message(number, recipient=f"p{number}@example.com") for number in range(20)]))
    assert sorted(to for _, [to], _ in server.received) == sorted(f"p{number}@example.com" for number in range(20))
    assert server.connections >= 4


def test_close_quits_and_notifier_can_be_used_again(server: Relay, notifier: SmtpNotifier) -> None:
    notifier.send(mail_message(1))
    notifier.close()
    notifier.close()
    assert (server.connections, server.quits) == (1, 1)
    notifier.send(mail_message(2))
    assert (server.connections, server.quits) == (2, 1)


def test_idle_connection_is_closed(server: Relay) -> None:
    connections = SmtpConnections(SmtpServer.read(f"smtp://127.0.0.1:{server.port}"), 5, idle_seconds=0.1)
    with connections.connection() as connection:
        connection.client.noop()
    assert becomes_true(lambda: server.quits == 1)
    with connections.connection() as connection:
        assert connection.client.noop()[0] == 250
    assert server.connections == 2
    connections.close()


def test_every_address_of_a_host_is_tried(server: Relay) -> None:
    notifier = SmtpNotifier(f"smtp://localhost:{server.port}", SENDER, TEMPLATES)
    notifier.send(mail_message())
    notifier.close()
    assert len(server.received) == 1


@contextmanager
def dripping(*replies: bytes) -> Iterator[int]:
    """Yields the port of a server that sends these replies, one after each command, and then a byte every 50 ms without end."""
    stop = threading.Event()

    def drip(listening: socket.socket) -> None:
        with suppress(OSError), listening.accept()[0] as connection:
            for number, reply in enumerate(replies):
                if number:
                    connection.recv(1024)
                connection.sendall(reply)
            while not stop.wait(0.05):
                connection.sendall(b"2")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=[listening])
        thread.start()
        yield listening.getsockname()[1]
        stop.set()
        thread.join(5)


ACCEPTS_A_MAIL = [b"220 hello\r\n", b"250 hello\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go on\r\n", b"250 OK\r\n"]


def test_silent_server_is_probed_only_briefly_before_reconnecting() -> None:
    with dripping(*ACCEPTS_A_MAIL) as port:
        notifier = SmtpNotifier(f"smtp://127.0.0.1:{port}", SENDER, TEMPLATES, 1)
        notifier.send(mail_message())
        begun = time.monotonic()
        with pytest.raises(TemporaryFailure, match="timed out"):
            notifier.send(mail_message())
        assert time.monotonic() - begun < 3


def test_unanswered_quit_is_short() -> None:
    with dripping(*ACCEPTS_A_MAIL) as port:
        notifier = SmtpNotifier(f"smtp://127.0.0.1:{port}", SENDER, TEMPLATES, 5)
        notifier.send(mail_message())
        begun = time.monotonic()
        notifier.close()
        assert time.monotonic() - begun < 3


HALF_A_RECORD = b"\x16\x03\x03\x01\x00"


@pytest.mark.parametrize(
    ("scheme", "replies"),
    [
        ("smtp", [b""]),
        ("smtp", [b"220 hello\r\n"]),
        ("smtp", [b"220 hello\r\n", b"250 hello\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go on\r\n"]),
        ("smtp", [b"220 hello\r\n", b"250-hello\r\n250 STARTTLS\r\n", b"220 go on\r\n", HALF_A_RECORD]),
        ("smtps", [HALF_A_RECORD]),
    ],
)
def test_server_that_sends_single_bytes_times_out(scheme: str, replies: list[bytes]) -> None:
    with dripping(*replies) as port:
        notifier = SmtpNotifier(f"{scheme}://127.0.0.1:{port}", SENDER, TEMPLATES, 0.3)
        begun = time.monotonic()
        with pytest.raises(TemporaryFailure, match="timed out"):
            notifier.send(mail_message())
        assert time.monotonic() - begun < 2
