"""The least work of each call, without Vestibule: `python -m benchmarks.baselines NAME SECONDS CORES [URL]`.

Prints operations a second, in one thread, and microseconds of processor for each.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Callable, Generator, Iterator
from io import BytesIO
from itertools import count
from tempfile import TemporaryDirectory

import psycopg
from argon2 import PasswordHasher
from PIL import Image

from vestibule.adapters.database import migrate

from .calls import picture
from .machine import pin
from .servers import COST, PASSWORD

Operation = Callable[[], object]

_CHALLENGE = """
    INSERT INTO challenges (
        address_kind, canonical_address, purpose, from_known_network, id, address, on_behalf_of, reference, is_decoy, sent_at,
        expires_at, failed_attempts, failed_attempts_elsewhere, network, used_at
    )
    VALUES ('email', :n || '@example.com', 'otp', 0, :n, :n || '@example.com', NULL, '7K3D', 0, 1.0, 2.0, 0, 0,
            '127.0.0.1', NULL)
"""
_MESSAGE = """
    INSERT INTO outbox (
        position, id, channel, recipient, template, challenge, parameters, not_before, expires_at, failed_attempts, due_at,
        failure_reason, account_id, priority, turn
    )
    VALUES (NULL, :n, 'email', :n || '@example.com', 'code', '["id", "otp", "testuser@example.com"]',
            '{"reference": "7K3D", "purpose": "otp", "minutes": "5"}', 1.0, 2.0, 0, 1.0, NULL, NULL, 0, 1.0)
"""
_EVENT = """
    INSERT INTO audit_log (occurred_at, type, account_id, session_id, caller_ip_address, request_id, detail)
    VALUES (1.0, {}, '127.0.0.1', :n, {})
"""
_WRITES = {
    "send": (
        "INSERT OR REPLACE INTO rate_limits VALUES ('code-requests:' || :n, '[1800000000.25]', 1.0)",
        "INSERT OR REPLACE INTO rate_limits VALUES ('codes-sent:' || :n, '[1800000000.25]', 1.0)",
        _CHALLENGE,
        _MESSAGE,
        _EVENT.format("'code_sent', NULL, NULL", "'otp'"),
    ),
    "verify": (
        "UPDATE challenges SET used_at = 1.0 WHERE id = :n",
        "INSERT INTO proofs VALUES (:n, 'email', :n || '@example.com', :n || '@example.com', 1.0, '127.0.0.1')",
    ),
    "refresh": (
        "UPDATE sessions SET generation = generation + 1, refreshed_at = 2.0, expires_at = 3.0 WHERE id = 'one'",
        _EVENT.format("'refreshed', 1, 'one'", "''"),
    ),
}
"""The rows that a call writes, for one number `n`."""


def argon2() -> Iterator[Operation]:
    hasher = PasswordHasher(*COST)
    stored = hasher.hash(PASSWORD)
    yield lambda: hasher.verify(stored, PASSWORD)


def image() -> Iterator[Operation]:
    data = picture()

    def operation() -> None:
        with Image.open(BytesIO(data)) as opened:
            opened.convert("RGB").save(BytesIO(), "WEBP", quality=80)

    yield operation


def sqlite_write(what: str) -> Generator[Operation, None, None]:
    """Durable transactions, one after another, on one connection."""
    with TemporaryDirectory(dir=".build") as directory:
        path = f"{directory}/baseline.db"
        migrate(f"sqlite:///{path}")
        connection = sqlite3.connect(path, isolation_level=None, cached_statements=64)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(
            "INSERT INTO sessions VALUES ('one', 1, 1.0, 1.0, 1.0, 0, -1, NULL, '127.0.0.1', NULL, NULL, '127.0.0.1')"
        )
        numbers = count()
        if what == "verify":
            connection.execute("BEGIN")
            for number in range(100_000):
                connection.execute(_CHALLENGE, {"n": f"{number:026}"})
            connection.execute("COMMIT")

        def operation() -> None:
            values = {"n": f"{next(numbers):026}"}
            connection.execute("BEGIN IMMEDIATE")
            for text in _WRITES[what]:
                connection.execute(text, values)
            connection.execute("COMMIT")

        yield operation
        connection.close()


def sqlite_read(url: str) -> Iterator[Operation]:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    numbers = count()
    yield lambda: connection.execute("SELECT * FROM accounts WHERE id = ?", (next(numbers) % 1000 + 1,)).fetchall()
    connection.close()


def postgres_read(url: str) -> Iterator[Operation]:
    with psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection:
        numbers = count()
        yield lambda: connection.execute("SELECT * FROM accounts WHERE id = %s", (next(numbers) % 1000 + 1,)).fetchall()


def measured(ready: Iterator[Operation], seconds: float) -> dict[str, float]:
    operation = next(ready)
    operation()
    begun, used = time.perf_counter(), time.process_time()
    times = 0
    while (now := time.perf_counter()) - begun < seconds:
        operation()
        times += 1
    cost = (time.process_time() - used) / times
    next(ready, None)
    return {"rate": times / (now - begun), "cpu": cost * 1e6}


def main(which: str, seconds: str, cores: str, *url: str) -> None:
    pin({int(core) for core in cores.split(",") if core})
    makers: dict[str, Callable[..., Iterator[Operation]]] = {
        "argon2": argon2,
        "image": image,
        "sqlite-read": sqlite_read,
        "postgres-read": postgres_read,
        "sqlite-send": lambda: sqlite_write("send"),
        "sqlite-verify": lambda: sqlite_write("verify"),
        "sqlite-refresh": lambda: sqlite_write("refresh"),
    }
    print(json.dumps(measured(makers[which](*url), float(seconds))))


if __name__ == "__main__":
    main(*sys.argv[1:])
