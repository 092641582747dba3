"""What only PostgreSQL promises: short timeouts, recovery from faults, and statements that use an index."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Barrier, Thread
from threading import Event as Signal
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy import ClauseElement, make_url, text
from tests.support.databases import NOW, SEARCH_INDEXES, SEARCHES, STATEMENTS, named, program, rows, stored
from tests.support.postgres_server import PostgresServer, new_database

from vestibule.adapters.database import SqlDatabase, accounts, audit_log, migrate, prepare, rate_limits
from vestibule.adapters.database.postgres import Postgres
from vestibule.adapters.database.postgres_connection import RESPONSE_TIMEOUT
from vestibule.application.ports import AuditQuery, Channel, Message, Transaction
from vestibule.domain.account import Account, Username
from vestibule.domain.errors import AlreadyTaken, Unavailable
from vestibule.domain.events import Event, EventType
from vestibule.domain.rate_limits import SlidingWindow

SETTINGS = ("transaction_isolation", "statement_timeout", "lock_timeout", "application_name", "client_encoding")
TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def database(postgres: str) -> Iterator[SqlDatabase]:
    with SqlDatabase(postgres) as opened:
        yield opened


def with_options(url: str, *settings: str) -> str:
    words = quote(" ".join(f"-c {setting}" for setting in settings), safe="")
    return f"{url}{'&' if '?' in url else '?'}options={words}"


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


def rename(database: SqlDatabase, account: Account, name: str) -> None:
    with database.begin() as tx:
        locked = tx.accounts.lock(account.id)
        assert locked
        tx.accounts.save(replace(locked, username=Username(name, name)))


def message(number: int) -> Message:
    return Message(id=f"{number}", channel=Channel.EMAIL, recipient=None, template="", not_before=NOW, expires_at=NOW)


# --- sessions of the server -------------------------------------------------------------------------------------------


def settings_of(url: str) -> list[str]:
    sql = Postgres(url)
    try:
        with sql.begin() as unit:
            return [unit.query(text(f"SHOW {name}"))[0][0] for name in SETTINGS]
    finally:
        sql.close()


def test_session_settings_are_in_force(postgres: str) -> None:
    stubborn = with_options(postgres, "default_transaction_isolation=serializable")
    assert settings_of(stubborn) == ["read committed", "5s", "2s", "vestibule", "UTF8"]


def test_options_of_the_url_override_the_defaults(postgres: str) -> None:
    own = with_options(postgres, "lock_timeout=7s") + "&application_name=mine"
    assert settings_of(own) == ["read committed", "5s", "7s", "mine", "UTF8"]


def test_statement_is_prepared_once_for_all_values(postgres: str) -> None:
    sql = Postgres(postgres)
    asked = STATEMENTS["accounts._GET0"]
    for number in (1, 2, 40_000, 2**40, 2**63 - 1, 2**63, -5):
        assert sql.query(asked, account_id=number) == []
    mine = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT accounts%'")
    assert sql.query(mine) == [(1,)]
    sql.close()


def test_query_leaves_no_transaction_open(database: SqlDatabase, postgres: str) -> None:
    database.accounts.get(1)
    states = "SELECT DISTINCT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    assert rows(postgres, states) == [("idle",)]


# --- concurrent transactions ------------------------------------------------------------------------------------------


def test_second_of_two_transactions_that_take_a_name_is_refused_and_goes_on(database: SqlDatabase) -> None:
    first, second = stored(database, "first"), stored(database, "second")
    refused = Signal()

    def follow() -> None:
        with database.begin() as tx:
            locked = tx.accounts.lock(second.id)
            assert locked
            with pytest.raises(AlreadyTaken) as error:
                tx.accounts.save(replace(locked, username=Username("wanted", "wanted")))
            assert error.value.fields == ("username",)
            refused.set()
            tx.accounts.save(replace(locked, name="went on"))

    with ThreadPoolExecutor(1) as elsewhere:
        with database.begin() as tx:
            locked = tx.accounts.lock(first.id)
            assert locked
            tx.accounts.save(replace(locked, username=Username("wanted", "wanted")))
            following = elsewhere.submit(follow)
            assert not refused.wait(0.1)
        following.result(10)
    assert database.accounts.get(second.id) == replace(second, name="went on")


def test_workers_skip_messages_that_another_worker_is_leasing(database: SqlDatabase) -> None:
    with database.begin() as tx:
        for number in range(4):
            tx.outbox.add(message(number))

    def lease() -> list[str]:
        with database.begin() as tx:
            return [message.id for message in tx.outbox.lease(NOW, seconds=60, limit=2)]

    with ThreadPoolExecutor(1) as elsewhere, database.begin() as tx:
        mine = [message.id for message in tx.outbox.lease(NOW, seconds=60, limit=2)]
        assert (mine, elsewhere.submit(lease).result(1)) == (["0", "1"], ["2", "3"])


def test_statistics_follow_an_import_whose_rows_double_the_table(database: SqlDatabase, postgres: str) -> None:
    known = []
    for first in range(0, 8000, 1000):
        names = [f"ada{number}" for number in range(first, first + 1000)]
        with database.begin() as tx:
            tx.accounts.add_many(
                [Account(username=Username(name, name), name=name, email=None, created_at=NOW) for name in names]
            )
        [(number,)] = rows(postgres, "SELECT reltuples FROM pg_class WHERE relname = 'accounts'")
        known.append(int(number))
    assert all(there <= 2.2 * number for there, number in zip(range(1000, 9000, 1000), known, strict=True)), known
    assert len(set(known)) < 8, known


def test_windows_locked_in_opposite_orders_never_deadlock(database: SqlDatabase) -> None:
    def count(number: int) -> None:
        for _ in range(20):
            with database.begin() as tx:
                locked = tx.rate_limits.lock(["a", "b", "c"] if number % 2 else ["c", "b", "a", "b"])
                tx.rate_limits.save([replace(window, timestamps=(*window.timestamps, NOW)) for window in locked[:3]], NOW)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(4)))
    assert [len(window.timestamps) for window in database.rate_limits.get(["a", "b", "c"])] == [80, 80, 80]


def test_purge_skips_locked_rows(database: SqlDatabase) -> None:
    with database.begin() as tx:
        tx.rate_limits.save(tx.rate_limits.lock(["old", "used"]), NOW - 1)
    with ThreadPoolExecutor(1) as elsewhere, database.begin() as tx:
        tx.rate_limits.lock(["used"])
        assert elsewhere.submit(database.purge, NOW, limit=10).result(1) == 1
        tx.rate_limits.save([SlidingWindow("used", (NOW,))], NOW + 60)
    assert database.purge(NOW, limit=10) == 0
    assert database.rate_limits.get(["old", "used"]) == [SlidingWindow("old"), SlidingWindow("used", (NOW,))]


def test_one_of_two_deadlocked_transactions_gets_a_conflict(database: SqlDatabase) -> None:
    both = [stored(database, "one"), stored(database, "two")]
    both_locked = Barrier(2)

    def lock_both(order: list[Account]) -> str:
        try:
            with database.begin() as tx:
                tx.accounts.lock(order[0].id)
                both_locked.wait(5)
                tx.accounts.lock(order[1].id)
        except Unavailable as refused:
            return f"again in {refused.retry_after}"
        return "through"

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(lock_both, [both, both[::-1]])) == ["again in 0", "through"]


# --- faults -----------------------------------------------------------------------------------------------------------


def test_connections_that_the_server_closed_are_replaced(database: SqlDatabase, postgres: str) -> None:
    account = stored(database, "ada")
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: database.accounts.get(account.id), range(60)))
    assert len(rows(postgres, TERMINATE)) > 1
    assert database.accounts.get(account.id) == account
    rows(postgres, TERMINATE)
    assert stored(database, "bob").id == account.id + 1


def test_transaction_that_loses_its_connection_changes_nothing(database: SqlDatabase, postgres: str) -> None:
    def lose_connection(then: Callable[[Transaction], object]) -> None:
        with database.begin() as tx:
            tx.accounts.add(named("half"))
            rows(postgres, TERMINATE)
            then(tx)

    for then in (
        lambda tx: tx.accounts.get(1),
        lambda tx: tx.audit_log.add(Event(type=EventType.REGISTERED, occurred_at=NOW)),
        lambda tx: None,
    ):
        with pytest.raises(Unavailable):
            lose_connection(then)
    assert database.accounts.taken_fields(Username("half", "half"), [], NOW) == set()
    stored(database, "half")


def test_transaction_of_changes_alone_is_repeated_on_another_connection(database: SqlDatabase, postgres: str) -> None:
    stored(database, "ada")
    rows(postgres, TERMINATE)
    with database.begin() as tx:
        tx.audit_log.add(registered(1))
    assert [event.account_id for _, event in database.audit_log.find(AuditQuery(), limit=9)] == [1]


def test_transaction_whose_last_change_fails_stores_nothing(database: SqlDatabase) -> None:
    """Changes whose rows are not read travel with the COMMIT, and so fail there."""

    def change() -> None:
        with database.begin() as tx:
            tx.accounts.add(named("half"))
            tx.outbox.add(replace(message(1), failed_attempts=2**40))
            tx.audit_log.add(registered(1))

    with pytest.raises(RuntimeError, match="An earlier change"):
        change()
    assert database.accounts.taken_fields(Username("half", "half"), [], NOW) == set()
    assert database.audit_log.find(AuditQuery(), limit=9) == []
    stored(database, "half")


class CommitCuttingProxy:
    """A proxy in front of PostgreSQL that closes the connection instead of passing the response to COMMIT."""

    def __init__(self, url: str) -> None:
        there = make_url(url)
        self._there = (there.host or "127.0.0.1", there.port or 5432)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = there.set(host="127.0.0.1", port=self._socket.getsockname()[1]).render_as_string(hide_password=False)
        self.commits = 0
        self._thread = Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        here, _ = self._socket.accept()
        with here, socket.create_connection(self._there) as there:
            while request := here.recv(65536):
                there.sendall(request)
                answer = there.recv(65536)
                if b"COMMIT\0" in request:
                    self.commits += 1
                    return
                here.sendall(answer)

    def close(self) -> None:
        self._thread.join(10)
        self._socket.close()


def test_change_with_a_lost_commit_response_is_refused_and_not_repeated(database: SqlDatabase, postgres: str) -> None:
    """The change may have been committed: the caller must check before a retry."""
    proxy = CommitCuttingProxy(f"{postgres}{'&' if '?' in postgres else '?'}sslmode=disable&gssencmode=disable")
    with SqlDatabase(proxy.url, max_wait=0.1) as database_behind_proxy, pytest.raises(Unavailable) as refused:
        stored(database_behind_proxy, "ada")
    proxy.close()
    assert proxy.commits == 1
    assert refused.value.retry_after > 0, "callers must not retry automatically"
    assert refused.value.is_outcome_unknown
    assert refused.value.detail == "The change may have been made. Try again shortly."
    assert database.accounts.taken_fields(Username("ada", "ada"), [], NOW) == {"username"}


def test_transaction_that_waits_too_long_for_a_row_is_refused(postgres: str) -> None:
    with SqlDatabase(with_options(postgres, "lock_timeout=200ms")) as database:
        account = stored(database, "ada")
        with psycopg.connect(postgres) as other:
            other.execute("SELECT * FROM accounts FOR UPDATE")
            with at_most(2), pytest.raises(Unavailable):
                rename(database, account, "new")
            assert database.accounts.get(account.id) == account
        rename(database, account, "new")


def commit_after_failed_statement(database: SqlDatabase, account: Account) -> None:
    with database.begin() as tx:
        tx.accounts.add(named("half"))
        with suppress(Unavailable):
            tx.accounts.lock(account.id)


def test_transaction_with_a_failed_statement_is_not_committed(postgres: str) -> None:
    with SqlDatabase(with_options(postgres, "lock_timeout=50ms")) as database:
        account = stored(database, "ada")
        with psycopg.connect(postgres) as other:
            other.execute("SELECT * FROM accounts FOR UPDATE")
            with pytest.raises(Unavailable):
                commit_after_failed_statement(database, account)
        assert database.accounts.taken_fields(Username("half", "half"), [], NOW) == set()


def test_slow_statement_is_cancelled(postgres: str) -> None:
    sql = Postgres(with_options(postgres, "statement_timeout=50ms"))
    with at_most(2), pytest.raises(Unavailable):
        sql.query(text("SELECT pg_sleep(20)"))
    assert sql.query(text("SELECT 1")) == [(1,)]
    sql.close()


def calls_of_each_kind(database: SqlDatabase) -> list[Callable[[], Any]]:
    return [
        database.check,
        lambda: database.accounts.get(1),
        lambda: stored(database, "late"),
        lambda: database.purge(NOW, limit=1),
    ]


def test_call_without_a_free_connection_is_refused(postgres: str) -> None:
    with SqlDatabase(postgres, max_wait=0.05) as database, ThreadPoolExecutor(15) as threads:
        started, release = Barrier(16), Signal()

        def hold_connection(_: int) -> None:
            with database.begin():
                started.wait(10)
                release.wait(10)

        holding = [threads.submit(hold_connection, number) for number in range(15)]
        started.wait(10)
        for call in calls_of_each_kind(database):
            with at_most(1), pytest.raises(Unavailable):
                call()
        release.set()
        for transaction in holding:
            transaction.result(10)
        assert stored(database, "now").id == 1


def test_server_without_free_connections_is_unavailable() -> None:
    with PostgresServer(max_connections=5, superuser_reserved_connections=0) as server:
        migrate(server.url)
        with SqlDatabase(server.url) as database:
            connections = [psycopg.connect(server.url) for _ in range(5)]
            with at_most(1), pytest.raises(Unavailable):
                database.check()
            for connection in connections:
                connection.close()
            database.check()


def test_stopped_server_is_unavailable_at_once_until_it_restarts() -> None:
    with PostgresServer() as server:
        migrate(server.url)
        with SqlDatabase(server.url) as database:
            account = stored(database, "ada")
            server.stop()
            for call in calls_of_each_kind(database):
                with at_most(1), pytest.raises(Unavailable):
                    call()
            for starts in (migrate, prepare):
                with pytest.raises(Unavailable):
                    starts(server.url)
            server.start()
            database.check()
            assert database.accounts.get(account.id) == account
            assert stored(database, "bob").id > account.id


@pytest.mark.slow
def test_frozen_server_is_unavailable_until_it_resumes() -> None:
    with PostgresServer() as server:
        migrate(server.url)
        with SqlDatabase(server.url) as database:
            account = stored(database, "ada")
            [(backend,)] = rows(server.url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'vestibule'")
            server.signal(backend, signal.SIGSTOP)
            with at_most(RESPONSE_TIMEOUT + 0.5), pytest.raises(Unavailable):
                database.accounts.get(account.id)
            assert database.accounts.get(account.id) == account
            server.signal(backend, signal.SIGCONT)
            assert stored(database, "bob").id > account.id


@pytest.mark.slow
def test_outcome_of_a_commit_to_a_frozen_server_is_unknown() -> None:
    with PostgresServer() as server:
        migrate(server.url)
        with SqlDatabase(server.url) as database:

            def freeze_before_commit() -> None:
                with database.begin() as tx:
                    tx.accounts.add(named("ada"))
                    [(backend,)] = rows(server.url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'vestibule'")
                    server.signal(backend, signal.SIGSTOP)

            with pytest.raises(Unavailable) as refused:
                freeze_before_commit()
            assert refused.value.is_outcome_unknown


@pytest.mark.slow
def test_server_that_accepts_connections_and_never_responds_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        database = SqlDatabase(f"postgresql://127.0.0.1:{mute.getsockname()[1]}/name")
        with at_most(3), pytest.raises(Unavailable):
            database.check()


@pytest.mark.parametrize(
    "where", ["postgresql://127.0.0.1:1/name", "postgres://localhost:1/name", "postgresql://nowhere.invalid/x"]
)
def test_missing_server_is_unavailable(where: str) -> None:
    with SqlDatabase(where) as database:
        for call in calls_of_each_kind(database):
            with at_most(3), pytest.raises(Unavailable):
                call()


def test_unknown_database_name_is_unavailable(postgres_server: str) -> None:
    database = SqlDatabase(make_url(postgres_server).set(database="not_there").render_as_string(False))
    with pytest.raises(Unavailable):
        database.check()


def test_missing_driver_is_reported_with_the_extra_to_install() -> None:
    does = """
import builtins
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "psycopg":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
for call in (migrate, SqlDatabase):
    try:
        call(url)
    except ImportError as error:
        print(error)
"""
    with program("postgresql://127.0.0.1/name", does) as without:
        assert (
            without.communicate(timeout=20)[0] == "PostgreSQL needs an extra: pip install 'vestibule-accounts[postgres]'\n" * 2
        )


# --- statements -------------------------------------------------------------------------------------------------------

ALL = {
    **STATEMENTS,
    **SEARCHES,
    "rate_limits.lock_windows(3)": rate_limits.lock_windows(3),
    "rate_limits.select_windows(3)": rate_limits.select_windows(3),
    "accounts.holder_by_login(3)": accounts.holder_by_login(3),
    "audit_log.filtered(…)": audit_log.filtered("account_id", "since"),
}
WHOLE = {
    "migration.VERSION0": "has one row",
    "keys.LOCK0": "has one row",
    "keys._GET0": "has one row",
    "retention._PURGES5": "reads no more than the oldest few",
    "accounts._COUNT0": "counts all rows, for the operator",
    "accounts._LOCK_SUPERUSERS0": "reads the index of staff",
    "mobile_region.LOCK0": "has one row",
    "mobile_region.REGION0": "has one row",
    "rekeying.REGION0": "has one row",
    "rekeying._COUNT0": "counts all mobiles, for the operator, while the servers are stopped",
    "rekeying._DELETE_PROOFS0": "reads the proofs of a day, while the servers are stopped",
}


def plan(connection: "psycopg.Connection[Any]", statement: ClauseElement) -> list[dict[str, Any]]:
    """The plan of PostgreSQL if sequential scans are disabled."""
    compiled = statement.compile(dialect=make_url("postgresql+psycopg://").get_dialect()())
    example: dict[type, object] = {str: "x", int: 1, float: 1.0, bool: True, object: 1}
    values = {
        name: compiled.params[name] if compiled.params[name] is not None else example[bind.type.python_type]
        for bind, name in compiled.bind_names.items()  # type: ignore[attr-defined]  # of a compiled statement
    }
    [(rows_of_plan,)] = connection.execute(f"EXPLAIN (FORMAT JSON) {compiled}", values).fetchall()
    steps = [rows_of_plan[0]["Plan"]]
    for step in steps:
        steps += step.get("Plans", [])
    return steps


@pytest.fixture(scope="module")
def without_statistics(postgres_server: str) -> Iterator[str]:
    """The URL of a new database: those of the other tests' rows would decide plans."""
    with new_database(postgres_server) as url:
        migrate(url)
        yield url


@pytest.mark.parametrize("name", ALL)
def test_every_statement_finds_its_rows_by_an_index(without_statistics: str, name: str) -> None:
    with psycopg.connect(without_statistics) as connection:
        connection.execute("SET enable_seqscan = off")
        steps = plan(connection, ALL[name])
    through = [step for step in steps if step["Node Type"] == "Seq Scan"]
    through += [step for step in steps if "Index" in step["Node Type"] and "Index Cond" not in step]
    assert bool(through) == (name in WHOLE), steps


@pytest.mark.parametrize("name", SEARCH_INDEXES)
def test_each_filter_of_the_search_has_an_index_in_its_order(postgres: str, name: str) -> None:
    """Among many accounts of which few match. The index of all accounts is the one to take where most match."""
    with psycopg.connect(postgres) as connection:
        connection.execute("SET enable_seqscan = off")
        steps = plan(connection, SEARCHES[f"search by created, {name}"])
    indexes = {step["Index Name"] for step in steps if "Index Name" in step}
    assert SEARCH_INDEXES[name] in indexes or name in {"verified", "unverified"}
    assert "Sort" not in {step["Node Type"] for step in steps}


# --- audit log --------------------------------------------------------------------------------------------------------


def registered(account_id: int, at: float = NOW) -> Event:
    return Event(type=EventType.REGISTERED, occurred_at=at, account_id=account_id)


def stable_events(database: SqlDatabase, after: int, now: float) -> list[tuple[int, int | None]]:
    return [(position, event.account_id) for position, event in database.audit_log.read_stable_after(after, now, limit=9)]


def test_event_committed_after_a_later_one_is_not_missed(database: SqlDatabase) -> None:
    wrote, go_on = Signal(), Signal()

    def slow() -> None:
        with database.begin() as tx:
            tx.audit_log.add(registered(2))
            tx.accounts.get(1)  # sends the event too
            wrote.set()
            assert go_on.wait(10)

    with database.begin() as tx:
        tx.audit_log.add(registered(1))
    with ThreadPoolExecutor(1) as threads:
        late = threads.submit(slow)
        assert wrote.wait(10)
        with database.begin() as tx:
            tx.audit_log.add(registered(3))
            tx.audit_log.add(registered(4))
        assert [event.account_id for _, event in database.audit_log.find(AuditQuery(), limit=9)] == [1, 3, 4]
        assert stable_events(database, 0, NOW) == [(1, 1)]
        assert stable_events(database, 1, NOW) == []
        go_on.set()
        late.result(10)
    assert stable_events(database, 1, NOW) == [(2, 2), (3, 3), (4, 4)]


def test_reader_among_many_writers_sees_each_event_once(database: SqlDatabase) -> None:
    def write(writer: int) -> None:
        for number in range(40):
            with database.begin() as tx:
                tx.audit_log.add(registered(writer * 100 + number, time.time()))
                time.sleep(0.002 * ((writer + number) % 4))

    seen = list[tuple[int, int | None]]()
    with ThreadPoolExecutor(6) as threads:
        writing = [threads.submit(write, writer) for writer in range(6)]
        deadline = time.monotonic() + 20
        while (len(seen) < 240 or not all(writer.done() for writer in writing)) and time.monotonic() < deadline:
            seen += stable_events(database, seen[-1][0] if seen else 0, time.time())
    positions = [position for position, _ in seen]
    assert positions == sorted(positions)
    assert sorted(account or 0 for _, account in seen) == sorted(w * 100 + n for w in range(6) for n in range(40))


def test_rolled_back_event_delays_readers_for_a_minute(database: SqlDatabase) -> None:
    with suppress(KeyError), database.begin() as tx:
        tx.audit_log.add(registered(1))
        tx.accounts.get(1)  # sends the event too
        raise KeyError
    with database.begin() as tx:
        tx.audit_log.add(registered(2))
    assert stable_events(database, 0, NOW + 59) == []
    assert stable_events(database, 0, NOW + 60) == [(2, 2)]


def test_purged_events_do_not_delay_readers(database: SqlDatabase) -> None:
    days = 86_400.0
    for account_id, at in ((1, NOW), (2, NOW), (3, NOW + 399 * days)):
        with database.begin() as tx:
            tx.audit_log.add(registered(account_id, at))
    assert database.purge(NOW + 401 * days, limit=9) == 2
    assert stable_events(database, 0, NOW + 401 * days) == [(3, 3)]
