"""The numbers of transactions and statements of each use case, which, unlike seconds, are reproducible."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest

from vestibule import Settings, build
from vestibule.adapters.database import migrate
from vestibule.application import Caller, Identity, Refusal
from vestibule.entrypoints.facade import Vestibule

PASSWORD, OTHER_PASSWORD = "nine quiet orange boats", "seven loud purple trains"
CALLER = Caller("198.51.100.7", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
BEGINS = ("BEGIN IMMEDIATE", "BEGIN ISOLATION LEVEL READ COMMITTED")
ENDS = ("COMMIT", "ROLLBACK", "SAVEPOINT attempt", "RELEASE part", "SAVEPOINT part")

COSTS: Mapping[str, tuple[int, int]] = {
    "authenticate": (0, 1),
    "authenticate_many of 20": (0, 1),
    "check_unique": (0, 1),
    "refresh": (1, 3),
    "log_in": (1, 8),
    "log_in refused": (1, 5),
    "log_in_by_code": (1, 10),
    "log_in_by_code that claims": (1, 21),
    "register": (1, 5),
    "register_or_log_in": (1, 21),
    "request_code": (1, 6),
    "request_code by mobile": (1, 10),
    "request_registration_code": (1, 8),
    "reset_password": (2, 18),
    "verify_code": (1, 6),
    "verify_code refused": (1, 6),
}
"""The transactions and statements of each call, equal on both databases. BEGIN, COMMIT and savepoints do not count."""


class CountingConnection(sqlite3.Connection):
    """A connection that counts each statement that SQLite executes."""

    executed: ClassVar[Counter[str]] = Counter()

    def execute(self, text: str, *values: Any) -> sqlite3.Cursor:
        self.executed[text] += 1
        return super().execute(text, *values)


class Counting:
    """A counter of the statements that the database executes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._executed = CountingConnection.executed
        monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=CountingConnection))
        monkeypatch.setattr(psycopg.Cursor, "execute", self._counting(psycopg.Cursor.execute))

    def _counting(self, execute: Any) -> Any:
        def counted(cursor: Any, text: Any, *values: Any, **options: Any) -> Any:
            self._executed[str(text)] += 1
            return execute(cursor, text, *values, **options)

        return counted

    @contextmanager
    def __call__(self) -> Iterator[list[tuple[int, int]]]:
        """Yields a list that gets the counts of the block at its end."""
        self._executed.clear()
        counts: list[tuple[int, int]] = []
        try:
            yield counts
        finally:
            begins = sum(self._executed[command] for command in BEGINS)
            counts.append((begins, self._executed.total() - begins - sum(self._executed[command] for command in ENDS)))


def calls(vestibule: Vestibule, counting: Counting) -> dict[str, tuple[int, int]]:
    """Makes each call twice and returns the counts of the second one: the first may load caches."""
    counts: dict[str, tuple[int, int]] = {}

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


def test_statement_counts_on_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)
    with build(Settings(data_dir=tmp_path), run_workers=False) as vestibule:
        assert calls(vestibule, counting) == COSTS


def test_statement_counts_on_postgres(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)
    migrate(postgres)
    with build(Settings(data_dir=tmp_path, database_url=postgres), run_workers=False) as vestibule:
        assert calls(vestibule, counting) == COSTS
