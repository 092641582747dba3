"""Calls of a webhook: a real server in this process, which verifies signatures as receivers do."""

import base64
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from tests.support.webhook_receiver import OTHER_SECRET, SECRET, Receiver, receiver

from vestibule.adapters.notifier import ChannelNotifier, MemoryNotifier, WebhookNotifier, read_secrets
from vestibule.application.ports import Channel, OutgoingMessage, PermanentFailure, TemporaryFailure

PAYLOAD = '{"type":"account.registered","timestamp":"2026-11-24T08:00:00.000Z","data":{"account_id":7,"detail":"Zoë"}}'


def message(number: int = 1) -> OutgoingMessage:
    return OutgoingMessage(
        id=f"01hzy3v7q8r9s0t1u2w3x4y5{number:02}",
        channel=Channel.WEBHOOK,
        recipient="webhook",
        template="account.registered",
        values={"payload": PAYLOAD, "service": "Vestibule"},
    )


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as opened:
        yield opened


def post(url: str, *secrets: str, timeout: float = 5) -> None:
    WebhookNotifier(url, secrets or [SECRET], timeout).send(message())


def test_receiver_gets_the_unchanged_payload_with_a_valid_signature(hook: Receiver) -> None:
    post(hook.url)
    [(path, headers, body)] = hook.calls
    assert (path, body.decode(), headers["content-type"]) == ("/hooks/accounts?of=vestibule", PAYLOAD, "application/json")
    assert list(hook.accepted) == [message().id] == [headers["webhook-id"]]
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 5


def test_url_without_a_path_is_accepted(hook: Receiver) -> None:
    post(f"http://127.0.0.1:{hook.port}")
    assert [path for path, *_ in hook.calls] == ["/"]


def test_every_secret_signs() -> None:
    with receiver(SECRET) as old, receiver(OTHER_SECRET) as new:
        for hook in (old, new):
            post(hook.url, OTHER_SECRET, SECRET)
        assert len(old.accepted) == len(new.accepted) == 1
        with pytest.raises(TemporaryFailure, match="answers 401"):
            post(new.url, SECRET)


def test_signed_time_is_that_of_the_attempt(hook: Receiver) -> None:
    notifier = WebhookNotifier(hook.url, [SECRET], clock=lambda: 1_700_000_000.9)
    with pytest.raises(TemporaryFailure, match="401"):  # the library rejects a timestamp that is years old
        notifier.send(message())
    assert hook.calls[0][1]["webhook-timestamp"] == "1700000000"


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_every_2xx_is_a_success(hook: Receiver, status: int) -> None:
    hook.answers = [status]
    post(hook.url)
    assert len(hook.accepted) == 1


@pytest.mark.parametrize("status", [302, 307, 400, 404, 429, 500, 502, 503])
def test_other_statuses_fail_and_redirects_are_not_followed(hook: Receiver, status: int) -> None:
    hook.answers = [status]
    hook.headers = {"Location": hook.url}
    with pytest.raises(TemporaryFailure, match=f"^127.0.0.1 answers {status}$"):
        post(hook.url)
    assert len(hook.calls) == 1


def test_410_is_undeliverable(hook: Receiver) -> None:
    hook.answers = [410]
    with pytest.raises(PermanentFailure, match="410 Gone"):
        post(hook.url)


@pytest.mark.parametrize(
    ("header", "seconds"), [("120", 120.0), ("soon", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), ("²", 0.0)]
)
def test_retry_after_of_the_receiver_is_reported(hook: Receiver, header: str, seconds: float) -> None:
    hook.answers = [429]
    hook.headers = {"Retry-After": header}
    with pytest.raises(TemporaryFailure) as failure:
        post(hook.url)
    assert failure.value.retry_after == seconds


def test_unreachable_receiver_is_a_temporary_failure(hook: Receiver) -> None:
    hook.close()
    with pytest.raises(TemporaryFailure, match="ConnectionRefusedError"):
        post(hook.url)
    hook.open()
    post(hook.url)
    assert len(hook.accepted) == 1


@contextmanager
def answering(respond: Callable[[socket.socket], object]) -> Iterator[str]:
    """Yields the URL of a server that calls `respond` with its connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                respond(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join(20)


def never_respond(connection: socket.socket) -> None:
    while connection.recv(9999):
        pass


def respond_slowly(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"H")
        time.sleep(0.05)


@pytest.mark.parametrize("respond", [never_respond, respond_slowly])
def test_silent_or_slow_receiver_times_out(respond: Callable[[socket.socket], object]) -> None:
    start = time.monotonic()
    with answering(respond) as url, pytest.raises(TemporaryFailure, match="TimeoutError"):
        post(url, timeout=0.5)
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200, b"HTTP/1.1 " * 9999])
def test_malformed_answer_is_a_failure(answer: bytes) -> None:
    def respond(connection: socket.socket) -> None:
        connection.recv(9999)
        connection.sendall(answer)

    with answering(respond) as url, pytest.raises(TemporaryFailure):
        post(url)


def test_endless_answer_is_not_read() -> None:
    def respond(connection: socket.socket) -> None:
        connection.recv(9999)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65_536)

    with answering(respond) as url:
        post(url)


@pytest.mark.usefixtures("trusted")
def test_https_receiver_with_a_trusted_certificate_is_called(tls: ssl.SSLContext) -> None:
    with receiver(tls=tls) as hook:
        post(hook.url)
        assert len(hook.accepted) == 1


def test_receiver_with_an_untrusted_certificate_gets_nothing(tls: ssl.SSLContext) -> None:
    with receiver(tls=tls) as hook, pytest.raises(TemporaryFailure, match="SSLCertVerificationError"):
        post(hook.url)
    assert hook.calls == []


def test_proxy_of_the_environment_is_not_used(hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    post(hook.url)
    assert len(hook.accepted) == 1


def test_url_and_secret_are_not_shown(hook: Receiver) -> None:
    hook.answers = [500]
    notifier = WebhookNotifier(f"{hook.url}&token=hunter2", [SECRET])
    with pytest.raises(TemporaryFailure) as failure:
        notifier.send(message())
    assert all(word not in f"{failure.value} {notifier!r}" for word in ("hunter2", SECRET, "hooks"))


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "http://10.0.0.7/",
        "http://localhost.example.org/",
        "ftp://hooks.example.org/",
        "https://",
        "https:hooks.example.org",
        "https://user:hunter2@hooks.example.org/",
        "https://hooks.example.org/#part",
        "https://hooks.example.org:0/",
        "https://hooks.example.org:99999/",
        "https://hooks..example.org/",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/a\r\nHost: b",
        "https://höks.example.org/",
        "https://[::1/",
    ],
)
def test_invalid_url_is_rejected_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="webhook") as refusal:
        WebhookNotifier(url, [SECRET])
    assert "hunter2" not in str(refusal.value)
    assert "hooks" not in str(refusal.value)


@pytest.mark.parametrize("url", ["http://localhost:8080/x", "http://[::1]/", "http://127.8.8.8/", "https://hooks.example.org"])
def test_valid_url_is_accepted(url: str) -> None:
    assert "WebhookNotifier" in repr(WebhookNotifier(url, [SECRET]))


def encoded(length: int) -> str:
    return "whsec_" + base64.b64encode(bytes(range(length))).decode()


CONSTANT = "whsec_" + base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text", ["", "hunter2", encoded(32)[6:], encoded(23), encoded(65), CONSTANT, "whsec_hunter2!", "whsec_höhö"]
)
def test_invalid_secret_is_rejected_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 random bytes") as refusal:
        read_secrets([SECRET, text])
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("length", [24, 32, 64])
def test_secret_is_accepted_with_and_without_padding(length: int) -> None:
    assert read_secrets([encoded(length), encoded(length).rstrip("=")]) == (bytes(range(length)),) * 2


def test_missing_webhook_is_a_temporary_failure() -> None:
    notifier = ChannelNotifier(email=MemoryNotifier(), mobile=MemoryNotifier())
    with pytest.raises(TemporaryFailure, match="no webhook is configured"):
        notifier.send(message())


def test_decoy_sends_nothing(hook: Receiver) -> None:
    ChannelNotifier(email=MemoryNotifier(), mobile=MemoryNotifier(), webhook=WebhookNotifier(hook.url, [SECRET])).send_decoy(
        message()
    )
    assert hook.calls == []
