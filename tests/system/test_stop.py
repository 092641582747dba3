"""Shutdown of a server: requests it finishes, the time it takes, and processes it leaves."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.http_client import PASSWORD, Client, random_png
from tests.support.processes import below, eventually, worker
from tests.support.server import Server

pytestmark = pytest.mark.faults

HALF = b'POST /isunique/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 39\r\n\r\n{"prop":"username",'
OTHER_HALF = b'"value":"somebody1"}'
HALF_A_HEADER = b"GET /healthz HTTP/1.1\r\nHost"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data", rate_limits="off") as server:
        yield server


def incomplete_request(server: Server, data: bytes = HALF) -> socket.socket:
    """Sends part of a request, which the server begins to read; returns the open connection."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    connection.sendall(data)
    time.sleep(0.2)
    return connection


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except ConnectionRefusedError:
        return True
    return False


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_stop_finishes_requests_and_accepts_no_new_ones(server: Server) -> None:
    with Client(server.port) as client:
        client.register("user2x")
    with incomplete_request(server) as slow, ThreadPoolExecutor(4) as threads:
        body = {"username": "user2x", "password": PASSWORD}
        logins = [threads.submit(server.call, "POST", "/login/", body) for _ in range(4)]
        time.sleep(0.05)
        server.process.send_signal(signal.SIGTERM)
        assert [login.result()[0] for login in logins] == [200] * 4
        assert eventually(lambda: is_refused(server.port))
        assert server.process.poll() is None
        slow.sendall(OTHER_HALF)
        assert slow.recv(4096).startswith(b"HTTP/1.1 200")
    assert server.process.wait(5) == 0
    assert is_free(server.port)


def test_stop_cuts_requests_off_after_ten_seconds(server: Server) -> None:
    begun = time.monotonic()
    with incomplete_request(server), incomplete_request(server, HALF_A_HEADER):
        processes = below(server.process.pid)
        assert server.stop() == 0
    assert 5 < time.monotonic() - begun < 15
    assert not any(process.is_alive for process in processes)
    assert "Killing" not in server.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_stops_at_once(server: Server, number: signal.Signals) -> None:
    with incomplete_request(server):
        processes = below(server.process.pid)
        server.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: is_refused(server.port))
        begun = time.monotonic()
        assert server.stop(number) == 128 + number
    assert time.monotonic() - begun < 8, "a stop that finishes requests takes ten seconds"
    assert not any(process.is_alive for process in processes)
    assert "Traceback" not in server.output


def test_ctrl_c_stops_without_a_traceback(server: Server) -> None:
    output = server.output
    with incomplete_request(server) as slow:
        os.killpg(server.process.pid, signal.SIGINT)
        assert eventually(lambda: is_refused(server.port))
        slow.sendall(OTHER_HALF)
        assert slow.recv(4096).startswith(b"HTTP/1.1 200")
    assert server.process.wait(5) == 0
    assert server.output.strip() == output.strip()


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_after_logins_says_nothing(tmp_path: Path, workers: int, number: signal.Signals) -> None:
    """While other processes take the processors, as they do where a whole machine stops."""
    with Server(tmp_path / "data", workers=str(workers), rate_limits="off") as server, ThreadPoolExecutor(4) as threads:
        with Client(server.port) as client:
            client.register("user6x")
        body = {"username": "user6x", "password": PASSWORD}
        assert [login[0] for login in threads.map(lambda _: server.call("POST", "/login/", body), range(8))] == [200] * 8
        output = server.output
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(6)]
        try:
            if number == signal.SIGINT:
                os.killpg(server.process.pid, number)  # as a terminal does
            else:
                server.process.send_signal(number)
            assert server.process.wait(15) == 0
        finally:
            for process in busy:
                process.kill()
                process.wait()
        assert server.output == output


@pytest.mark.parametrize("delay", [0.0, 0.2])
def test_stop_during_start_ends_the_server_soon(tmp_path: Path, delay: float) -> None:
    server = Server(tmp_path / "data")
    server.start()
    try:
        assert eventually(lambda: "Stop it with Ctrl-C" in server.output)
        time.sleep(delay)
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 5
        assert eventually(lambda: is_free(server.port))
    finally:
        server.kill()


def test_stopped_server_leaves_no_process(server: Server) -> None:
    with Client(server.port) as client:
        client.upload(client.tokens("user3x")["token"], random_png())
    processes = below(server.process.pid)
    assert any("worker.py" in process.command for process in processes), "images are decoded in a child process"
    assert server.stop() == 0
    assert eventually(lambda: not any(process.is_alive for process in processes), 2)


def test_killed_server_leaves_no_process(tmp_path: Path) -> None:
    with Server(tmp_path / "data", workers="2") as server:
        with Client(server.port) as client:
            client.upload(client.tokens("user4x")["token"], random_png())
        processes = below(server.process.pid)
        assert len(processes) >= 3
        server.process.kill()
        assert eventually(lambda: not any(process.is_alive for process in processes), 8)
        assert eventually(lambda: is_free(server.port))


def test_killed_worker_is_replaced(server: Server) -> None:
    with Client(server.port) as client:
        token = client.tokens("user5x")["token"]
        client.upload(token, random_png())
    processes = below(server.process.pid)
    os.kill(worker(server.process.pid).pid, signal.SIGKILL)
    assert eventually(lambda: not any(process.is_alive for process in processes), 5)

    def is_served() -> bool:
        try:
            return server.call("GET", "/account/", token=token)[0] == 200
        except OSError:
            return False

    assert eventually(is_served)
    assert server.stop() == 0
