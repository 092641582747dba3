"""Mails by SMTP, sent to a real server in this process."""

import socket
import ssl
import time
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.messages import SENDER, TEMPLATES, parsed, part
from tests.support.next_hops import relay, smtp_harness

from vestibule.adapters.notifier import SmtpNotifier, SmtpServer
from vestibule.adapters.notifier.smtp_url import Tls
from vestibule.application.ports import OutgoingMessage, TemporaryFailure
from vestibule.testing.contracts.notifier import VALUES, mail_message

# aiosmtpd warns about AUTH without TLS, which some tests need.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")


def send_by_smtp(url: str, message: OutgoingMessage | None = None, timeout: float = 5) -> None:
    SmtpNotifier(url, SENDER, TEMPLATES, timeout).send(message or mail_message())


LOGIN = f"vestibule:{quote('p@ss/w:rd#?%', safe='')}@"


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("choice", ["", "?starttls=auto", "?starttls=required"])
def test_starttls_is_used_if_offered(tls: ssl.SSLContext, choice: str) -> None:
    with relay(tls_context=tls, authenticator=True) as server:
        send_by_smtp(f"smtp://{LOGIN}127.0.0.1:{server.port}{choice}")
    assert server.encrypted == [True]
    assert len(server.logins) == 1


@pytest.mark.usefixtures("trusted")
def test_smtps_uses_implicit_tls(tls: ssl.SSLContext) -> None:
    with relay(implicit_tls=tls) as server:
        send_by_smtp(f"smtps://127.0.0.1:{server.port}")
    assert server.encrypted == [True]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_untrusted_certificate_gets_neither_password_nor_message(tls: ssl.SSLContext, scheme: str) -> None:
    hidden = {"implicit_tls": tls} if scheme == "smtps" else {"tls_context": tls}
    with relay(authenticator=True, **hidden) as server, pytest.raises(TemporaryFailure, match="CERTIFICATE_VERIFY_FAILED"):
        send_by_smtp(f"{scheme}://{LOGIN}127.0.0.1:{server.port}")
    assert not server.logins
    assert not server.received


@pytest.mark.parametrize("url", ["smtp://127.0.0.1:{}?starttls=required", f"smtp://{LOGIN}127.0.0.1:{{}}"])
def test_required_encryption_fails_without_starttls(url: str) -> None:
    with (
        relay(authenticator=True, auth_require_tls=False) as server,
        pytest.raises(TemporaryFailure, match=r"offers no STARTTLS.*\?starttls=off"),
    ):
        send_by_smtp(url.format(server.port))
    assert not server.logins
    assert not server.received


def test_starttls_off_sends_the_password_unencrypted() -> None:
    with relay(authenticator=True, auth_require_tls=False, auth_required=True) as server:
        send_by_smtp(f"smtp://{LOGIN}127.0.0.1:{server.port}?starttls=off")
    assert server.encrypted == [False]
    assert len(server.logins) == 1


def test_starttls_off_ignores_the_offer(tls: ssl.SSLContext) -> None:
    with relay(tls_context=tls) as server:
        send_by_smtp(f"smtp://127.0.0.1:{server.port}?starttls=off")
    assert server.encrypted == [False]


def test_wrong_password_is_a_temporary_failure_and_not_repeated() -> None:
    with relay(authenticator=True, auth_require_tls=False) as server:
        notifier = SmtpNotifier(f"smtp://vestibule:hunter2@127.0.0.1:{server.port}?starttls=off", SENDER, TEMPLATES)
        with pytest.raises(TemporaryFailure, match="answers AUTH with 535") as failure:
            notifier.send(mail_message())
    assert "hunter2" not in str(failure.value) + repr(notifier)
    assert failure.value.__suppress_context__


def test_decoy_takes_as_long_as_the_last_message() -> None:
    with relay() as server:
        notifier = smtp_harness(server).notifier
        server.seconds = 0.3
        notifier.send(mail_message(1))
        begun = time.monotonic()
        notifier.send_decoy(mail_message(2))
        assert 0.3 <= time.monotonic() - begun < 3
        assert len(server.received) == 1


def test_decoy_fails_when_the_server_is_down() -> None:
    with relay() as server:
        notifier = smtp_harness(server).notifier
    with pytest.raises(TemporaryFailure):
        notifier.send_decoy(mail_message())


def test_failed_quit_is_no_delivery_failure() -> None:
    with relay() as server:
        server.drops_quit = True
        smtp_harness(server).notifier.send(mail_message())
    assert len(server.received) == 1


def test_resent_message_has_the_same_message_id() -> None:
    with relay() as server:
        notifier = smtp_harness(server).notifier
        notifier.send(mail_message())
        notifier.send(mail_message())
    first, second = (parsed(raw)["Message-ID"] for _, _, raw in server.received)
    assert first == second


def test_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(TemporaryFailure, match=f"127.0.0.1:{port} at the connection: .* timed out$"):
            send_by_smtp(f"smtp://127.0.0.1:{port}", timeout=0.2)


def test_non_ascii_message_passes_a_server_without_8bitmime() -> None:
    with relay() as server:
        smtp_harness(server).notifier.send(mail_message(values={**VALUES, "service": "Прихожая"}))
    [(_, _, raw)] = server.received
    assert raw.isascii()
    assert max(map(len, raw.splitlines())) <= 998
    assert "Прихожая" in parsed(raw)["Subject"]
    assert "Прихожая" in part(parsed(raw), "plain")


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", SmtpServer(host="mail.example", port=587, tls=Tls.REQUIRED)),
        ("smtp://10.0.0.5:25", SmtpServer(host="10.0.0.5", port=25, tls=Tls.REQUIRED)),
        ("smtp://mail.example?starttls=auto", SmtpServer(host="mail.example", port=587, tls=Tls.AUTO)),
        ("smtp://mail.example?starttls=off", SmtpServer(host="mail.example", port=587, tls=Tls.OFF)),
        ("smtp://localhost", SmtpServer(host="localhost", port=587, tls=Tls.AUTO)),
        ("smtp://127.1.2.3", SmtpServer(host="127.1.2.3", port=587, tls=Tls.AUTO)),
        ("smtp://[::1]", SmtpServer(host="::1", port=587, tls=Tls.AUTO)),
        ("smtps://mail.example/", SmtpServer(host="mail.example", port=465, tls=Tls.IMPLICIT)),
        ("smtp://[::1]:25?starttls=off", SmtpServer(host="::1", port=25, tls=Tls.OFF)),
        (
            "smtp://a%40b:c%3Ad@h:1?starttls=required",
            SmtpServer(host="h", port=1, tls=Tls.REQUIRED, user="a@b", password="c:d"),
        ),
    ],
)
def test_smtp_url_is_parsed(url: str, server: SmtpServer) -> None:
    assert SmtpServer.read(url) == server


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "begins with smtp"),
        ("http://mail.example", "begins with smtp"),
        ("smtp://", "needs a host"),
        ("smtp://:25", "needs a host"),
        ("smtp://mail.example:0", "port must be from 1"),
        ("smtp://mail.example:99999", "port number"),
        ("smtp://mail..example", "needs a valid host"),
        ("smtp://mail.example/inbox", "after the host and port"),
        ("smtp://mail.example?tls=on", "starttls=auto"),
        ("smtp://mail.example?starttls=maybe", "starttls=auto"),
        ("smtp://mail.example?starttls", "starttls=auto"),
        ("smtps://mail.example?starttls=required", "smtp:// only"),
        ("smtp://hunter2@mail.example", "both a user and a password"),
        ("smtp://:hunter2@mail.example", "both a user and a password"),
        ("smtp://u:hunter2%ff@mail.example", "ASCII"),
        ("smtp://u:hunter2%C3%A4@mail.example", "ASCII"),
        ("smtp://u:hunter2%0a@mail.example", "ASCII"),
        ("smtp://u:hunter2#x@mail.example", "percent-encode"),
        ("smtp://u:25#hunter2@mail.example", "percent-encode"),
        ("smtp://u:hunter2/x@mail.example", "percent-encode"),
        ("smtp://u:25?hunter2@mail.example", "starttls=auto"),
        ("smtp://u:[hunter2@mail.example", "percent-encode"),
        ("smtp://u:hunter2 @mail.example", "percent-encode"),
    ],
)
def test_invalid_smtp_url_is_rejected_in_one_line_without_its_password(url: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refusal:
        SmtpServer.read(url)
    assert "hunter2" not in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=30)


@given(user=PRINTABLE, password=PRINTABLE)
def test_percent_encoded_credentials_are_decoded(user: str, password: str) -> None:
    server = SmtpServer.read(f"smtp://{quote(user, safe='')}:{quote(password, safe='')}@mail.example")
    assert (server.user, server.password) == (user, password)
    assert repr(server) == repr(replace(server, password="another"))


@given(st.one_of(st.text(), st.text().map("smtp://".__add__), PRINTABLE.map("smtps://u:p@".__add__)))
def test_any_text_is_parsed_or_rejected_as_smtp_url(text: str) -> None:
    try:
        server = SmtpServer.read(text)
    except ValueError:
        return
    assert server.host
    assert 0 < server.port < 65536
