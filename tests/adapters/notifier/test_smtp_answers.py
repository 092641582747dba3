"""What becomes of a mail after each answer of a mail server: the table of `docs/operating.md`, played row by row."""

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.support.documents import table
from tests.support.messages import SENDER, TEMPLATES
from tests.support.next_hops import ScriptedMailServer
from tests.support.server import free_port
from tests.support.world import World

from vestibule.adapters.notifier import SmtpNotifier
from vestibule.adapters.notifier.smtp import Cause, cause_of
from vestibule.adapters.notifier.smtp_connections import Step
from vestibule.application.ports import PermanentFailure, TemporaryFailure
from vestibule.testing.contracts.notifier import mail_message

ANN, BOB = "ann@mail.example.com", "bob@mail.example.com"


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    at: str
    does: str
    outcome: str
    log: str
    others: str

    def __str__(self) -> str:
        return f"{self.at} {self.does}"


def rows() -> list[Row]:
    return [Row(*(cell.strip("`") for cell in cells[:5])) for cells in table("operating.md", "answers")]


@contextmanager
def served(row: Row, tls: ssl.SSLContext) -> Iterator[tuple[str, ScriptedMailServer]]:
    """Yields the URL of a server that does what the row says, and the server."""
    does = row.does.removesuffix(" (`smtps:`)")
    at = "" if does == "has an untrusted certificate" else row.at
    with ScriptedMailServer(at, does, tls) as server:
        port, host = server.port, "127.0.0.1"
        if row.at == "connecting":
            port = free_port() if does == "refuses" else port
            host = "mail.invalid" if does == "is unknown to DNS" else host
        scheme, query = ("smtps", "") if row.does.endswith("(`smtps:`)") else ("smtp", "?starttls=required")
        yield f"{scheme}://vestibule:secret@{host}:{port}{query}", server


@pytest.mark.parametrize("row", rows(), ids=str)
def test_answer_leads_to_what_the_table_says(
    row: Row, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if "untrusted" not in row.does:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with served(row, tls) as (url, server):
        notifier = SmtpNotifier(url, SENDER, TEMPLATES, 0.4)
        world = World(notifier=notifier)
        world.request_code(destination=ANN)
        world.request_code(destination=BOB)
        with caplog.at_level(logging.INFO, "vestibule.delivery"):
            world.deliver_messages()
        notifier.close()

    waiting = {message.recipient: message.failed_attempts for message in world.messages}
    failed = [message.recipient for message, _ in world.failed_messages]
    expected_waiting = {ANN: 1} if row.outcome == "tried again" else {}
    if row.others == "wait":
        expected_waiting[BOB] = 0
    assert (waiting, failed) == (expected_waiting, [ANN] if row.outcome == "failed" else [])
    delivered = [ANN] if row.outcome == "delivered" else []
    assert server.accepted == [*delivered, *([] if row.others == "wait" else [BOB])]
    assert [record.levelname.lower() for record in caplog.records] == ([row.log] if row.log else [])
    assert ("VESTIBULE_EMAIL_HELO" in caplog.text) is (row.log == "error")
    assert "secret" not in caplog.text
    assert "mail.example.com" not in caplog.text


def test_table_has_the_answers_that_servers_give_and_each_step() -> None:
    every = rows()
    assert len(every) == len({str(row) for row in every}) > 90
    codes = {row.does[:3] for row in every if row.at == "RCPT"}
    assert codes >= {"421", "450", "451", "452", "504", "530", "535", "550", "551", "552", "553", "554"}
    steps = {row.at for row in every}
    assert steps == {*(step.value for step in Step if step is not Step.CONTENT), "content", "connection", "RSET", "QUIT"} - {
        Step.GREETING.value
    }
    for failure in ("drops", "is silent"):
        assert {row.at for row in every if row.does == failure} == steps - {"connecting"}


ANSWERS = st.one_of(st.binary(max_size=60), st.from_regex(r"5\.\d{1,3}\.\d{1,3}( .{0,20})?", fullmatch=True).map(str.encode))


@given(step=st.sampled_from(Step), code=st.integers(-1, 999), text=ANSWERS)
def test_every_answer_has_a_cause_and_only_a_permanent_one_about_the_mail_is_final(step: Step, code: int, text: bytes) -> None:
    cause = cause_of(step, code, text.decode("ascii", "replace"))
    assert cause in set(Cause)
    if not 500 <= code <= 599:
        assert cause is Cause.SERVER
    if list(Step).index(step) < list(Step).index(Step.RCPT):
        assert cause is not Cause.MESSAGE


LINES = st.one_of(
    st.from_regex(r"[0-9]{3}[ -][245]\.[0-9]{1,3}\.[0-9]{1,3} ?[a-z ]{0,10}", fullmatch=True),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=20),
)


@given(at=st.sampled_from(["connection", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "content", "RSET", "QUIT"]), does=LINES)
@hypothesis_settings(max_examples=40)
def test_any_line_of_a_server_ends_in_a_delivery_or_in_one_of_two_failures(at: str, does: str) -> None:
    failures: list[str] = []
    with ScriptedMailServer(at, does) as server:
        notifier = SmtpNotifier(f"smtp://u:p@127.0.0.1:{server.port}?starttls=off", SENDER, TEMPLATES, 0.3)
        try:
            notifier.send(mail_message())
        except (TemporaryFailure, PermanentFailure) as failure:
            failures.append(str(failure))
        notifier.close()
    assert server.accepted == ([] if failures else [mail_message().recipient])
    assert all(text.isascii() and text.isprintable() for text in failures)


@pytest.mark.parametrize(
    ("host", "setting", "name"),
    [
        ("accounts.example.org", None, "accounts.example.org"),
        ("a1b2c3d4e5f6", None, "[127.0.0.1]"),
        ("localhost", None, "[127.0.0.1]"),
        ("localhost.localdomain", None, "[127.0.0.1]"),
        ("under_score.example.org", None, "[127.0.0.1]"),
        ("a1b2c3d4e5f6", "mail.example.org", "mail.example.org"),
    ],
)
def test_name_in_ehlo_is_the_setting_or_the_full_host_name_or_the_address(
    monkeypatch: pytest.MonkeyPatch, host: str, setting: str | None, name: str
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    with ScriptedMailServer() as server:
        notifier = SmtpNotifier(f"smtp://127.0.0.1:{server.port}?starttls=off", SENDER, TEMPLATES, helo=setting)
        notifier.send(mail_message())
        notifier.close()
    assert server.names == [name]
