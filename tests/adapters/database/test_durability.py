"""What SQLite and PostgreSQL promise beyond the contract: durability, migrations, retention and metrics."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event as Signal

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from tests.support.databases import NOW, named, program, rows, stored

from vestibule.adapters.database import SchemaTooNew, SchemaTooOld, SqlDatabase, migrate, migration, prepare
from vestibule.adapters.database.schema import metadata
from vestibule.application.ports import Backlog, Channel, Message
from vestibule.domain.account import Address as To
from vestibule.domain.account import AddressKind, Username
from vestibule.domain.code import Challenge, CodePurpose, Proof
from vestibule.domain.errors import Unavailable
from vestibule.domain.events import Event, EventType
from vestibule.domain.rate_limits import SlidingWindow
from vestibule.domain.session import Session

DAY = 86_400.0
MAIL = To(AddressKind.EMAIL, "ada@example.org", "ada@example.org")


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, or of a missing file."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/vestibule.db"
    new: str = request.getfixturevalue("new_postgres")
    return new


@pytest.fixture
def database(url: str) -> Iterator[SqlDatabase]:
    migrate(url)
    with SqlDatabase(url) as opened:
        yield opened


# --- durability -------------------------------------------------------------------------------------------------------


def test_committed_rows_are_read_by_the_next_program(database: SqlDatabase, url: str) -> None:
    account = stored(database, "ada")
    database.close()
    with SqlDatabase(url) as reopened:
        assert reopened.accounts.get(account.id) == account


def test_killed_program_leaves_nothing_of_its_transaction(database: SqlDatabase, url: str) -> None:
    stored(database, "before")
    source = """
database = SqlDatabase(url)
with database.begin() as tx:
    tx.accounts.add(Account(username=Username("half", "half"), name="half", email=None, created_at=1.0))
    print("in the middle", flush=True)
    sys.stdin.read()
"""
    with program(url, source) as process:
        assert process.stdout
        assert process.stdout.readline() == "in the middle\n"
        process.kill()
    assert database.accounts.taken_fields(Username("half", "half"), [], NOW) == set()
    assert stored(database, "half").username.canonical == "half"


def test_another_process_can_write_at_the_same_time(database: SqlDatabase, url: str) -> None:
    first = stored(database, "first")
    with program(url, "stored(SqlDatabase(url), 'second')") as other:
        assert other.wait(20) == 0
    assert database.accounts.taken_fields(Username("second", "second"), [], NOW) == {"username"}
    assert stored(database, "third").id == first.id + 2


def test_concurrent_programs_lose_no_increment(url: str) -> None:
    """Each thread opens the database anew, as a separate program would."""
    migrate(url)

    def count(_: int) -> None:
        with SqlDatabase(url) as database:
            for _ in range(10):
                with database.begin() as tx:
                    [window] = tx.rate_limits.lock(["key"])
                    tx.rate_limits.save([SlidingWindow("key", (*window.timestamps, NOW))], NOW)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(4)))
    with SqlDatabase(url) as database:
        assert len(database.rate_limits.get(["key"])[0].timestamps) == 40


# --- migrations -------------------------------------------------------------------------------------------------------


def test_migrations_match_the_declared_tables(url: str) -> None:
    migrate(url)
    with migration.migrating(url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_schema_can_be_downgraded_and_upgraded_again(database: SqlDatabase, url: str) -> None:
    stored(database, "ada")
    with migration.migrating(url) as connection:
        command.downgrade(migration.scripts(connection), "base")
    with pytest.raises(Unavailable):
        database.accounts.get(1)
    with pytest.raises(Unavailable):
        database.check()
    migrate(url)
    database.check()
    assert stored(database, "ada").id == 1


def test_latest_migration_is_the_required_one(url: str) -> None:
    with migration.migrating(url) as connection:
        assert ScriptDirectory.from_config(migration.scripts(connection)).get_heads() == [migration.HEAD]


def test_failed_migration_leaves_nothing(url: str) -> None:
    rows(url, "CREATE TABLE rate_limits (something integer)")
    with pytest.raises(Unavailable):
        migrate(url)
    with pytest.raises(Unavailable), SqlDatabase(url) as database:
        database.accounts.get(1)
    rows(url, "DROP TABLE rate_limits")
    migrate(url)


def test_concurrent_migrations_all_succeed(url: str) -> None:
    source = "sys.stdin.readline(); migrate(url); SqlDatabase(url).check(); print('ready')"
    starting = [program(url, source) for _ in range(4)]
    for process in starting:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0] for process in starting] == ["ready\n"] * 4


def test_migration_waits_for_another(url: str) -> None:
    with ThreadPoolExecutor(1) as elsewhere:
        with migration.migrating(url):
            waiting = elsewhere.submit(migrate, url)
            with pytest.raises(TimeoutError):
                waiting.result(1)
        waiting.result(30)


def test_migrating_again_changes_nothing(database: SqlDatabase, url: str) -> None:
    account = stored(database, "ada")
    migrate(url)
    prepare(url)
    assert database.accounts.get(account.id) == account


def test_newer_schema_refuses_a_start_but_not_running_programs(database: SqlDatabase, url: str) -> None:
    rows(url, "UPDATE alembic_version SET version_num = '9999'")
    for refuses in (migrate, prepare):
        with pytest.raises(SchemaTooNew, match="9999, which is newer than this program's"):
            refuses(url)
    database.check()
    assert rows(url, "SELECT version_num FROM alembic_version") == [("9999",)]


def test_check_fails_with_an_older_schema(database: SqlDatabase, url: str) -> None:
    for older in ("UPDATE alembic_version SET version_num = '0000'", "DELETE FROM alembic_version"):
        rows(url, older)
        with pytest.raises(Unavailable):
            database.check()


def test_prepare_migrates_a_file_and_only_checks_a_server(url: str) -> None:
    with SqlDatabase(url) as database:
        if url.startswith("sqlite"):
            prepare(url)
        else:
            with pytest.raises(SchemaTooOld, match=r"no schema yet.*run `vestibule migrate`"):
                prepare(url)
            with pytest.raises(Unavailable):
                database.check()
            migrate(url)
        database.check()


def test_check_fails_without_a_schema(url: str) -> None:
    rows(url, "SELECT 1")
    with SqlDatabase(url) as database, pytest.raises(Unavailable):
        database.check()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://root:secret@host/name", "unknown scheme mysql"),
        ("sqlite+aiosqlite:///x.db", "scheme sqlite"),
        ("postgresql+psycopg://user:secret@host/name", "scheme postgresql"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///a?b/vestibule.db", "question mark"),
        ("postgresql://user:secret@[host/name", "should look like postgresql"),
        ("postgresql://user:se%cret@host/name", "should look like postgresql"),
        ("postgres://user:secret@host/name?secret=1", "should look like postgresql"),
        ("secret", "should look like"),
        ("", "should look like"),
    ],
)
def test_invalid_url_is_refused_in_one_line_without_its_password(url: str, says: str) -> None:
    refusing: tuple[Callable[[str], object], ...] = (migrate, prepare, SqlDatabase)
    for refuses in refusing:
        with pytest.raises(ValueError, match=says) as refused:
            refuses(url)
        assert "secret" not in str(refused.value)
        assert "\n" not in str(refused.value)


# --- closing ----------------------------------------------------------------------------------------------------------


def test_closed_database_is_unavailable(database: SqlDatabase) -> None:
    stored(database, "ada")
    database.close()
    with pytest.raises(Unavailable):
        database.accounts.get(1)
    with pytest.raises(Unavailable):
        stored(database, "late")


def test_closing_waits_for_an_open_transaction(database: SqlDatabase, url: str) -> None:
    closed = Signal()

    def close() -> None:
        database.close()
        closed.set()

    with ThreadPoolExecutor(1) as elsewhere, database.begin() as tx:
        close_call = elsewhere.submit(close)
        assert not closed.wait(0.05)
        account = tx.accounts.add(named("ada"))
    assert close_call.exception() is None
    with SqlDatabase(url) as reopened:
        assert reopened.accounts.get(account.id) == account


def test_many_threads_read_at_once(database: SqlDatabase) -> None:
    account = stored(database, "ada")
    with ThreadPoolExecutor(8) as threads:
        accounts = list(threads.map(lambda _: database.accounts.get(account.id), range(400)))
    assert accounts == [account] * 400


def test_all_sessions_end_beyond_one_batch(database: SqlDatabase, url: str) -> None:
    account = stored(database, "ada")
    with database.begin() as tx:
        for number in range(1001):
            tx.sessions.add(
                Session(id=f"s{number:04}", account_id=account.id, created_at=NOW, refreshed_at=NOW, expires_at=NOW + 2),
                keep=5000,
            )
    assert database.end_sessions_and_codes(NOW + 1) == 1001
    assert database.end_sessions_and_codes(NOW + 1) == 0
    assert rows(url, "SELECT count(*) FROM sessions WHERE revoked_at IS NULL") == [(0,)]


# --- retention --------------------------------------------------------------------------------------------------------


def remaining_rows(url: str) -> dict[str, int]:
    names = ("challenges", "proofs", "sessions", "rate_limits", "outbox", "audit_log")
    return {name: rows(url, f"SELECT count(*) FROM {name}")[0][0] for name in names}  # noqa: S608 — listed


def add_expiring_rows(database: SqlDatabase, at: float, name: str) -> None:
    """Adds one row to each table that expires at `at`."""
    to = replace(MAIL, canonical=name)
    with database.begin() as tx:
        owner = tx.accounts.add(named(name))
        tx.challenges.put(
            [Challenge(id=name, purpose=CodePurpose.GENERAL, address=to, reference="", sent_at=at - 300, expires_at=at)]
        )
        tx.proofs.add(Proof(digest=name, address=to, verified_at=at))
        began_at = at - 30 * DAY
        tx.sessions.add(
            Session(id=name, account_id=owner.id, created_at=began_at, refreshed_at=began_at, expires_at=at), keep=9
        )
        tx.rate_limits.lock([name])
        tx.rate_limits.save([SlidingWindow(name, (at,))], at)
        tx.outbox.add(Message(id=name, channel=Channel.EMAIL, recipient=None, template="", not_before=at, expires_at=at))
        tx.outbox.mark_failed(name, "PermanentFailure")
        tx.audit_log.add(Event(type=EventType.CODE_SENT, occurred_at=at))


@pytest.mark.parametrize(
    ("days", "purged"),
    [
        (0.9, {"rate_limits"}),
        (1.1, {"rate_limits", "challenges", "proofs"}),
        (6.9, {"rate_limits", "challenges", "proofs"}),
        (7.1, {"rate_limits", "challenges", "proofs", "outbox"}),
        (29.9, {"rate_limits", "challenges", "proofs", "outbox"}),
        (30.1, {"rate_limits", "challenges", "proofs", "outbox", "sessions"}),
        (399.9, {"rate_limits", "challenges", "proofs", "outbox", "sessions"}),
        (400.1, {"rate_limits", "challenges", "proofs", "outbox", "sessions", "audit_log"}),
    ],
)
def test_rows_are_purged_after_their_retention(database: SqlDatabase, url: str, days: float, purged: set[str]) -> None:
    add_expiring_rows(database, NOW, "old")
    add_expiring_rows(database, NOW + days * DAY, "new")
    assert database.purge(NOW + days * DAY, limit=500) == len(purged)
    assert remaining_rows(url) == {name: 1 if name in purged else 2 for name in remaining_rows(url)}
    assert database.accounts.get(1) is not None


def test_sessions_that_may_live_longer_are_purged_later(database: SqlDatabase, url: str) -> None:
    add_expiring_rows(database, NOW, "old")
    for days, left in ((29.9, 1), (30.1, 1), (89.9, 1), (90.1, 0)):
        while database.purge(NOW + days * DAY, limit=500, session_lifetime=90 * DAY):
            pass
        assert remaining_rows(url)["sessions"] == left


def test_purge_deletes_in_batches_until_nothing_is_left(database: SqlDatabase, url: str) -> None:
    for number in range(5):
        add_expiring_rows(database, NOW, f"{number}")
    assert [database.purge(NOW + 500 * DAY, limit=2) for _ in range(4)] == [12, 12, 6, 0]
    assert set(remaining_rows(url).values()) == {0}


def test_pending_message_is_not_purged(database: SqlDatabase) -> None:
    with database.begin() as tx:
        tx.outbox.add(Message(id="m", channel=Channel.EMAIL, recipient=None, template="", not_before=NOW, expires_at=NOW))
    assert database.purge(NOW + 500 * DAY, limit=500) == 0


def test_locked_and_unsaved_windows_are_purged(database: SqlDatabase, url: str) -> None:
    with database.begin() as tx:
        tx.rate_limits.lock(["a", "b"])
    assert database.purge(NOW, limit=500) == remaining_rows(url)["rate_limits"] + (0 if url.startswith("sqlite") else 2)
    assert remaining_rows(url)["rate_limits"] == 0


# --- damaged rows -----------------------------------------------------------------------------------------------------

_DAMAGES = (
    "parameters = '{'",
    "parameters = '[1]'",
    "parameters = '{\"minutes\": 5}'",
    'challenge = \'["id", "unknown", "ada@example.org"]\'',
    "challenge = '[\"id\"]'",
    "challenge = '[1, \"general\", 2]'",
    "channel = 'pigeon'",
)
_DAMAGES_OF_SQLITE = ("expires_at = 'soon'", "failed_attempts = 'few'", "template = x'00ff'", "account_id = 'ada'")


@pytest.mark.parametrize("damage", _DAMAGES)
def test_damaged_message_fails_and_the_others_are_leased(
    database: SqlDatabase, url: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    check_damaged_messages(database, url, damage, caplog)


@pytest.mark.parametrize("damage", _DAMAGES_OF_SQLITE)
def test_message_with_a_value_that_only_sqlite_stores_fails_and_the_others_are_leased(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path}/damaged.db"
    migrate(url)
    with SqlDatabase(url) as database:
        check_damaged_messages(database, url, damage, caplog)


def check_damaged_messages(database: SqlDatabase, url: str, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    good, names = _posted("good", NOW), [f"bad-{number}" for number in range(12)]
    with database.begin() as tx:
        for name in names:
            tx.outbox.add(_posted(name, NOW - 60))
        tx.outbox.add(good)
    rows(url, f"UPDATE outbox SET {damage} WHERE id LIKE 'bad-%'")  # noqa: S608 — listed
    found = database.outbox.find(failed=False, after=0, limit=99)
    assert [(entry.message.id, entry.is_readable) for entry in found] == [*((name, False) for name in names), ("good", True)]
    with database.begin() as tx:
        assert list(tx.outbox.lease(NOW, seconds=60, limit=10)) == [good]
    failed = database.outbox.find(failed=True, after=0, limit=99)
    assert [entry.message.id for entry in failed] == names
    assert "its row is damaged" in str(failed[0].failure_reason)
    assert len([record for record in caplog.records if "failed permanently" in record.message]) == len(names)


# --- metrics ----------------------------------------------------------------------------------------------------------


def test_backlog_counts_due_and_failed_messages_by_channel(database: SqlDatabase) -> None:
    nothing = [Backlog(channel, 0, None, 0) for channel in Channel]
    assert list(database.outbox.backlog(NOW)) == nothing
    with database.begin() as tx:
        for name, due in (("late", -30.0), ("now", 0.0), ("failed", -60.0), ("leased", -90.0), ("future", 1.0)):
            tx.outbox.add(_posted(name, NOW + due))
        tx.outbox.mark_failed("failed", "refused")
        tx.outbox.count_failure("leased", NOW + 60)
    assert list(database.outbox.backlog(NOW)) == [Backlog(Channel.EMAIL, 2, NOW - 30, 1), *nothing[1:]]


def _posted(name: str, due: float) -> Message:
    return Message(
        id=name, channel=Channel.EMAIL, recipient="x@example.org", template="code", not_before=due, expires_at=NOW + DAY
    )


def test_pooled_connections_are_counted(database: SqlDatabase, url: str) -> None:
    database.check()
    with database.begin():
        within = database.connections()
    if url.startswith("sqlite:"):
        assert within is database.connections() is None
    else:
        assert (within, database.connections()) == ((1, 0), (0, 1))
