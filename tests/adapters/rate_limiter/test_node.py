"""Promises of rate limits in a file beyond the port: shared by processes, some killed, and in force without the file."""

import logging
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic

import pytest
from tests.support.rate_limiters import PATIENCE, NoFallback

from vestibule.adapters.rate_limiter import MemoryRateLimiter, NodeRateLimiter, node_limits_file, remove_node_limits
from vestibule.adapters.rate_limiter.shared import RETRY_SECONDS
from vestibule.application.ports import RateLimiter
from vestibule.domain.rate_limits import RateLimit
from vestibule.testing import ManualClock

NOW = 1_700_000_000.0
MINUTE = (RateLimit(3, 60),)
HUNDRED = (RateLimit(100, 60),)

PROCESS = """
import os, sys
from pathlib import Path
from vestibule.adapters.rate_limiter import MemoryRateLimiter, NodeRateLimiter
from vestibule.domain.rate_limits import RateLimit

class NoFallback(MemoryRateLimiter):
    def hit(self, *_):
        os._exit(9)

file, now = Path(sys.argv[1]), float(sys.argv[2])
rate_limiter = NodeRateLimiter(file, NoFallback(), timeout=10)

def hit(key="a", count=100):
    return rate_limiter.hit(key, (RateLimit(count, 60),), now)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return node_limits_file(tmp_path)


@contextmanager
def open_rate_limiter(
    file: Path, fallback: RateLimiter | None = None, *, clock: Callable[[], float] = monotonic, timeout: float = PATIENCE
) -> Iterator[NodeRateLimiter]:
    with closing(
        NodeRateLimiter(file, NoFallback() if fallback is None else fallback, clock=clock, timeout=timeout)
    ) as rate_limiter:
        yield rate_limiter


def process(file: Path, script: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", PROCESS + script, str(file), str(NOW)], stdout=subprocess.PIPE)


# --- sharing ----------------------------------------------------------------------------------------------------------


def test_two_processes_never_exceed_the_limit_together(file: Path) -> None:
    script = "print(sum(hit() == 0 for _ in range(80)))"
    outputs = [one.communicate(timeout=60)[0] for one in [process(file, script) for _ in range(2)]]
    assert sum(map(int, outputs)) == 100


def test_counts_survive_a_process_that_is_killed_while_it_counts(file: Path) -> None:
    script = "for n in range(10**6):\n    hit(str(n))\n    if n == 20: print(hit(count=99), flush=True)"
    with open_rate_limiter(file) as rate_limiter:
        for number in range(5):
            with process(file, script) as counting:
                assert counting.stdout
                assert counting.stdout.readline() == b"0\n"
                counting.send_signal(signal.SIGKILL)
                assert counting.wait(10) == -signal.SIGKILL
            assert rate_limiter.hit("b", MINUTE, NOW) == (0 if number < 3 else 60)
        assert [rate_limiter.hit("a", (RateLimit(count, 60),), NOW) for count in (5, 6)] == [60, 0]


def test_forked_process_counts_by_a_connection_of_its_own(file: Path) -> None:
    script = (
        "assert hit() == 0\n"
        "if (child := os.fork()) == 0:\n    os._exit(hit())\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "print(hit(count=2), hit(count=3))\n"
    )
    assert process(file, script).communicate(timeout=60)[0] == b"60 0\n"


def test_files_belong_to_their_owner_and_hold_no_address(file: Path) -> None:
    with open_rate_limiter(file) as rate_limiter:
        rate_limiter.hit("calls:192.0.2.77", MINUTE, NOW)
        written = list(file.parent.iterdir())
        assert len(written) == 3
        assert [path.stat().st_mode & 0o077 for path in written] == [0, 0, 0]
        assert not any(b"192.0.2.77" in path.read_bytes() for path in written)
    remove_node_limits(file.parent)
    assert list(file.parent.iterdir()) == []


# --- size -------------------------------------------------------------------------------------------------------------


def rows(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        count: int = connection.execute("SELECT count(*) FROM windows").fetchone()[0]
    return count


def test_expired_keys_are_evicted(file: Path) -> None:
    with open_rate_limiter(file) as rate_limiter:
        for number in range(300):
            rate_limiter.hit(str(number), MINUTE, NOW)
        for number in range(300, 460):
            rate_limiter.hit(str(number), MINUTE, NOW + 60)
    assert rows(file) == 160


def test_full_file_evicts_the_keys_that_expire_first(file: Path) -> None:
    with closing(NodeRateLimiter(file, NoFallback(), max_bytes=40_000)) as rate_limiter:
        for number in range(2000):
            rate_limiter.hit(str(number), MINUTE, NOW + number / 100)
        assert rate_limiter.hit("1999", (RateLimit(1, 60),), NOW + 20) > 0
        assert rate_limiter.hit("0", (RateLimit(1, 60),), NOW + 20) == 0
    assert rows(file) < 1000
    assert file.stat().st_size < 80_000


# --- failures ---------------------------------------------------------------------------------------------------------


def test_limits_hold_in_each_process_while_the_file_cannot_be_used(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vestibule.rate_limiter")
    clock = ManualClock()
    file.mkdir()
    with open_rate_limiter(file, MemoryRateLimiter(), clock=clock) as rate_limiter:
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]
        file.rmdir()
        assert rate_limiter.hit("a", MINUTE, NOW) == 60, "the file is tried again later"
        clock.advance(RETRY_SECONDS)
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]
    assert [record.getMessage() for record in caplog.records] == [
        "The file of shared rate limits is unavailable (IsADirectoryError): each process applies the rate limits by itself",
        "The file of shared rate limits is available again",
    ]


def test_process_that_blocks_the_file_stops_no_other(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    with open_rate_limiter(file, MemoryRateLimiter(), clock=clock, timeout=0.01) as rate_limiter:
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(3)] == [0, 0, 0]
        with closing(sqlite3.connect(file, isolation_level=None)) as blocking:
            blocking.execute("BEGIN IMMEDIATE")
            assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]
        clock.advance(RETRY_SECONDS)
        assert rate_limiter.hit("a", MINUTE, NOW) == 60
        assert rate_limiter.hit("b", MINUTE, NOW) == 0
    assert [record.getMessage().partition(": ")[0] for record in caplog.records] == [
        "The file of shared rate limits is unavailable (OperationalError)",
        "The file of shared rate limits is available again",
    ]


def test_damaged_file_is_replaced_by_the_next_server(file: Path) -> None:
    file.write_bytes(b"no database " * 1000)
    clock = ManualClock()
    with open_rate_limiter(file, MemoryRateLimiter(), clock=clock) as rate_limiter:
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]
        remove_node_limits(file.parent)
        clock.advance(RETRY_SECONDS)
        assert rate_limiter.hit("a", MINUTE, NOW) == 0
    assert rows(file) == 1
