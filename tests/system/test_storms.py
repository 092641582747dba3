"""Overload: excess calls are refused at once, and other calls are served as usual."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.http_client import Client, concurrently
from tests.support.processes import worker
from tests.support.server import Server

pytestmark = pytest.mark.faults

MAX_P99 = 0.25
"""Seconds within which 99 of 100 reads complete during overload. The target is 50 ms on two idle cores."""

MAX_GROWTH = 96 * 1024
"""KiB by which a worker may grow during overload: the C library does not return all memory of its threads."""
USERS = 8


@dataclass(frozen=True)
class Load:
    """The outcomes of the excess calls with their counts, and the seconds of each read in the meantime."""

    seen: dict[str, int]
    seconds: list[float]

    @property
    def p99(self) -> float:
        return sorted(self.seconds)[len(self.seconds) * 99 // 100]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("storms") / "data", rate_limits="off") as server:
        yield server
        assert "Traceback" not in server.output
        assert "worker-" not in server.output, "no worker died"


@pytest.fixture(scope="module")
def tokens(server: Server) -> list[str]:
    """Access tokens of the users of the excess calls. The hashing threads are started by then."""
    with Client(server.port) as client:
        tokens = [str(client.tokens(f"busy{number}x")["token"]) for number in range(USERS)]
    concurrently(server.port, [lambda client: client.log_in("busy0x")] * 16)
    return tokens


def storm(server: Server, name: str, clients: int, seconds: float, *tokens: str) -> Load:
    program = [sys.executable, "-m", "tests.support.storm", str(server.port), name, str(clients), str(seconds), *tokens]
    root = Path(__file__).parents[2]
    with subprocess.Popen(program, cwd=root, stdout=subprocess.PIPE, text=True) as storming, Client(server.port) as client:
        token = client.tokens("calm0x")["token"]
        assert storming.stdout is not None
        assert storming.stdout.readline() == "started\n"
        seconds_of_reads = []
        while storming.poll() is None:
            begun = time.monotonic()
            assert client.account(token).status == 200
            seconds_of_reads.append(time.monotonic() - begun)
            time.sleep(0.002)
        assert storming.returncode == 0
        load = Load(json.loads(storming.stdout.read()), seconds_of_reads)
    sys.stdout.write(f"{name}: {load.seen}; {len(seconds_of_reads)} reads, 99 of 100 within {load.p99 * 1000:.0f} ms\n")
    return load


def test_login_storm_does_not_delay_reads(server: Server, tokens: list[str]) -> None:
    before = worker(server.process.pid).kib
    load = storm(server, "log_in", 64, 5)
    assert load.seen.keys() <= {"200", "503 1"}
    assert load.seen["200"] > 50
    assert load.seen["503 1"] > 50
    assert load.p99 < MAX_P99
    assert worker(server.process.pid).kib - before < MAX_GROWTH
    with Client(server.port) as client:
        for number in range(USERS):
            assert client.log_in(f"busy{number}x").status == 200


def test_upload_storm_does_not_delay_reads(server: Server, tokens: list[str]) -> None:
    before = worker(server.process.pid).kib
    load = storm(server, "upload", 32, 3, *tokens)
    assert load.seen.keys() <= {"201", "503 1", "cut off"}
    assert load.seen["201"] > 5
    assert load.p99 < MAX_P99
    assert worker(server.process.pid).kib - before < MAX_GROWTH
    with Client(server.port) as client:
        images = {name for token in tokens if (name := client.account(token).json["profile_image"])}
    assert {file.name for file in (server.data_dir / "images").iterdir()} == {name.rpartition("/")[2] for name in images}


def test_code_storm_does_not_delay_reads(server: Server, tokens: list[str]) -> None:
    before = worker(server.process.pid).kib
    load = storm(server, "send", 16, 1)
    assert load.seen.keys() <= {"201", "503 1"}
    assert load.seen["201"] > 20
    assert load.p99 < MAX_P99
    assert worker(server.process.pid).kib - before < MAX_GROWTH
    with Client(server.port) as client:
        response = client.send_code("afterwards@example.com")
    assert len(server.code("afterwards@example.com", response.json["reference"], within=30)) == 6
