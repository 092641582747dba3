"""Stores of keys, in a file or encrypted in a database: read as written, changed by one process at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from secrets import token_bytes
from threading import Barrier, Event
from time import time
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
    KeyKind,
    KeyManager,
    KeySet,
    KeyStore,
    ReloadingKeys,
    open_keys,
)

T = TypeVar("T")
Open = Callable[[], KeyStore]

ROUNDS = 8


def at_once(calls: Sequence[Callable[[], T]]) -> list[T | KeyChangeRefused]:
    """Runs each call in a thread of its own, all started together; returns the results or refusals."""
    start = Barrier(len(calls))

    def outcome(call: Callable[[], T]) -> T | KeyChangeRefused:
        start.wait()
        try:
            return call()
        except KeyChangeRefused as refusal:
            return refusal

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(outcome, calls))


def remove_keys(store: KeyStore) -> None:
    with store.changing() as change:
        change.keys = KeySet()


# --- every store ------------------------------------------------------------------------------------------------------


def test_absent_key_set_is_empty(open_store: Open) -> None:
    assert open_store().read() == KeySet()


def test_stored_keys_are_read_by_every_process(open_store: Open) -> None:
    keys = KeySet.generate()
    with open_store().changing() as change:
        change.keys = keys
    assert open_store().read() == keys
    with open_store().changing() as change:
        assert change.keys == keys


def test_exception_discards_the_change(open_store: Open) -> None:
    keys = open_keys(open_store())
    store = open_store()

    def fail() -> None:
        with store.changing() as change:
            change.keys = KeySet.generate()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.read() == keys


def test_second_change_waits_and_sees_the_result_of_the_first(open_store: Open) -> None:
    store, other = open_store(), open_store()
    keys = KeySet.generate()
    locked = Event()

    def second() -> KeySet:
        with other.changing() as change:
            locked.set()
            return change.keys

    with ThreadPoolExecutor(1) as thread:
        with store.changing() as change:
            seen = thread.submit(second)
            assert not locked.wait(0.2)
            change.keys = keys
        assert seen.result(10) == keys


def test_concurrent_first_starts_end_up_with_the_same_keys(open_store: Open) -> None:
    stores = [open_store() for _ in range(4)]
    for _ in range(ROUNDS):
        opened = at_once([lambda store=store: open_keys(store) for store in stores])  # type: ignore[misc]  # one lambda each
        assert all(keys == opened[0] for keys in opened)
        assert stores[0].read() == opened[0]
        remove_keys(stores[0])


def test_one_of_concurrent_rotations_adds_the_next_key(open_store: Open) -> None:
    managers = [KeyManager(open_store()) for _ in range(3)]
    for _ in range(ROUNDS):
        managers[0].list_keys()
        results = at_once([lambda manager=manager: manager.rotate(KeyKind.CODES) for manager in managers])  # type: ignore[misc]  # as above
        refused = [str(result) for result in results if isinstance(result, KeyChangeRefused)]
        assert len(refused) == 2
        assert all(text.startswith("codes-2 is already pending") for text in refused)
        assert [key.number for key in managers[0].list_keys() if key.kind == "codes"] == [1, 2]
        remove_keys(open_store())


def test_one_of_several_nodes_rotates_the_keys_that_are_due(open_store: Open) -> None:
    later = time() + 200 * 86_400
    nodes = [KeyManager(open_store(), lambda: later, algorithm="ES256", rotation_days=90) for _ in range(3)]
    for _ in range(ROUNDS):
        open_keys(open_store())
        results = at_once([node.rotate_due for node in nodes])
        assert sorted(map(str, results)) == ["['rotated signing-2', 'rotated codes-2', 'rotated refresh-2']", "[]", "[]"]
        assert [key.number for key in nodes[0].list_keys() if key.kind == "signing"] == [1, 2]
        remove_keys(open_store())


def test_concurrent_immediate_rotations_add_a_key_each(open_store: Open) -> None:
    managers = [KeyManager(open_store()) for _ in range(2)]
    managers[0].list_keys()
    added = at_once([lambda manager=manager: manager.rotate(KeyKind.REFRESH, at_once=True) for manager in managers])  # type: ignore[misc]  # as above
    assert sorted(key.name for key in added if not isinstance(key, KeyChangeRefused)) == ["refresh-2", "refresh-3"]


def test_key_revoked_during_a_rotation_does_not_come_back(open_store: Open) -> None:
    operator, other = KeyManager(open_store()), KeyManager(open_store())
    for _ in range(ROUNDS):
        operator.list_keys()
        leaked = str(operator.rotate(KeyKind.SIGNING).kid)
        at_once([lambda: operator.revoke(leaked), lambda: other.rotate(KeyKind.SIGNING, at_once=True)])  # noqa: B023 — run at once
        assert leaked not in {key.kid for key in operator.list_keys()}
        remove_keys(open_store())


# --- encrypted in a database ------------------------------------------------------------------------------------------

SECRET, NEWER = token_bytes(32), token_bytes(48)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without keys."""
    new = str(request.getfixturevalue("postgres")) if request.param == "postgres" else f"sqlite:///{tmp_path}/vestibule.db"
    migrate(new)
    return new


def encrypted(database: SqlDatabase, *secrets: bytes, earlier: Path = Path("/nowhere/keys.json")) -> EncryptedKeyStore:
    return EncryptedKeyStore(database.keys, secrets, earlier=FileKeyStore(earlier))


def test_database_dump_reveals_no_key(url: str) -> None:
    with SqlDatabase(url) as database:
        keys = open_keys(encrypted(database, SECRET))
    dump = repr(rows(url, "SELECT id, document FROM keys"))
    for secret in (*keys.codes, *keys.refresh, *keys.digests):
        assert secret.private_jwk()["k"] not in dump
    assert keys.signing[0].private_jwk()["d"] not in dump
    assert keys.signing[0].kid not in dump


def test_another_secret_decrypts_nothing_and_creates_nothing(url: str) -> None:
    with SqlDatabase(url) as database:
        before = open_keys(encrypted(database, SECRET))
        stored = rows(url, "SELECT id, document FROM keys")
        with pytest.raises(ValueError, match="in the database are encrypted with another secret") as refusal:
            open_keys(encrypted(database, NEWER))
        assert "\n" not in str(refusal.value)
        with pytest.raises(ValueError, match="another secret"):
            KeyManager(encrypted(database, NEWER)).rotate(KeyKind.CODES)
        assert open_keys(encrypted(database, SECRET)) == before
        assert rows(url, "SELECT id, document FROM keys") == stored
        assert len(stored) == 1


@pytest.mark.parametrize(
    "changed",
    [
        "UPDATE keys SET document = ''",
        "UPDATE keys SET document = substr(document, 1, 40)",
        "UPDATE keys SET document = document || 'A'",
        "UPDATE keys SET document = 'gAAAAABn' || substr(document, 9)",
        "UPDATE keys SET document = substr(document, 1, 100) || 'AAAA' || substr(document, 105)",
        """UPDATE keys SET document = '{"keys": []}'""",
        "UPDATE keys SET document = 'é'",
    ],
)
def test_changed_row_is_refused(url: str, changed: str) -> None:
    with SqlDatabase(url) as database:
        open_keys(encrypted(database, SECRET))
        rows(url, changed)
        with pytest.raises(ValueError, match=r"in the database .* or have been changed$"):
            open_keys(encrypted(database, SECRET))


@given(st.text())
def test_arbitrary_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="another secret"):
        EncryptedKeyStore(MemoryRow(text), [SECRET], earlier=FileKeyStore(Path("/nowhere/keys.json"))).read()


def test_same_key_set_is_encrypted_differently_each_time() -> None:
    keys = KeySet.generate()
    row, other = MemoryRow(None), MemoryRow(None)
    for empty in (row, other):
        store = EncryptedKeyStore(empty, [SECRET], earlier=FileKeyStore(Path("/nowhere/keys.json")))
        with store.changing() as change:
            change.keys = keys
        assert store.read() == keys
    assert row.text != other.text


class MemoryRow:
    """A row that is stored nowhere."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def read(self) -> str | None:
        return self.text

    @contextmanager
    def changing(self) -> Iterator[tuple[str | None, Callable[[str], object]]]:
        yield self.text, self.save

    def save(self, text: str) -> None:
        self.text = text


@pytest.mark.parametrize("secrets", [[], [bytes(31)], [SECRET, b""]])
def test_secret_that_is_too_short_is_refused(secrets: list[bytes], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/vestibule.db"
    migrate(url)
    with SqlDatabase(url) as database, pytest.raises(ValueError, match="32 bytes or more"):
        encrypted(database, *secrets)


def test_secret_is_replaced_while_servers_have_both(url: str) -> None:
    with SqlDatabase(url) as database:
        before = open_keys(encrypted(database, SECRET))
        both = encrypted(database, NEWER, SECRET)
        running = ReloadingKeys(both, SteppingClock())
        assert open_keys(both) == before
        assert both.reencrypt()
        assert not both.reencrypt()
        KeyManager(both).rotate(KeyKind.CODES)
        after = open_keys(encrypted(database, NEWER))
        assert running.current() == after
        assert (after.signing, after.codes[:1], after.digests) == (before.signing, before.codes, before.digests)
        with pytest.raises(ValueError, match="another secret"):
            open_keys(encrypted(database, SECRET))


def test_change_encrypts_with_the_first_secret(url: str) -> None:
    with SqlDatabase(url) as database:
        open_keys(encrypted(database, SECRET))
        KeyManager(encrypted(database, NEWER, SECRET)).rotate(KeyKind.CODES)
        assert len(open_keys(encrypted(database, NEWER)).codes) == 2
        assert not encrypted(database, NEWER, SECRET).reencrypt()


class SteppingClock:
    """A clock that advances by two seconds at each call."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 2
        return self.now


def _logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "vestibule.keys"]


FAILED = ("ERROR", "cannot reload the keys, using the previous ones: the database is unavailable")
RECOVERED = ("WARNING", "the keys can be read again")


def test_missing_database_file_leaves_the_keys_as_they_are_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path}/vestibule.db"
    migrate(url)
    with SqlDatabase(url) as database:
        source = ReloadingKeys(encrypted(database, SECRET), SteppingClock())
        keys = source.current()
        for _ in range(2):
            (tmp_path / "vestibule.db").rename(tmp_path / "away")
            assert all(source.current() is keys for _ in range(3))
            (tmp_path / "away").rename(tmp_path / "vestibule.db")
            assert all(source.current() is keys for _ in range(3))
    assert _logged(caplog) == [FAILED, RECOVERED, FAILED, RECOVERED]


def test_postgresql_that_is_down_leaves_the_keys_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    with PostgresServer() as server:
        migrate(server.url)
        with SqlDatabase(server.url) as database:
            source = ReloadingKeys(encrypted(database, SECRET), SteppingClock())
            keys = source.current()
            server.stop()
            assert all(source.current() is keys for _ in range(3))
            server.start()
            assert all(source.current() is keys for _ in range(3))
            KeyManager(encrypted(database, SECRET)).rotate(KeyKind.CODES)
            assert len(source.current().codes) == 2
    assert _logged(caplog) == [FAILED, RECOVERED]


# --- from the key file into the database ------------------------------------------------------------------------------


def test_empty_database_imports_the_key_file_and_logs_it(url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "keys.json"
    manager = KeyManager(FileKeyStore(file))
    manager.rotate(KeyKind.SIGNING, at_once=True)
    manager.revoke("codes-1")
    before = open_keys(FileKeyStore(file))
    with SqlDatabase(url) as database:
        assert open_keys(encrypted(database, SECRET, earlier=file)) == before
        assert _logged(caplog) == [
            ("WARNING", "imported the keys of the key file into the database; the file is not read any more")
        ]
        manager.rotate(KeyKind.REFRESH)
        assert open_keys(encrypted(database, SECRET, earlier=file)) == before
        assert open_keys(encrypted(database, SECRET)) == before


def test_kind_that_the_key_file_lacks_is_generated(url: str, tmp_path: Path) -> None:
    store = FileKeyStore(tmp_path / "keys.json")
    before = open_keys(store)
    with store.changing() as change:
        change.keys = replace(before, codes=())
    with SqlDatabase(url) as database:
        after = open_keys(encrypted(database, SECRET, earlier=tmp_path / "keys.json"))
    assert after.codes != before.codes
    assert replace(after, codes=before.codes) == before


def test_invalid_key_file_is_not_imported(url: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("no key")
    with SqlDatabase(url) as database:
        with pytest.raises(ValueError, match=r"keys\.json"):
            open_keys(encrypted(database, SECRET, earlier=file))
        assert database.keys.read() is None


def test_nodes_with_key_files_of_their_own_end_up_with_the_keys_of_one(url: str, tmp_path: Path) -> None:
    files = [tmp_path / name / "keys.json" for name in ("one", "two", "three")]
    theirs = []
    for number, file in enumerate(files):
        manager = KeyManager(FileKeyStore(file))
        for _ in range(number):
            manager.rotate(KeyKind.SIGNING, at_once=True)
        theirs.append(open_keys(FileKeyStore(file)))

    def started(file: Path) -> Callable[[], KeySet]:
        def start() -> KeySet:
            with closing(SqlDatabase(url)) as database:
                return open_keys(encrypted(database, SECRET, earlier=file))

        return start

    ours = at_once([started(file) for file in files])
    assert ours[0] in theirs
    assert all(keys == ours[0] for keys in ours)
