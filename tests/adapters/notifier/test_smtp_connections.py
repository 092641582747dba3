"""Several mails over one connection, and an end to every wait."""

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
from vestibule.application.ports import DeliveryFailed, Undeliverable
from vestibule.testing.contracts.notifier import mail_letter


@pytest.fixture
def server() -> Iterator[Relay]:
    with relay() as server:
        yield server


@pytest.fixture
def notifier(server: Relay) -> Iterator[SmtpNotifier]:
    notifier = SmtpNotifier(f"smtp://127.0.0.1:{server.port}", SENDER, TEMPLATES)
    yield notifier
    notifier.close()


def comes_true(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 5
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


def test_mails_in_a_row_go_over_one_connection(server: Relay, notifier: SmtpNotifier) -> None:
    for number in range(10):
        notifier.send(mail_letter(number))
    assert (len(server.received), server.connections, server.farewells) == (10, 1, 0)


def test_a_pretended_mail_goes_the_same_way(server: Relay, notifier: SmtpNotifier) -> None:
    notifier.send_decoy(mail_letter(1))
    notifier.send(mail_letter(2))
    notifier.send_decoy(mail_letter(3))
    assert (len(server.received), server.connections) == (1, 1)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
def test_who_was_logged_in_stays_so() -> None:
    with relay(authenticator=True, auth_require_tls=False, auth_required=True) as server:
        url = f"smtp://vestibule:p%40ss%2Fw%3Ard%23%3F%25@127.0.0.1:{server.port}?starttls=off"
        notifier = SmtpNotifier(url, SENDER, TEMPLATES)
        for number in range(3):
            notifier.send(mail_letter(number))
        notifier.close()
        assert (len(server.received), len(server.logins)) == (3, 1)


def test_a_connection_carries_so_many_mails_and_no_more(server: Relay, notifier: SmtpNotifier) -> None:
    for number in range(MAX_MAILS + 1):
        notifier.send(mail_letter(number % 100))
    assert (len(server.received), server.connections, server.farewells) == (MAX_MAILS + 1, 2, 1)


def test_a_server_that_hung_up_meanwhile_is_called_again(server: Relay, notifier: SmtpNotifier) -> None:
    notifier.send(mail_letter(1))
    server.hang_up()
    notifier.send(mail_letter(2))
    assert (len(server.received), server.connections) == (2, 2)


def test_a_server_that_was_restarted_is_called_again(server: Relay, notifier: SmtpNotifier) -> None:
    notifier.send(mail_letter(1))
    server.close()
    with pytest.raises(DeliveryFailed):
        notifier.send(mail_letter(2))
    server.open()
    notifier.send(mail_letter(3))
    assert len(server.received) == 2


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_what_was_refused_leaves_no_trace_on_the_next_mail(server: Relay, notifier: SmtpNotifier, verb: str) -> None:
    notifier.send(mail_letter(1))
    server.answers[verb] = "550 5.1.1 no"
    with pytest.raises((Undeliverable, DeliveryFailed)):
        notifier.send(mail_letter(2))
    server.answers.clear()
    notifier.send(mail_letter(3, sent_to="bob@example.com"))
    assert [to for _, to, _ in server.received] == [["alice@example.com"], ["bob@example.com"]]


def test_a_connection_is_never_two_threads_at_once(server: Relay, notifier: SmtpNotifier) -> None:
    server.seconds = 0.05
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(notifier.send, [mail_letter(number, sent_to=f"p{number}@example.com") for number in range(20)]))
    assert sorted(to for _, [to], _ in server.received) == sorted(f"p{number}@example.com" for number in range(20))
    assert server.connections >= 4


def test_closing_says_goodbye_and_is_not_for_good(server: Relay, notifier: SmtpNotifier) -> None:
    notifier.send(mail_letter(1))
    notifier.close()
    notifier.close()
    assert (server.connections, server.farewells) == (1, 1)
    notifier.send(mail_letter(2))
    assert (server.connections, server.farewells) == (2, 1)


def test_a_connection_that_nobody_uses_is_ended_after_a_while(server: Relay) -> None:
    connections = SmtpConnections(SmtpServer.read(f"smtp://127.0.0.1:{server.port}"), 5, idle=0.1)
    with connections.connection() as client:
        client.noop()
    assert comes_true(lambda: server.farewells == 1)
    with connections.connection() as client:
        assert client.noop()[0] == 250
    assert server.connections == 2
    connections.close()


def test_every_address_of_a_name_is_tried(server: Relay) -> None:
    notifier = SmtpNotifier(f"smtp://localhost:{server.port}", SENDER, TEMPLATES)
    notifier.send(mail_letter())
    notifier.close()
    assert len(server.received) == 1


@contextmanager
def dripping(*said: bytes) -> Iterator[int]:
    """A server that says this, each after it heard something, then a byte every 50 ms, and never comes to an end."""
    over = threading.Event()

    def drip(listening: socket.socket) -> None:
        with suppress(OSError), listening.accept()[0] as connection:
            for number, words in enumerate(said):
                if number:
                    connection.recv(1024)
                connection.sendall(words)
            while not over.wait(0.05):
                connection.sendall(b"2")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=[listening])
        thread.start()
        yield listening.getsockname()[1]
        over.set()
        thread.join(5)


TOOK_A_MAIL = [b"220 hello\r\n", b"250 hello\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go on\r\n", b"250 OK\r\n"]


def test_a_server_that_has_fallen_silent_is_asked_no_longer_than_that_before_it_is_called_again() -> None:
    with dripping(*TOOK_A_MAIL) as port:
        notifier = SmtpNotifier(f"smtp://127.0.0.1:{port}", SENDER, TEMPLATES, 1)
        notifier.send(mail_letter())
        begun = time.monotonic()
        with pytest.raises(DeliveryFailed, match="timed out"):
            notifier.send(mail_letter())
        assert time.monotonic() - begun < 3


def test_a_farewell_that_is_not_answered_is_short() -> None:
    with dripping(*TOOK_A_MAIL) as port:
        notifier = SmtpNotifier(f"smtp://127.0.0.1:{port}", SENDER, TEMPLATES, 5)
        notifier.send(mail_letter())
        begun = time.monotonic()
        notifier.close()
        assert time.monotonic() - begun < 3


HALF_A_RECORD = b"\x16\x03\x03\x01\x00"


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        ("smtp", [b""]),
        ("smtp", [b"220 hello\r\n"]),
        ("smtp", [b"220 hello\r\n", b"250 hello\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go on\r\n"]),
        ("smtp", [b"220 hello\r\n", b"250-hello\r\n250 STARTTLS\r\n", b"220 go on\r\n", HALF_A_RECORD]),
        ("smtps", [HALF_A_RECORD]),
    ],
)
def test_a_server_that_says_a_byte_now_and_then_is_given_up_in_time(scheme: str, said: list[bytes]) -> None:
    with dripping(*said) as port:
        notifier = SmtpNotifier(f"{scheme}://127.0.0.1:{port}", SENDER, TEMPLATES, 0.3)
        begun = time.monotonic()
        with pytest.raises(DeliveryFailed, match="timed out"):
            notifier.send(mail_letter())
        assert time.monotonic() - begun < 2
