"""Where keys lie, in a directory or sealed in a database: kept as they were, changed by one at a time, opened by no other."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from secrets import token_bytes
from threading import Barrier, Event
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.databases import rows
from tests.support.postgres_server import PostgresServer

from vestibule.adapters.database import SqlDatabase, migrate
from vestibule.adapters.keys import (
    EncryptedKeyStore,
    FileKeyStore,
    KeyChangeRefused,
    KeyManager,
    Keys,
    KeyStore,
    ReloadingKeys,
    Seal,
    open_keys,
)

T = TypeVar("T")
Open = Callable[[], KeyStore]

SIGNING, CODES = ("signing", 1), ("codes", 1)
ROUNDS = 8


def at_once(deeds: Sequence[Callable[[], T]]) -> list[T | KeyChangeRefused]:
    """Each in a thread of its own, all begun in the same moment; what each answered, or that the keys stay."""
    start = Barrier(len(deeds))

    def done(deed: Callable[[], T]) -> T | KeyChangeRefused:
        start.wait()
        try:
            return deed()
        except KeyChangeRefused as refusal:
            return refusal

    with ThreadPoolExecutor(len(deeds)) as threads:
        return list(threads.map(done, deeds))


def emptied(shelf: KeyStore) -> None:
    with shelf.changing() as change:
        for name in change.contents():
            change.remove(name)


# --- every shelf ------------------------------------------------------------------------------------------------------


def test_what_is_put_there_is_found_by_everybody_as_it_was(open_shelf: Open) -> None:
    content = b"Signs-From: 2026-11-24T20:00:00Z\n\x00\xff, whatever it is\n"
    with open_shelf().changing() as change:
        change.add(SIGNING, content)
        change.add(CODES, b"")
        assert change.contents() == {SIGNING: content, CODES: b""}
    assert open_shelf().contents() == {SIGNING: content, CODES: b""}


def test_a_key_is_replaced_on_purpose_alone(open_shelf: Open) -> None:
    shelf = open_shelf()
    with shelf.changing() as change:
        change.add(CODES, b"first")
        with pytest.raises(FileExistsError):
            change.add(CODES, b"second")
        assert change.contents() == {CODES: b"first"}
        change.replace(CODES, b"third")
    assert shelf.contents() == {CODES: b"third"}


def test_what_is_taken_away_is_gone_and_may_be_gone_already(open_shelf: Open) -> None:
    shelf = open_shelf()
    with shelf.changing() as change:
        change.add(CODES, b"first")
        change.add(SIGNING, b"stays")
    for _ in range(2):
        with shelf.changing() as change:
            change.remove(CODES)
    assert shelf.contents() == {SIGNING: b"stays"}


def test_who_changes_a_shelf_second_waits_and_finds_what_the_first_left(open_shelf: Open) -> None:
    shelf, other = open_shelf(), open_shelf()
    entered = Event()

    def second() -> set[tuple[str, int]]:
        with other.changing() as change:
            entered.set()
            return set(change.contents())

    with ThreadPoolExecutor(1) as thread:
        with shelf.changing() as change:
            seen = thread.submit(second)
            assert not entered.wait(0.2)
            change.add(CODES, b"first")
        assert seen.result(10) == {CODES}


def test_those_who_make_the_first_keys_at_once_end_with_the_same(open_shelf: Open) -> None:
    shelves = [open_shelf() for _ in range(4)]
    for _ in range(ROUNDS):
        made = at_once([lambda shelf=shelf: open_keys(shelf) for shelf in shelves])  # type: ignore[misc]  # no deed but the one
        assert all(keys == made[0] for keys in made)
        assert len(shelves[0].contents()) == 4
        emptied(shelves[0])


def test_of_those_who_rotate_at_once_one_makes_the_next_key(open_shelf: Open) -> None:
    keepers = [KeyManager(open_shelf()) for _ in range(3)]
    for _ in range(ROUNDS):
        keepers[0].held()
        answers = at_once([lambda keeper=keeper: keeper.rotate("codes") for keeper in keepers])  # type: ignore[misc]  # as above
        refused = [str(answer) for answer in answers if isinstance(answer, KeyChangeRefused)]
        assert len(refused) == 2
        assert all(text.startswith("codes-2 is the next one already") for text in refused)
        assert [key.number for key in keepers[0].held() if key.kind == "codes"] == [1, 2]
        emptied(open_shelf())


def test_of_those_who_rotate_at_once_and_now_each_has_a_key_of_its_own(open_shelf: Open) -> None:
    keepers = [KeyManager(open_shelf()) for _ in range(2)]
    keepers[0].held()
    made = at_once([lambda keeper=keeper: keeper.rotate("refresh", at_once=True) for keeper in keepers])  # type: ignore[misc]  # as above
    assert sorted(key.name for key in made if not isinstance(key, KeyChangeRefused)) == ["refresh-2", "refresh-3"]


def test_a_key_that_is_revoked_while_somebody_puts_it_to_use_does_not_come_back(open_shelf: Open) -> None:
    operator, other = KeyManager(open_shelf()), KeyManager(open_shelf())
    for _ in range(ROUNDS):
        operator.held()
        leaked = str(operator.rotate("signing").kid)
        at_once([lambda: operator.revoke(leaked), lambda: other.rotate("signing", at_once=True)])  # noqa: B023 — run at once
        assert leaked not in {key.kid for key in operator.held()}
        emptied(open_shelf())


# --- sealed in a database ---------------------------------------------------------------------------------------------

SECRET, NEWER = token_bytes(32), token_bytes(48)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database without keys."""
    found = str(request.getfixturevalue("postgres")) if request.param == "postgres" else f"sqlite:///{tmp_path}/vestibule.db"
    migrate(found)
    return found


def sealed(database: SqlDatabase, *secrets: bytes, earlier: Path = Path("/nowhere")) -> EncryptedKeyStore:
    return EncryptedKeyStore(database.keys, Seal(secrets), earlier=FileKeyStore(earlier))


def test_a_dump_of_the_database_tells_nothing_of_a_key(url: str) -> None:
    with SqlDatabase(url) as database:
        keys = open_keys(sealed(database, SECRET))
    dump = repr(rows(url, "SELECT kind, number, sealed FROM keys"))
    for secret in (*keys.codes, *keys.refresh, *keys.blinding):
        assert secret.text() not in dump
    assert "PRIVATE" not in dump
    assert keys.signing[0].kid not in dump


def test_another_secret_opens_nothing_and_makes_nothing_and_is_told_in_one_line(url: str) -> None:
    with SqlDatabase(url) as database:
        before = open_keys(sealed(database, SECRET))
        with pytest.raises(ValueError, match="in the database: it was sealed under another secret") as refusal:
            open_keys(sealed(database, NEWER))
        assert "\n" not in str(refusal.value)
        with pytest.raises(ValueError, match="another secret"):
            KeyManager(sealed(database, NEWER)).rotate("codes")
        assert open_keys(sealed(database, SECRET)) == before
        assert len(database.keys.all()) == 4


@pytest.mark.parametrize(
    "changed",
    [
        "UPDATE keys SET sealed = (SELECT other.sealed FROM keys AS other WHERE other.kind = 'refresh') WHERE kind = 'codes'",
        "UPDATE keys SET number = 2 WHERE kind = 'codes'",
        "UPDATE keys SET kind = 'other' WHERE kind = 'codes'",
        "UPDATE keys SET sealed = '' WHERE kind = 'codes'",
        "UPDATE keys SET sealed = substr(sealed, 1, 20) WHERE kind = 'codes'",
        "UPDATE keys SET sealed = 'v1.AAAA' || substr(sealed, 8) WHERE kind = 'codes'",
    ],
)
def test_a_row_that_was_changed_or_put_in_the_place_of_another_is_refused(url: str, changed: str) -> None:
    with SqlDatabase(url) as database:
        open_keys(sealed(database, SECRET))
        rows(url, changed)
        with pytest.raises(ValueError, match=r"^(codes|other)-\d in the database: .* or has been changed"):
            open_keys(sealed(database, SECRET))


@given(st.text(), st.text())
def test_no_text_at_all_opens(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match="another secret"):
        Seal([SECRET]).open((kind, 1), text)


@given(st.binary(max_size=200), st.integers(1, 9999))
def test_the_same_key_sealed_twice_is_two_texts_that_open_alike(content: bytes, number: int) -> None:
    seal = Seal([SECRET])
    one, other = seal.close(("codes", number), content), seal.close(("codes", number), content)
    assert one != other
    assert seal.open(("codes", number), one) == seal.open(("codes", number), other) == content


@pytest.mark.parametrize("secrets", [[], [bytes(31)], [SECRET, b""]])
def test_nothing_is_sealed_under_a_secret_that_is_too_short(secrets: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes or more"):
        Seal(secrets)


def test_a_secret_is_replaced_while_servers_have_both_and_then_the_old_one_opens_nothing(url: str) -> None:
    with SqlDatabase(url) as database:
        before = open_keys(sealed(database, SECRET))
        both = sealed(database, NEWER, SECRET)
        running = ReloadingKeys(both, Moved())
        assert open_keys(both) == before
        KeyManager(both).rotate("codes")
        assert both.reseal() == 4
        assert both.reseal() == 0
        after = open_keys(sealed(database, NEWER))
        assert running.current() == after
        assert (after.signing, after.codes[:1], after.blinding) == (before.signing, before.codes, before.blinding)
        with pytest.raises(ValueError, match="another secret"):
            open_keys(sealed(database, SECRET))


class Moved:
    """A clock that goes on by two seconds whenever it is asked."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 2
        return self.now


def _said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "vestibule.keys"]


STAY = ("ERROR", "the keys stay as they were, for they cannot be read again: the database cannot be had")
BACK = ("WARNING", "the keys can be read again")


def test_while_the_file_of_the_database_is_away_the_keys_stay_which_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path}/vestibule.db"
    migrate(url)
    with SqlDatabase(url) as database:
        watched = ReloadingKeys(sealed(database, SECRET), Moved())
        keys = watched.current()
        for _ in range(2):
            (tmp_path / "vestibule.db").rename(tmp_path / "away")
            assert all(watched.current() is keys for _ in range(3))
            (tmp_path / "away").rename(tmp_path / "vestibule.db")
            assert all(watched.current() is keys for _ in range(3))
    assert _said(caplog) == [STAY, BACK, STAY, BACK]


def test_while_postgresql_is_down_the_keys_stay_and_a_start_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    with PostgresServer() as server:
        migrate(server.url)
        with SqlDatabase(server.url) as database:
            watched = ReloadingKeys(sealed(database, SECRET), Moved())
            keys = watched.current()
            server.stop()
            assert all(watched.current() is keys for _ in range(3))
            server.start()
            assert all(watched.current() is keys for _ in range(3))
            KeyManager(sealed(database, SECRET)).rotate("codes")
            assert len(watched.current().codes) == 2
    assert _said(caplog) == [STAY, BACK]


# --- keys that lay in files before ------------------------------------------------------------------------------------


def test_an_empty_database_takes_over_the_keys_that_lay_in_files_and_says_so(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "keys"
    keeper = KeyManager(FileKeyStore(directory))
    keeper.rotate("signing", at_once=True)
    keeper.revoke("codes-1")
    before = open_keys(FileKeyStore(directory))
    with SqlDatabase(url) as database:
        assert open_keys(sealed(database, SECRET, earlier=directory)) == before
        assert _said(caplog) == [("WARNING", "5 keys were taken over from files, which are not read any more")]
        keeper.rotate("refresh")
        assert open_keys(sealed(database, SECRET, earlier=directory)) == before
        assert open_keys(sealed(database, SECRET)) == before


def test_a_kind_that_the_files_lack_is_made(url: str, tmp_path: Path) -> None:
    before = open_keys(FileKeyStore(tmp_path / "keys"))
    (tmp_path / "keys" / "codes-1.key").unlink()
    with SqlDatabase(url) as database:
        after = open_keys(sealed(database, SECRET, earlier=tmp_path / "keys"))
    assert after.codes != before.codes
    assert replace(after, codes=before.codes) == before


def _spoilt(file: Path) -> None:
    file.write_text("no key")


def _open_to_all(file: Path) -> None:
    file.chmod(0o644)


@pytest.mark.parametrize("spoil", [_spoilt, _open_to_all])
def test_of_files_that_are_no_good_nothing_is_taken_over(url: str, spoil: Callable[[Path], None], tmp_path: Path) -> None:
    open_keys(FileKeyStore(tmp_path / "keys"))
    spoil(tmp_path / "keys" / "refresh-1.key")
    with SqlDatabase(url) as database:
        with pytest.raises(ValueError, match=r"refresh-1\.key"):
            open_keys(sealed(database, SECRET, earlier=tmp_path / "keys"))
        assert database.keys.all() == {}


def test_of_nodes_that_start_at_once_with_files_of_their_own_one_brings_its_keys_and_all_have_them(
    url: str, tmp_path: Path
) -> None:
    nodes = [tmp_path / name for name in ("one", "two", "three")]
    theirs = []
    for number, node in enumerate(nodes):
        keeper = KeyManager(FileKeyStore(node))
        for _ in range(number):
            keeper.rotate("signing", at_once=True)
        theirs.append(open_keys(FileKeyStore(node)))

    def started(node: Path) -> Callable[[], Keys]:
        def start() -> Keys:
            with closing(SqlDatabase(url)) as database:
                return open_keys(sealed(database, SECRET, earlier=node))

        return start

    ours = at_once([started(node) for node in nodes])
    assert ours[0] in theirs
    assert all(keys == ours[0] for keys in ours)
