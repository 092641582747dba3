"""The content of messages, and overridden templates."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from tests.support.messages import SENDER, TEMPLATES, only_file, parsed, part
from tests.support.next_hops import relay, smtp_harness

from vestibule.adapters.identifiers import LibraryIdentifiers
from vestibule.adapters.notifier import FileNotifier, Templates, read_sender, templates
from vestibule.adapters.notifier.templates import MailTexts
from vestibule.application.notifications import Notice
from vestibule.application.ports import PermanentFailure
from vestibule.testing.contracts.identifiers import accepted
from vestibule.testing.contracts.notifier import ALICE, CODE, PHONE, VALUES, mail_message, sms_message


@pytest.fixture
def files(tmp_path: Path) -> FileNotifier:
    return FileNotifier(tmp_path / "outbox", TEMPLATES, SENDER)


def written_mail(directory: Path, values: Mapping[str, str] = VALUES, templates: Templates = TEMPLATES) -> EmailMessage:
    FileNotifier(directory, templates, SENDER).send(mail_message(values=values))
    return parsed(only_file(directory).read_bytes())


class PageText(HTMLParser):
    """The text of an HTML page, and the names of its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.words: list[str] = []
        self.feed(page)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_mail_has_two_parts_and_all_headers(tmp_path: Path) -> None:
    message = written_mail(tmp_path / "o")
    assert message.get_content_type() == "multipart/alternative"
    assert [inner.get_content_type() for inner in message.iter_parts()] == ["text/plain", "text/html"]
    assert message["From"] == SENDER
    assert message["To"] == ALICE
    assert message["Message-ID"] == f"<{mail_message().id}@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert abs(message["Date"].datetime - datetime.now(UTC)) < timedelta(minutes=1)
    assert not message.defects


@pytest.mark.parametrize(
    ("purpose", "words"),
    [("otp", "to verify this address, to log in, or to reset your password"), ("otpreglogin", "to register or to log in")],
)
def test_both_parts_of_a_mail_have_code_purpose_and_expiry(tmp_path: Path, purpose: str, words: str) -> None:
    message = written_mail(tmp_path / "o", {**VALUES, "purpose": purpose})
    page = PageText(part(message, "html"))
    for text in (part(message, "plain"), page.text):
        assert text.count(CODE) == 1
        assert f"Your Vestibule code, {words}:" in " ".join(text.split())
        assert "Reference K7P2" in text
        assert "If you have several codes, use the one with the reference that you were shown." in text
        assert "expires in 5 minutes" in text
        assert "If you did not request it, ignore this message. Do not share the code with anyone." in text
    assert not page.elements & {"a", "img", "script", "link", "style", "iframe"}


def test_code_is_in_no_header(tmp_path: Path) -> None:
    message = written_mail(tmp_path / "o")
    assert message["Subject"] == "Your Vestibule code (reference K7P2)"
    headers = [header for inner in message.walk() for header in inner.items()]
    assert len(headers) > 8
    assert not [header for header in headers if CODE in "".join(header)]


def test_raw_mail_has_the_code_on_its_own_line(tmp_path: Path) -> None:
    written_mail(tmp_path / "o")
    body = only_file(tmp_path / "o").read_text().partition("\n\n")[2]
    assert re.findall(r"\d{4,}", body) == [CODE, CODE]
    assert [line.strip() for line in body.splitlines() if CODE in line] == [CODE, CODE]


@pytest.mark.parametrize("purpose", ["otp", "otpreglogin"])
def test_sms_is_one_short_line_of_the_gsm_alphabet(purpose: str) -> None:
    text = TEMPLATES.sms(sms_message(values={**VALUES, "code": "1234567890", "purpose": purpose}))
    assert text.startswith("1234567890 is your Vestibule code (ref K7P2) to ")
    assert text.endswith("It expires in 5 min. Not requested? Ignore it. Do not share it.")
    assert len(text) <= 160
    assert text.isascii()
    assert not set(text) & set("[]{}|~^\\`\n")


def test_one_minute_is_singular(tmp_path: Path) -> None:
    assert "expires in 1 minute." in part(written_mail(tmp_path / "o", {**VALUES, "minutes": "1"}), "plain")


@given(service=st.text(max_size=100), reference=st.text(max_size=20))
def test_values_cannot_begin_a_header_or_a_line(service: str, reference: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    values = {**VALUES, "service": service.replace("\ud800", ""), "reference": reference}
    message = written_mail(tmp_path_factory.mktemp("o") / "o", values)
    assert list(message) == ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
    assert len(TEMPLATES.sms(sms_message(values=values)).splitlines()) == 1


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x00"])
def test_line_break_in_the_service_name_stays_in_the_subject(tmp_path: Path, end: str) -> None:
    message = written_mail(tmp_path / "o", {**VALUES, "service": f"Acme{end}Bcc: eve@example.com{end}{end}Hello"})
    assert message["Bcc"] is None
    assert message["Subject"] == "Your Acme Bcc: eve@example.com Hello code (reference K7P2)"


def test_values_are_escaped_only_in_html(tmp_path: Path) -> None:
    message = written_mail(tmp_path / "o", {**VALUES, "service": "Bücher & <b>Söhne</b>"})
    assert "Bücher & <b>Söhne</b>" in part(message, "plain")
    assert "Bücher &amp; &lt;b&gt;Söhne&lt;/b&gt;" in part(message, "html")
    assert message["Subject"] == "Your Bücher & <b>Söhne</b> code (reference K7P2)"


@pytest.mark.parametrize(
    "recipient", ["", "nobody", PHONE, "a@b@c.example", f"{ALICE}\r\nBcc: eve@example.com", f"{ALICE}, eve@example.com"]
)
def test_invalid_recipient_is_undeliverable(files: FileNotifier, tmp_path: Path, recipient: str) -> None:
    with pytest.raises(PermanentFailure):
        files.send(mail_message(recipient=recipient))
    assert not list((tmp_path / "outbox").iterdir())


def test_id_with_a_line_break_is_undeliverable() -> None:
    with relay() as server, pytest.raises(PermanentFailure):
        smtp_harness(server).notifier.send(replace(mail_message(), id="x>\r\nBcc: <eve@example.com"))


@pytest.mark.parametrize(
    ("recipient", "envelope"),
    [
        ("Alice.O'Neil+tag@Example.COM", "Alice.O'Neil+tag@Example.COM"),
        ("alice@bücher.example", "alice@xn--bcher-kva.example"),
        ("a" * 64 + "@" + ".".join(["b" * 58] * 3) + ".example", "a" * 64 + "@" + ".".join(["b" * 58] * 3) + ".example"),
        ("alice@intranet", "alice@intranet"),
        ("foo@under_score.com", "foo@under_score.com"),
    ],
)
def test_envelope_has_the_domain_in_ascii(recipient: str, envelope: str) -> None:
    with relay() as server:
        smtp_harness(server).notifier.send(mail_message(recipient=recipient))
    [(sender, recipients, raw)] = server.received
    assert sender == "no-reply@example.com"
    assert recipients == [envelope]
    assert parsed(raw)["To"].addresses[0].addr_spec == envelope


ATOM = st.text("abcXYZ019!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=12)
LOCAL = st.lists(ATOM, min_size=1, max_size=4).map(".".join)
LABEL = st.text("abcXYZ019-_\u00e4\u00df\u05d0\u0645\u6f22\u0915", min_size=1, max_size=12) | st.just("b" * 58)
DOMAIN = st.lists(LABEL, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "example"])) | st.sampled_from(
    ["under_score.com", "a_b.c_d.example", "localhost", "mail.localhost", "company.test", "printer.local", "x.invalid"]
)
EMAIL = st.tuples(LOCAL, DOMAIN).map("@".join)


@given(emails=st.lists(EMAIL, min_size=20, max_size=20))
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # without shrinking, which takes minutes here
)
@example(emails=["foo@under_score.com", "o'hara/x=y@example.com", "a" * 64 + "@" + ".".join(["b" * 58] * 3) + ".example"])
def test_every_email_that_an_account_may_have_can_be_sent_to(emails: list[str], tmp_path: Path) -> None:
    identifiers = LibraryIdentifiers(special_use_domains=True)
    taken = [email for text in emails if (email := accepted(identifiers.email, text))]
    with relay() as server, TemporaryDirectory(dir=tmp_path) as directory:
        smtp, files = smtp_harness(server).notifier, FileNotifier(Path(directory), TEMPLATES, SENDER)
        for number, email in enumerate(taken):
            for notifier in (smtp, files):
                notifier.send(replace(mail_message(recipient=email.recipient), id=f"mail-{number}"))
        written = [parsed(file.read_bytes())["To"] for file in sorted(Path(directory).iterdir())]
    for envelopes in ([to for _, [to], _ in server.received], [to.addresses[0].addr_spec for to in written]):
        assert [identifiers.email(to).canonical for to in envelopes] == [email.canonical for email in taken]
        assert all(to.isascii() for to in envelopes)


@pytest.mark.parametrize(
    "text", ["", "Vestibule", "no-reply@", "A <a@example.com>\nBcc: b@example.com", "a@example.com, b@example.com"]
)
def test_invalid_sender_is_rejected(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="the sender is neither"):
        FileNotifier(tmp_path / "o", TEMPLATES, text)


def test_sender_name_may_be_non_ascii() -> None:
    assert read_sender("no-reply@example.com").addr_spec == "no-reply@example.com"
    assert read_sender('"Söhne, Bücher" <no-reply@bücher.example>').display_name == "Söhne, Bücher"


def test_built_in_templates_pass_the_check() -> None:
    Templates(Path(templates.__file__).parent / "templates")


NOTICE = {
    "service": "Vestibule",
    "at": "2026-11-23 16:05 UTC",
    "device": "Samsung Internet on Android",
    "network": "2001:db8:1234:5678::/64",
    "until": "2026-11-30 16:05 UTC",
    "recovery_days": "7",
}
PLAIN_NOTICE = {name: NOTICE[name] for name in ("service", "at", "until")}


def notice_texts(what: Notice, values: Mapping[str, str] = NOTICE) -> tuple[MailTexts, str]:
    """The mail and the SMS of a notice."""
    message = replace(mail_message(values={**values, "what": what.value}), template="notice")
    return TEMPLATES.mail(message), TEMPLATES.sms(message)


def test_each_notice_has_words_of_its_own() -> None:
    texts = [notice_texts(what) for what in Notice]
    assert len({mail.subject for mail, _ in texts}) == len({sms for _, sms in texts}) == len(Notice)


@pytest.mark.parametrize("what", Notice)
def test_notice_says_when_where_and_what_to_do(what: Notice) -> None:
    mail, sms = notice_texts(what)
    page = PageText(mail.html)
    happened = mail.subject.removeprefix("Vestibule: ")
    for text in (mail.text, page.text):
        assert f"On {NOTICE['at']} {happened}" in text.replace(" .", ".")
        assert "Device: Samsung Internet on Android" in text
        assert "Network: 2001:db8:1234:5678::/64" in text
        assert re.search("action is needed|log in|set a new password", text)
    assert not page.elements & {"a", "img", "script", "link", "style", "iframe"}
    assert sms.startswith(f"Vestibule, {NOTICE['at']}: ")
    assert ", Samsung Internet on Android, 2001:db8:1234:5678::/64. " in sms


@pytest.mark.parametrize("what", Notice)
def test_notice_without_a_device_says_nothing_of_one(what: Notice) -> None:
    mail, sms = notice_texts(what, PLAIN_NOTICE)
    for text in (mail.text, mail.html):
        assert "Device:" not in text
        assert "Network:" not in text
    assert ", ." not in sms


@pytest.mark.parametrize("what", Notice)
def test_sms_of_a_notice_is_one_short_line_of_the_gsm_alphabet(what: Notice) -> None:
    assert len(notice_texts(what, PLAIN_NOTICE)[1]) <= 160
    for values in (NOTICE, PLAIN_NOTICE):
        sms = notice_texts(what, values)[1]
        assert len(sms) <= 200
        assert sms.isascii()
        assert not set(sms) & set("[]{}|~^\\`\n")


@pytest.mark.parametrize("what", [Notice.EMAIL_CHANGED, Notice.MOBILE_CHANGED])
def test_notice_of_a_changed_address_says_how_to_undo_it(what: Notice) -> None:
    undo = "ask for a code to this address within 7 days and reset the password with it, or log in with it"
    mail, sms = notice_texts(what)
    assert undo in mail.text
    assert undo in PageText(mail.html).text
    assert "log in with a code to this number within 7 d." in sms
    assert "within 1 day and" in notice_texts(what, {**NOTICE, "recovery_days": "1"})[0].text
    for values in (PLAIN_NOTICE, {**PLAIN_NOTICE, "network": "192.0.2.1"}):
        mail, sms = notice_texts(what, values)
        assert "within" not in mail.text + sms


@pytest.mark.parametrize("what", [Notice.EMAIL_CHANGED, Notice.MOBILE_CHANGED])
def test_notice_of_a_changed_address_helps_a_stranger_who_got_it_by_mistake(what: Notice) -> None:
    """A notice names the caller to a verified address alone: the reader of another one may have no account."""
    mail, sms = notice_texts(what, PLAIN_NOTICE)
    for text in (mail.text, PageText(mail.html).text):
        assert "If you have no account at Vestibule, someone gave your address by mistake" in text
    assert sms.endswith("No account? Ignore this.")
    mail, sms = notice_texts(what, {**PLAIN_NOTICE, "network": "192.0.2.1"})
    for text in (mail.text, PageText(mail.html).text):
        assert "by mistake" not in text
        assert "reset your password at Vestibule: this signs you out on all devices. Then change the " in text
    assert "No account?" not in sms


def test_notice_of_a_deletion_says_until_when_it_can_be_cancelled() -> None:
    mail, sms = notice_texts(Notice.DELETION_SCHEDULED)
    for text in (mail.text, mail.html, sms):
        assert NOTICE["until"] in text


def test_values_of_a_notice_are_escaped_in_html() -> None:
    values = dict.fromkeys(NOTICE, "<b>&")
    for what in Notice:
        mail, _ = notice_texts(what, values)
        assert "b" not in PageText(mail.html).elements
        assert "<b>&" in mail.text


def test_template_can_be_overridden(tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.mkdir()
    (words / "code.subject.txt").write_text("Hallo von {{ service }},\n{{ reference }}\n")
    (words / "code.txt").write_text("{{ code }}, wörtlich")
    message = written_mail(tmp_path / "o", templates=Templates(words))
    assert message["Subject"] == "Hallo von Vestibule, K7P2"
    assert part(message, "plain") == "482193, wörtlich\n"
    assert "Reference" in part(message, "html")


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("code.txt", "{{ code", r"code\.txt is invalid: code\.txt, line 1: "),
        ("code.html", "\n{% if %}", r"code\.html is invalid: code\.html, line 2: "),
        ("code.sms.txt", "{{ code }} {{ name }}", r"code\.sms\.txt is invalid: 'name' is undefined"),
        ("code.purpose.txt", "{{ }}", r"code\.txt is invalid: code\.purpose\.txt, line 1: "),
        ("code.txt", "{{ 1 / 0 }}", r"code\.txt is invalid: division by zero"),
        ("code.txt", " \n", r"code\.txt is empty"),
        ("code.subject.txt", "{{ code[:3] }} {{ code[3:] }}", r"code\.subject\.txt contains the code"),
    ],
)
def test_error_names_the_invalid_template(tmp_path: Path, file: str, content: str, complaint: str) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(ValueError, match=complaint):
        Templates(tmp_path)


def test_error_names_the_template_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "code.txt").write_bytes("{{ code }} für Sie".encode("latin-1"))
    with pytest.raises(ValueError, match=r"code\.txt is invalid"):
        Templates(tmp_path)


def test_missing_template_directory_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no directory of templates .*words"):
        Templates(tmp_path / "words")
