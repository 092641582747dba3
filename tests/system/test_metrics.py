"""Metrics of real servers and delivery workers, compared with the documentation."""

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.breached_passwords import ranges_server
from tests.support.command_line import vestibule
from tests.support.databases import rows
from tests.support.server import VESTIBULE, Server, free_port
from tests.system.test_deliver import eventually, stopped

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"
PASSWORD = "the engine weaves algebra"
ADA = {"username": "ada", "name": "Ada", "email": "ada@mail.example.com", "password": PASSWORD}
SUFFIXES = re.compile("_(total|bucket|count|sum)$")


class Scrape:
    """The metrics that the port returns at the time of the call."""

    def __init__(self, port: int) -> None:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            self.text = answer.read().decode()
        self.metrics = list(text_string_to_metric_families(self.text))

    def value(self, name: str, **labels: str) -> float | None:
        """Returns the sum of the samples that have at least these labels, or None without such samples."""
        found = [
            sample.value
            for metric in self.metrics
            for sample in metric.samples
            if sample.name == f"vestibule_{name}" and labels.items() <= sample.labels.items()
        ]
        return sum(found) if found else None


class MeasuredServer:
    """A server with a metrics port."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.port = port

    @property
    def scrape(self) -> Scrape:
        return Scrape(self.port)


@contextmanager
def measured(data: Path, *options: str, **settings: str) -> Iterator[MeasuredServer]:
    port = free_port()
    with Server(data, *options, environment=None, metrics_port=str(port), **settings) as server:
        yield MeasuredServer(server, port)


@contextmanager
def delivery_worker(data: Path, port: int, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VESTIBULE_")}
    environment |= {"VESTIBULE_DATA_DIR": str(data), "VESTIBULE_METRICS_PORT": str(port)}
    environment |= {f"VESTIBULE_{name.upper()}": value for name, value in settings.items()}
    with subprocess.Popen([VESTIBULE, "deliver"], env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "Mail goes to" in process.stdout.readline()
            yield process
        finally:
            process.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def documented() -> dict[str, tuple[str, set[str]]]:
    """Returns name, type and labels of each metric in the documented table."""
    table = OPERATING.read_text().partition("<!-- metrics:")[2].partition("\n\n**")[0]
    found = {}
    for line in table.splitlines():
        if line.startswith("| `vestibule_"):
            name, kind, labels, _ = (cell.strip() for cell in line.strip("|").split("|"))
            found[name.strip("`")] = (kind, set(re.findall("`([a-z_]+)`", labels)))
    return found


def visit(server: Server) -> None:
    """Makes calls that change each of the metrics."""
    assert server.call("POST", "/register/", ADA)[0] == 201
    token = server.call("POST", "/login/", {"username": "ada", "password": PASSWORD})[1]["token"]
    for _ in range(20):
        assert server.call("GET", "/account/", token=token)[0] == 200
    for status in (401, 401, 401, 401, 401, 429, 429):
        assert server.call("POST", "/login/", {"username": "ada", "password": "not this one"})[0] == status
    assert server.call("GET", "/nowhere/")[0] == 404
    assert server.call("POST", "/otp/", {"destination": "ada@mail.example.com", "verify_otp": "000000"})[0] == 403
    status, sent = server.call("POST", "/otp/", {"destination": "ada@mail.example.com", "is_login": True})
    assert status == 201
    server.code("ada@mail.example.com", sent["reference"])


def test_scrape_covers_all_workers_as_documented(tmp_path: Path, database_url_for: Callable[[Path], str]) -> None:
    data = tmp_path / "data"
    with (
        ranges_server() as ranges,
        measured(data, "--workers", "2", database_url=database_url_for(data), pwned_passwords=ranges.url) as node,
    ):
        visit(node.server)
        assert eventually(lambda: node.scrape.value("deliveries_total", outcome="delivered") == 1)
        scrape = node.scrape
        assert {
            f"{metric.name}_total" if metric.type == "counter" else metric.name: (
                metric.type,
                {label for sample in metric.samples for label in sample.labels} - {"le"},
            )
            for metric in scrape.metrics
        } == {name: metric for name, metric in documented().items() if name != "vestibule_database_connections"} | (
            {} if "sqlite" in database_url_for(data) else {"vestibule_database_connections": ("gauge", {"state"})}
        )
        assert scrape.value("http_requests_total", route="/account", status="200") == 20
        assert scrape.value("http_request_duration_seconds_count", route="/account") == 20
        assert scrape.value("http_requests_total", route="/login") == 8
        assert scrape.value("http_refusals_total", route="/login", problem="invalid-credentials") == 5
        assert scrape.value("http_refusals_total", problem="rate-limited") == 2
        assert scrape.value("http_refusals_total", problem="invalid-code") == 1
        assert scrape.value("http_refusals_total", route="", problem="not-found") == 1
        assert scrape.value("lane_duration_seconds_count", lane="argon2") == 7
        assert scrape.value("http_requests_in_progress") == 0
        assert scrape.value("password_checks_total", outcome="compared") == 1
        assert scrape.value("password_checks_total", outcome="unavailable") == 0
        assert "ada" not in scrape.text
        assert node.server.stop() == 0
    assert "Traceback" not in node.server.output
    assert not listens(node.port)


def test_password_that_was_accepted_without_the_list_of_breached_ones_is_counted(tmp_path: Path) -> None:
    with ranges_server() as ranges, measured(tmp_path / "data", pwned_passwords=ranges.url) as node:
        ranges.answer = lambda _: (503, b"")
        for name in ("ada", "bob"):  # the second one while the list is not asked
            fields = {**ADA, "username": name, "email": f"{name}@mail.example.com"}
            assert node.server.call("POST", "/register/", fields)[0] == 201
        assert len(ranges.calls) == 1
        assert node.scrape.value("password_checks_total", outcome="unavailable") == 2
        assert node.scrape.value("password_checks_total", outcome="compared") == 0


def test_killed_worker_leaves_its_counters_and_no_gauge(tmp_path: Path) -> None:
    with measured(tmp_path / "data") as node:
        node.server.call("GET", "/nowhere/")
        with socket.create_connection(("127.0.0.1", node.server.port)) as waiting:
            waiting.sendall(b"POST /login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
            assert eventually(lambda: node.scrape.value("http_requests_in_progress") == 1)
            (worker,) = children(node.server.process.pid)
            os.kill(worker, signal.SIGKILL)
            assert eventually(lambda: node.scrape.value("http_requests_in_progress") != 1)
        node.server.wait()
        node.server.call("GET", "/nowhere/")
        assert eventually(lambda: node.scrape.value("http_requests_total", status="404") == 2)
        assert node.scrape.value("http_requests_in_progress") == 0


def test_stopped_worker_leaves_its_counters(tmp_path: Path) -> None:
    with measured(tmp_path / "data") as node:
        node.server.call("GET", "/nowhere/")
        (worker,) = children(node.server.process.pid)
        os.kill(worker, signal.SIGTERM)
        assert eventually(lambda: children(node.server.process.pid) not in ([worker], []))
        node.server.wait()
        assert node.scrape.value("http_requests_total", status="404") == 1


def children(process: int) -> list[int]:
    """Returns the process ids of the workers of a server."""
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_delivery_worker_exposes_its_deliveries_and_the_backlog(tmp_path: Path) -> None:
    data, port = tmp_path / "data", free_port()
    with measured(data, delivery="off") as node:
        for name in ("ada", "bob"):
            assert node.server.call("POST", "/otp/", {"destination": f"{name}@mail.example.com"})[0] == 201
        rows(f"sqlite:///{data}/vestibule.db", "UPDATE outbox SET due_at = due_at - 100")
        scrape = node.scrape
        assert scrape.value("outbox_due_messages", channel="email") == 2
        assert 100 <= (scrape.value("outbox_oldest_due_seconds", channel="email") or 0) < 160
        assert scrape.value("outbox_oldest_due_seconds", channel="mobile") == 0
        with delivery_worker(data, port) as process:
            assert eventually(lambda: listens(port))
            assert eventually(lambda: Scrape(port).value("deliveries_total", channel="email", outcome="delivered") == 2)
            assert Scrape(port).value("outbox_due_messages", channel="email") == 0
            assert stopped(process) == 0  # type: ignore[arg-type]  # the mode of the pipe does not matter
        assert not listens(port)
        assert node.scrape.value("outbox_due_messages", channel="email") == 0


def test_scrape_works_without_the_database(tmp_path: Path) -> None:
    with measured(tmp_path / "data") as node:
        assert node.scrape.value("outbox_due_messages") == 0
        (tmp_path / "data" / "vestibule.db").rename(tmp_path / "elsewhere")
        assert node.server.call("GET", "/readyz")[0] == 503
        scrape = node.scrape
        assert scrape.value("outbox_due_messages") is None
        assert scrape.value("http_refusals_total", route="/readyz", problem="unavailable") == 1


def test_metrics_answer_head(tmp_path: Path) -> None:
    with measured(tmp_path / "data") as one:
        with urlopen(Request(f"http://127.0.0.1:{one.port}/metrics", method="HEAD"), timeout=10) as answer:
            assert (answer.status, answer.read()) == (200, b"")
            assert int(answer.headers["Content-Length"]) > 1000
        assert one.scrape.value("http_requests_in_progress") is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="a server hides its open files from all users but root")
def test_metrics_port_is_closed_by_default(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        assert listening(server.process.pid) == {server.port}
    with measured(tmp_path / "data") as node:
        assert listening(node.server.process.pid) == {node.server.port, node.port}
        assert f"http://127.0.0.1:{node.port}/metrics" in node.server.output


def listening(process: int) -> set[int]:
    """Returns the ports that a process and its children listen on, and checks that all are on the loopback address."""
    inodes = {
        str(file.readlink()).removeprefix("socket:[").removesuffix("]")
        for number in (process, *children(process))
        for file in Path(f"/proc/{number}/fd").iterdir()
        if file.is_symlink() and str(file.readlink()).startswith("socket:[")
    }
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    found = [line[1].split(":") for line in lines if line[3] == "0A" and line[9] in inodes]
    assert {address for address, _ in found} == {"0100007F"}
    return {int(port, 16) for _, port in found}


@pytest.mark.parametrize("command", ["serve", "deliver"])
def test_metrics_port_in_use_stops_the_start_in_one_line(command: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        variables = {"VESTIBULE_DATA_DIR": str(tmp_path / "data"), "VESTIBULE_METRICS_PORT": str(port)}
        result = vestibule(command, **variables, VESTIBULE_PORT=str(free_port()))
    assert result.returncode == 2
    fault = f"cannot listen on 127.0.0.1, port {port}: Address already in use."
    assert result.stderr == f"vestibule: VESTIBULE_METRICS_PORT: {fault}\n"


def test_metrics_port_must_differ_from_the_service_port(tmp_path: Path) -> None:
    result = vestibule("serve", VESTIBULE_DATA_DIR=str(tmp_path / "data"), VESTIBULE_METRICS_PORT="8000")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "VESTIBULE_METRICS_PORT" in result.stderr


@pytest.mark.parametrize(
    ("setting", "library", "extra"),
    [("METRICS_PORT=9100", "prometheus_client", "metrics"), ("TRACES=on", "opentelemetry", "traces")],
)
@pytest.mark.parametrize("command", ["serve", "deliver"])
def test_missing_extra_stops_the_start_in_one_line(
    command: str, setting: str, library: str, extra: str, tmp_path: Path
) -> None:
    run_command = f"from vestibule.entrypoints.cli.group import vestibule; vestibule(['{command}'], prog_name='vestibule')"
    program = f"import sys; sys.modules['{library}'] = None; {run_command}"
    name, _, value = setting.partition("=")
    environment = {"PATH": os.environ["PATH"], "VESTIBULE_DATA_DIR": str(tmp_path / "data"), f"VESTIBULE_{name}": value}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2
    assert result.stderr == f"vestibule: VESTIBULE_{name}: it needs an extra: pip install 'vestibule-accounts[{extra}]'\n"


def test_aborted_scrape_does_not_disturb_the_next(tmp_path: Path) -> None:
    with measured(tmp_path / "data") as node:
        for data in (b"", b"GET", b"\0\xff\r\n\r\n", b"POST /metrics HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"):
            with socket.create_connection(("127.0.0.1", node.port)) as caller:
                caller.sendall(data)
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset on close
        begun = time.monotonic()
        assert node.scrape.value("lane_running") == 0
        assert time.monotonic() - begun < 5
        assert node.server.stop() == 0
    assert "Traceback" not in node.server.output
