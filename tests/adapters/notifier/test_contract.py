"""The contract of `Notifier` for every notifier; further promises of `FileNotifier`."""

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.messages import SENDER, TEMPLATES, only_file
from tests.support.next_hops import Gateway, apprise_harness, file_harness, gateway_server, memory_harness, relay, smtp_harness

from vestibule.adapters.notifier import ChannelNotifier, FileNotifier, MemoryNotifier
from vestibule.application.ports import PermanentFailure
from vestibule.testing.contracts import NotifierContract
from vestibule.testing.contracts.notifier import ALICE, CODE, PHONE, NotifierHarness, mail_message, sms_message

# Apprise loads all its plugins at the first URL; one of them imports `imghdr`, which Python 3.11 calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with gateway_server() as server:
        yield server


@pytest.fixture(params=["file, mail", "file, sms", "smtp", "apprise", "memory", "channel"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NotifierHarness]:
    match request.param:
        case "file, mail":
            yield file_harness(tmp_path / "outbox", mail_message)
        case "file, sms":
            yield file_harness(tmp_path / "outbox", sms_message)
        case "smtp":
            with relay() as server:
                yield smtp_harness(server)
        case "apprise":
            yield apprise_harness(request.getfixturevalue("gateway"))
        case "memory":
            yield memory_harness()
        case "channel":
            inner = memory_harness()
            yield replace(inner, notifier=ChannelNotifier(email=inner.notifier, mobile=MemoryNotifier()))
        case unknown:
            raise LookupError(unknown)


class TestEveryNotifier(NotifierContract):
    """All notifiers, each with messages of its own channel."""


def test_channel_selects_the_notifier() -> None:
    mails, texts = MemoryNotifier(), MemoryNotifier()
    channel = ChannelNotifier(email=mails, mobile=texts)
    channel.send(mail_message(1))
    channel.send(sms_message(2))
    assert [message.recipient for message in mails.messages] == [ALICE]
    assert [message.recipient for message in texts.messages] == [PHONE]


def test_fail_next_fails_the_given_number_of_times() -> None:
    memory = MemoryNotifier()
    memory.fail_next(PermanentFailure("refused"), times=2)
    for _ in range(2):
        with pytest.raises(PermanentFailure):
            memory.send(mail_message())
    memory.send(mail_message())
    memory.send(mail_message())
    assert memory.messages == (mail_message(),)


@pytest.fixture
def files(tmp_path: Path) -> FileNotifier:
    return FileNotifier(tmp_path / "outbox", TEMPLATES, SENDER)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_directory_of_messages_is_private(tmp_path: Path) -> None:
    directory = tmp_path / "data" / "outbox"
    directory.mkdir(parents=True, mode=0o755)
    old = os.umask(0)
    try:
        FileNotifier(directory, TEMPLATES, SENDER).send(mail_message())
    finally:
        os.umask(old)
    assert mode(directory) == 0o700
    assert mode(only_file(directory)) == 0o600


def test_message_sent_twice_is_one_file(tmp_path: Path) -> None:
    for now in (1_800_000_000.0, 1_800_000_009.0):
        FileNotifier(tmp_path, TEMPLATES, SENDER, clock=lambda now=now: now).send(mail_message())  # type: ignore[misc]  # mypy reads no lambda with a default
    assert only_file(tmp_path).name == f"2027-01-15T08-00-00.000000Z-{mail_message().id}.eml"


def test_file_names_sort_by_time(tmp_path: Path) -> None:
    times = iter([1_800_000_000.0, 1_800_000_000.5, 1_800_000_061.0])
    files = FileNotifier(tmp_path, TEMPLATES, SENDER, clock=lambda: next(times))
    for number in (30, 20, 10):
        files.send(sms_message(number))
    assert [file.stem[-2:] for file in sorted(tmp_path.iterdir())] == ["30", "20", "10"]


def test_messages_are_removed_after_seven_days_and_other_files_are_kept(tmp_path: Path) -> None:
    now = [1_800_000_000.0]
    files = FileNotifier(tmp_path, TEMPLATES, SENDER, clock=lambda: now[0])
    (tmp_path / "notes.txt").write_text("mine")
    files.send(mail_message(1))
    now[0] += 6 * 86400
    files.send(mail_message(2))
    assert len(list(tmp_path.glob("*.eml"))) == 2
    now[0] += 2 * 86400
    files.send(mail_message(3))
    assert [file.stem[-2:] for file in sorted(tmp_path.glob("*.eml"))] == ["02", "03"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_unfinished_files_of_a_crash_are_removed_after_an_hour(tmp_path: Path) -> None:
    now = [1_800_000_000.0]
    files = FileNotifier(tmp_path, TEMPLATES, SENDER, clock=lambda: now[0])
    files.send(mail_message(1))
    [file] = tmp_path.iterdir()
    unfinished = file.rename(tmp_path / f".{file.name}.abc_1234.unfinished")
    now[0] += 3599
    files.send(mail_message(2))
    assert unfinished.exists()
    now[0] += 2
    files.send(mail_message(1))
    assert not unfinished.exists()
    assert len(list(tmp_path.iterdir())) == 2


def test_removed_directory_is_created_again(files: FileNotifier, tmp_path: Path) -> None:
    (tmp_path / "outbox").rmdir()
    files.send(mail_message())
    assert mode(tmp_path / "outbox") == 0o700


def test_message_id_with_a_path_is_undeliverable(files: FileNotifier, tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure):
        files.send(replace(sms_message(), id="x/../../escaped"))
    assert not list((tmp_path / "outbox").iterdir())


def test_echo_shows_code_address_and_file_in_one_line(tmp_path: Path) -> None:
    lines: list[str] = []
    files = FileNotifier(tmp_path, TEMPLATES, SENDER, lines.append)
    files.send(mail_message(1))
    files.send(sms_message(2, recipient=f"{PHONE}\x1b[2J\nMail to eve"))
    files.send(mail_message(1))
    mail, sms = sorted(tmp_path.iterdir(), key=lambda file: file.suffix)
    assert len(lines) == 2
    assert lines[0].startswith(f"Mail to {ALICE}: {CODE} is your Vestibule code (ref K7P2)")
    assert lines[0].endswith(f"[{mail}]")
    assert lines[1].startswith(f"SMS to {PHONE} [2J Mail to eve: {CODE} is your")
    assert lines[1].endswith(f"[{sms}]")
    assert all(line.isprintable() for line in lines)
