"""The numbers of transactions, statements and round trips of each use case, which, unlike seconds, are reproducible."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
from tests.support.imports import row, run_import
from tests.support.postgres_proxy import CountingProxy

from vestibule import Settings, build
from vestibule.adapters.database import migrate
from vestibule.application import Caller, Identity, Refusal
from vestibule.entrypoints.facade import Vestibule

PASSWORD, OTHER_PASSWORD = "nine quiet orange boats", "seven loud purple trains"
CALLER = Caller("198.51.100.7", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
BEGINS = ("BEGIN IMMEDIATE", "BEGIN ISOLATION LEVEL READ COMMITTED")
ENDS = ("COMMIT", "ROLLBACK", "SAVEPOINT attempt", "ROLLBACK TO SAVEPOINT attempt", "RELEASE part", "SAVEPOINT part")


class Cost(NamedTuple):
    """The cost of a call: its transactions and statements, equal on both databases, and its round trips to PostgreSQL.

    BEGIN, COMMIT and savepoints do not count as statements.
    """

    transactions: int
    statements: int
    trips: int


Counting = Callable[[], AbstractContextManager[list[Cost]]]
"""Opens a block, and fills the list with its cost at its end."""

COSTS: Mapping[str, Cost] = {
    "authenticate": Cost(0, 1, 1),
    "authenticate_many of 20": Cost(0, 1, 1),
    "check_unique": Cost(0, 1, 1),
    "refresh": Cost(1, 3, 2),
    "log_in": Cost(1, 6, 5),
    "log_in refused": Cost(1, 4, 3),
    "log_in_by_code": Cost(1, 9, 6),
    "log_in_by_code that claims": Cost(1, 20, 9),
    "register": Cost(1, 6, 5),
    "register_or_log_in": Cost(1, 21, 15),
    "request_code": Cost(1, 6, 3),
    "request_code by mobile": Cost(1, 10, 4),
    "request_registration_code": Cost(1, 8, 4),
    "reset_password": Cost(2, 18, 12),
    "verify_code": Cost(1, 6, 4),
    "verify_code refused": Cost(1, 6, 4),
}


class CountingConnection(sqlite3.Connection):
    """A connection that counts each statement that SQLite executes."""

    executed: ClassVar[Counter[str]] = Counter()

    def execute(self, text: str, *values: Any) -> sqlite3.Cursor:
        self.executed[text] += 1
        return super().execute(text, *values)


def counting_statements(executed: Counter[str], trips: Callable[[], int]) -> Counting:
    @contextmanager
    def count() -> Iterator[list[Cost]]:
        executed.clear()
        costs: list[Cost] = []
        before = trips()
        try:
            yield costs
        finally:
            begins = sum(executed[command] for command in BEGINS)
            statements = executed.total() - begins - sum(executed[command] for command in ENDS)
            costs.append(Cost(begins, statements, trips() - before))

    return count


def calls(vestibule: Vestibule, counting: Counting) -> dict[str, Cost]:
    """Makes each call twice and returns the counts of the second one: the first may load caches."""
    counts: dict[str, Cost] = {}

    def count(name: str, call: Any, /, **arguments: Any) -> Any:
        answer = None
        with counting() as executed:
            try:
                answer = call(**arguments)
            except Refusal as refusal:
                answer = refusal
        counts[name] = executed[0]
        return answer

    for name in ("ann", "bob"):
        fields = {"username": name, "name": name, "email": f"{name}@example.com", "password": PASSWORD}
        count("register", vestibule.register, **fields, caller=CALLER)
        count("check_unique", vestibule.check_unique, prop="email", value=f"{name}@example.com", caller=CALLER)
        tokens = count("log_in", vestibule.log_in, username=name, password=PASSWORD, caller=CALLER)
        count("log_in refused", vestibule.log_in, username=name, password="another one", caller=CALLER)
        assert isinstance(count("authenticate", vestibule.authenticate, token=tokens.access_token), Identity)
        count("authenticate_many of 20", vestibule.authenticate_many, tokens=[tokens.access_token] * 20)
        count("refresh", vestibule.refresh, refresh=tokens.refresh_token, caller=CALLER)
        address = f"stranger.{name}@example.com"
        count("request_code", vestibule.request_code, destination=address, caller=CALLER)
        count("verify_code refused", vestibule.verify_code, destination=address, verify_otp="0", caller=CALLER)
        count("verify_code", vestibule.verify_code, destination=address, verify_otp=code(vestibule), caller=CALLER)
        count_codes(count, vestibule, name)
    return counts


def count_codes(count: Any, vestibule: Vestibule, name: str) -> None:
    """Counts the calls by which a code opens an account; the first claims it. Its network is known then, and has codes
    of its own."""
    own, elsewhere = f"{name}@example.com", Caller(f"203.0.113.{ord(name[0])}", CALLER.user_agent)
    for described in ("log_in_by_code that claims", "log_in_by_code"):
        vestibule.request_code(destination=own, is_login=True, caller=CALLER)
        count(described, vestibule.log_in_by_code, destination=own, verify_otp=code(vestibule), caller=CALLER)
    ask = partial(vestibule.request_code, destination=f"+49151123456{ord(name[0])}")
    count("request_code by mobile", ask, email=f"friend.{name}@example.com", caller=elsewhere)
    fields = {"name": name, "email": f"new.{name}@example.com", "mobile": f"+49170123456{ord(name[0])}", "caller": elsewhere}
    count("request_registration_code", vestibule.request_registration_code, **fields)
    count("register_or_log_in", vestibule.register_or_log_in, **fields, verify_otp=code(vestibule, -2))  # that of the mail
    vestibule.request_code(destination=f"new.{name}@example.com", caller=elsewhere)
    reset = partial(vestibule.reset_password, email=f"new.{name}@example.com", password=OTHER_PASSWORD, caller=elsewhere)
    count("reset_password", reset, otp=code(vestibule))


def code(vestibule: Vestibule, number: int = -1) -> str:
    """Returns the code that was requested last, or another of the latest."""
    deliver = vestibule.deliver_messages
    challenges = [entry.message.challenge for entry in deliver.database.outbox.find(failed=False, after=0, limit=99)]
    last = [challenge for challenge in challenges if challenge is not None][number]
    return deliver.codes.code(*last)


def test_round_trips_of_an_import_do_not_grow_with_its_rows(postgres: str, tmp_path: Path) -> None:
    migrate(postgres)
    with CountingProxy(postgres) as proxy:
        counting = counting_statements(proxy.statements, lambda: proxy.trips)
        with build(Settings(data_dir=tmp_path, database_url=proxy.url), run_workers=False) as vestibule:

            def trips(numbers: range) -> int:
                rows = [row(number, email=f"user{number}@example.com", id=number) for number in numbers]
                with counting() as costs:
                    run_import(vestibule, *rows)
                return costs[0].trips

            trips(range(1, 101))  # which reads keys, and prepares statements
            assert trips(range(101, 201)) <= 13
            assert trips(range(201, 1201)) <= 42
            assert trips(range(201, 1201)) <= 12  # nothing has changed


def test_statement_counts_on_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=CountingConnection))
    counting = counting_statements(CountingConnection.executed, lambda: 0)
    with build(Settings(data_dir=tmp_path), run_workers=False) as vestibule:
        costs = {call: cost._replace(trips=0) for call, cost in COSTS.items()}
        registered = costs["register_or_log_in"]
        costs["register_or_log_in"] = registered._replace(statements=registered.statements + 1)  # the region of mobiles
        assert calls(vestibule, counting) == costs


def test_statement_counts_and_round_trips_on_postgres(postgres: str, tmp_path: Path) -> None:
    migrate(postgres)
    with CountingProxy(postgres) as proxy:
        counting = counting_statements(proxy.statements, lambda: proxy.trips)
        with build(Settings(data_dir=tmp_path, database_url=proxy.url), run_workers=False) as vestibule:
            assert calls(vestibule, counting) == COSTS
