"""A real Prometheus, with the configuration of `examples/monitoring` and shorter intervals."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.support.server import free_port
from tests.system.test_deliver import eventually

MONITORING = Path(__file__).parents[2] / "examples" / "monitoring"


def program(name: str) -> str:
    """Returns the path of `prometheus` or `promtool`. Without it tests are skipped, or fail if `CI` is set."""
    found = shutil.which(name)
    if found is None:
        missing = f"no {name} is installed: the alerts and the dashboard are not tested against Prometheus"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


class Prometheus:
    """The HTTP API of a running Prometheus."""

    def __init__(self, port: int) -> None:
        self._port = port

    def is_ready(self) -> bool:
        try:
            return self._call("/-/ready")[0] == 200
        except OSError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Returns the samples of an expression now. Raises `AssertionError` with the reason if it is invalid."""
        result: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return result

    def values(self, expression: str) -> list[float]:
        return [float(sample["value"][1]) for sample in self.query(expression)]

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, path: str, **parameters: str) -> Any:
        status, body = self._call(f"/api/v1/{path}?{urlencode(parameters)}")
        assert status == 200, f"{parameters}: {body.decode()}"
        return json.loads(body)["data"]

    def _call(self, path: str) -> tuple[int, bytes]:
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=10)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()


@contextmanager
def prometheus(directory: Path, targets: Sequence[int]) -> Iterator[Prometheus]:
    """Starts a Prometheus that scrapes these ports twice a second, and kills it when the block is left."""
    executable, port = program("prometheus"), free_port()
    directory.mkdir()
    text = (MONITORING / "prometheus.yml").read_text()
    for shipped, shorter in (("15s", "500ms"), ('"127.0.0.1:9100"', ", ".join(f'"127.0.0.1:{one}"' for one in targets))):
        assert shipped in text
        text = text.replace(shipped, shorter)
    (directory / "prometheus.yml").write_text(text)
    shutil.copy(MONITORING / "vestibule.rules.yml", directory)
    log = directory / "prometheus.log"
    options = [f"--web.listen-address=127.0.0.1:{port}", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    with log.open("wb") as file, subprocess.Popen([executable, *options], cwd=directory, stdout=file, stderr=file) as process:
        try:
            running = Prometheus(port)
            assert eventually(running.is_ready), log.read_text()
            yield running
        finally:
            process.kill()
