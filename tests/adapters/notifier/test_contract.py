"""Letters (port `Notifier`): the same promises whichever way they go; and the outbox directory."""

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.messages import SENDER, TEMPLATES, only_file
from tests.support.next_hops import Gateway, apprise_post, gateway_server, memory_post, outbox_post, relay, smtp_post

from vestibule.adapters.notifier import ChannelNotifier, MemoryNotifier, OutboxNotifier
from vestibule.application.ports import Undeliverable
from vestibule.testing.contracts import NotifierContract
from vestibule.testing.contracts.notifier import ALICE, CODE, PHONE, Post, mail_letter, sms_letter

# Apprise loads all its plugins at the first URL; one of them imports `imghdr`, which Python 3.11 calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with gateway_server() as server:
        yield server


@pytest.fixture(params=["outbox, mail", "outbox, sms", "smtp", "apprise", "memory", "channel"])
def post(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Post]:
    match request.param:
        case "outbox, mail":
            yield outbox_post(tmp_path / "outbox", mail_letter)
        case "outbox, sms":
            yield outbox_post(tmp_path / "outbox", sms_letter)
        case "smtp":
            with relay() as server:
                yield smtp_post(server)
        case "apprise":
            yield apprise_post(request.getfixturevalue("gateway"))
        case "memory":
            yield memory_post()
        case "channel":
            inner = memory_post()
            yield replace(inner, notifier=ChannelNotifier(email=inner.notifier, mobile=MemoryNotifier()))
        case unknown:
            raise LookupError(unknown)


class TestEveryNotifier(NotifierContract):
    """Each of them, by its own kind of letter."""


def test_a_channel_takes_mails_one_way_and_sms_the_other() -> None:
    mails, texts = MemoryNotifier(), MemoryNotifier()
    channel = ChannelNotifier(email=mails, mobile=texts)
    channel.send(mail_letter(1))
    channel.send(sms_letter(2))
    assert [letter.recipient for letter in mails.messages] == [ALICE]
    assert [letter.recipient for letter in texts.messages] == [PHONE]


def test_memory_fails_as_often_as_it_is_told() -> None:
    memory = MemoryNotifier()
    memory.fail_next(Undeliverable("refused"), times=2)
    for _ in range(2):
        with pytest.raises(Undeliverable):
            memory.send(mail_letter())
    memory.send(mail_letter())
    memory.send(mail_letter())
    assert memory.messages == (mail_letter(),)


@pytest.fixture
def outbox(tmp_path: Path) -> OutboxNotifier:
    return OutboxNotifier(tmp_path / "outbox", TEMPLATES, SENDER)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_outbox_is_for_its_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "data" / "outbox"
    directory.mkdir(parents=True, mode=0o755)
    old = os.umask(0)
    try:
        OutboxNotifier(directory, TEMPLATES, SENDER).send(mail_letter())
    finally:
        os.umask(old)
    assert mode(directory) == 0o700
    assert mode(only_file(directory)) == 0o600


def test_the_same_letter_twice_is_one_file_even_after_a_restart(tmp_path: Path) -> None:
    for now in (1_800_000_000.0, 1_800_000_009.0):
        OutboxNotifier(tmp_path, TEMPLATES, SENDER, clock=lambda now=now: now).send(mail_letter())  # type: ignore[misc]  # mypy reads no lambda with a default
    assert only_file(tmp_path).name == f"2027-01-15T08-00-00.000000Z-{mail_letter().id}.eml"


def test_names_sort_by_time_whatever_the_ids(tmp_path: Path) -> None:
    times = iter([1_800_000_000.0, 1_800_000_000.5, 1_800_000_061.0])
    outbox = OutboxNotifier(tmp_path, TEMPLATES, SENDER, clock=lambda: next(times))
    for number in (30, 20, 10):
        outbox.send(sms_letter(number))
    assert [file.stem[-2:] for file in sorted(tmp_path.iterdir())] == ["30", "20", "10"]


def test_a_letter_leaves_the_outbox_after_seven_days_and_other_files_stay(tmp_path: Path) -> None:
    now = [1_800_000_000.0]
    outbox = OutboxNotifier(tmp_path, TEMPLATES, SENDER, clock=lambda: now[0])
    (tmp_path / "notes.txt").write_text("mine")
    outbox.send(mail_letter(1))
    now[0] += 6 * 86400
    outbox.send(mail_letter(2))
    assert len(list(tmp_path.glob("*.eml"))) == 2
    now[0] += 2 * 86400
    outbox.send(mail_letter(3))
    assert [file.stem[-2:] for file in sorted(tmp_path.glob("*.eml"))] == ["02", "03"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_unfinished_files_of_a_crash_are_removed_after_an_hour(tmp_path: Path) -> None:
    now = [1_800_000_000.0]
    outbox = OutboxNotifier(tmp_path, TEMPLATES, SENDER, clock=lambda: now[0])
    outbox.send(mail_letter(1))
    [file] = tmp_path.iterdir()
    unfinished = file.rename(tmp_path / f".{file.name}.abc_1234.unfinished")
    now[0] += 3599
    outbox.send(mail_letter(2))
    assert unfinished.exists()
    now[0] += 2
    outbox.send(mail_letter(1))
    assert not unfinished.exists()
    assert len(list(tmp_path.iterdir())) == 2


def test_an_outbox_that_was_removed_is_made_again(outbox: OutboxNotifier, tmp_path: Path) -> None:
    (tmp_path / "outbox").rmdir()
    outbox.send(mail_letter())
    assert mode(tmp_path / "outbox") == 0o700


def test_a_letter_with_an_id_that_leads_elsewhere_is_not_written(outbox: OutboxNotifier, tmp_path: Path) -> None:
    with pytest.raises(Undeliverable):
        outbox.send(replace(sms_letter(), id="x/../../escaped"))
    assert not list((tmp_path / "outbox").iterdir())


def test_the_terminal_shows_code_address_and_file_in_one_line(tmp_path: Path) -> None:
    lines: list[str] = []
    outbox = OutboxNotifier(tmp_path, TEMPLATES, SENDER, lines.append)
    outbox.send(mail_letter(1))
    outbox.send(sms_letter(2, sent_to=f"{PHONE}\x1b[2J\nMail to eve"))
    outbox.send(mail_letter(1))
    mail, sms = sorted(tmp_path.iterdir(), key=lambda file: file.suffix)
    assert len(lines) == 2
    assert lines[0].startswith(f"Mail to {ALICE}: {CODE} is your Vestibule code (ref K7P2)")
    assert lines[0].endswith(f"[{mail}]")
    assert lines[1].startswith(f"SMS to {PHONE} [2J Mail to eve: {CODE} is your")
    assert lines[1].endswith(f"[{sms}]")
    assert all(line.isprintable() for line in lines)
