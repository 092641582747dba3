"""What each call costs its database: so many transactions and statements, and not one more. Seconds differ, these do not."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from vestibule import Settings, build
from vestibule.adapters.database import migrate, postgres, sqlite_unit, sqlite_writer
from vestibule.application import Caller, Identity, Refusal
from vestibule.entrypoints.facade import Vestibule

PASSWORD = "nine quiet orange boats"
CALLER = Caller("198.51.100.7", "an agent")
BEGINS = ("BEGIN IMMEDIATE", "BEGIN ISOLATION LEVEL READ COMMITTED")
ENDS = ("COMMIT", "ROLLBACK", "SAVEPOINT attempt", "RELEASE part", "SAVEPOINT part")

COSTS: Mapping[str, tuple[int, int]] = {
    "authenticate": (0, 1),
    "authenticate_many of 20": (0, 1),
    "check_unique": (0, 1),
    "refresh": (1, 3),
    "log_in": (1, 8),
    "log_in refused": (1, 7),
    "register": (1, 4),
    "request_code": (1, 7),
    "verify_code": (1, 5),
    "verify_code refused": (1, 6),
}
"""Transactions and statements of each call, the same on both databases; what begins and ends a transaction is no statement."""


class Counting:
    """Counts what is said to the database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._said: Counter[str] = Counter()
        for module, name in ((sqlite_unit, "execute"), (sqlite_writer, "execute"), (postgres, "_execute"), (postgres, "_say")):
            monkeypatch.setattr(module, name, self._counting(getattr(module, name)))
        monkeypatch.setattr(sqlite_writer, "begin_alone", self._counting(sqlite_unit.begin_alone, "BEGIN IMMEDIATE"))

    def _counting(self, execute: Any, always: str | None = None) -> Any:
        def counted(connection: Any, text: Any, *values: Any) -> Any:
            self._said[always or text] += 1
            return execute(connection, text, *values)

        return counted

    @contextmanager
    def __call__(self) -> Iterator[list[tuple[int, int]]]:
        """What is counted within the block is in the list afterwards."""
        self._said.clear()
        found: list[tuple[int, int]] = []
        try:
            yield found
        finally:
            begun = sum(self._said[command] for command in BEGINS)
            found.append((begun, self._said.total() - begun - sum(self._said[command] for command in ENDS)))


def calls(vestibule: Vestibule, counting: Counting) -> dict[str, tuple[int, int]]:
    """Each call twice, since the first time may be another: what the second one cost."""
    seen: dict[str, tuple[int, int]] = {}

    def count(what: str, call: Any, /, **question: Any) -> Any:
        answer = None
        with counting() as found:
            try:
                answer = call(**question)
            except Refusal as refusal:
                answer = refusal
        seen[what] = found[0]
        return answer

    for name in ("ann", "bob"):
        fields = {"username": name, "name": name, "email": f"{name}@example.com", "password": PASSWORD}
        count("register", vestibule.register, **fields, caller=CALLER)
        count("check_unique", vestibule.check_unique, prop="email", value=f"{name}@example.com", caller=CALLER)
        tokens = count("log_in", vestibule.log_in, username=name, password=PASSWORD, caller=CALLER)
        count("log_in refused", vestibule.log_in, username=name, password="another one", caller=CALLER)
        assert isinstance(count("authenticate", vestibule.authenticate, token=tokens.token), Identity)
        count("authenticate_many of 20", vestibule.authenticate_many, tokens=[tokens.token] * 20)
        count("refresh", vestibule.refresh, refresh=tokens.refresh_token, caller=CALLER)
        address = f"stranger.{name}@example.com"
        count("request_code", vestibule.request_code, destination=address, caller=CALLER)
        count("verify_code refused", vestibule.verify_code, destination=address, verify_otp="0", caller=CALLER)
        count("verify_code", vestibule.verify_code, destination=address, verify_otp=code(vestibule), caller=CALLER)
    return seen


def code(vestibule: Vestibule) -> str:
    """The one that was asked for last."""
    deliver = vestibule.deliver_messages
    challenges = [one.message.challenge for one in deliver.database.outbox.find(failed=False, after=0, limit=99)]
    last = [challenge for challenge in challenges if challenge is not None][-1]
    return deliver.codes.code(*last)


def test_no_call_asks_sqlite_more_than_it_has_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)
    with build(Settings(data_dir=tmp_path), deliver=False) as vestibule:
        assert calls(vestibule, counting) == COSTS


def test_no_call_asks_postgres_more_than_it_has_to(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)
    migrate(postgres)
    with build(Settings(data_dir=tmp_path, database_url=postgres), deliver=False) as vestibule:
        assert calls(vestibule, counting) == COSTS
