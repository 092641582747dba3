"""`vestibule serve --dev`, and the lines for calls at a terminal, in processes of their own."""

import os
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.support.command_line import vestibule
from tests.support.processes import eventually
from tests.support.server import Server, free_port

CALL = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (\S+) (\S+) (\d{3}) [\d.]+ ms ([0-9a-f]{8})\s*$", re.MULTILINE)


def test_development_mode_says_so_and_shows_codes_and_calls(tmp_path: Path) -> None:
    with Server(tmp_path / "data", "--dev") as server:
        for _ in range(6):
            assert server.call("POST", "/otp/?destination=hunter2", {"destination": "ada@company.test"})[0] == 201
        assert eventually(lambda: b'class="code"' in server.call("GET", "/dev/outbox")[1]["content"])
        assert server.call("GET", "/hunter2%0a%1b[2J")[0] == 404
        assert eventually(lambda: "/hunter2%0a" in server.output)
        output = server.output
    assert re.search(r"DEVELOPMENT MODE", output)
    assert f"http://127.0.0.1:{server.port}/dev/outbox" in output
    assert "WARNING vestibule.server: development mode" in output
    calls = [match.groups()[:3] for match in CALL.finditer(output)]
    assert calls.count(("POST", "/otp/", "201")) == 6
    assert ("GET", "/hunter2%0a%1b%5B2J", "404") in calls
    assert not any("/dev/" in path for _, path, _ in calls), "the page asks every second"
    assert "destination=hunter2" not in output


@pytest.mark.parametrize(
    ("setting", "value"),
    [("HOST", "192.0.2.1"), ("PUBLIC_URL", "https://accounts.example.org"), ("TRUSTED_PROXIES", "10.0.0.0/8")],
)
def test_development_mode_is_refused_in_one_line(setting: str, value: str, tmp_path: Path) -> None:
    settings = {f"VESTIBULE_{setting}": value, "VESTIBULE_DATA_DIR": str(tmp_path / "data")}
    result = vestibule("serve", "--dev", "--port", str(free_port()), **settings)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("vestibule: VESTIBULE_DEV: ")
    assert f"VESTIBULE_{setting}" in line


class ServerAtTerminal(Server):
    """A server whose standard error is a terminal."""

    def start(self) -> None:
        self._terminal, error_output = os.openpty()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VESTIBULE_")}
        environment |= {"VESTIBULE_DATA_DIR": str(self.data_dir), **self._settings}
        command = self.command()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=error_output, start_new_session=True)
        os.close(error_output)

    def shown(self) -> str:
        """Stops the server and returns what the terminal has shown."""
        assert self.stop() == 0
        shown = b""
        with suppress(OSError):  # Linux reports the end of a terminal as an error
            while chunk := os.read(self._terminal, 65_536):
                shown += chunk
        os.close(self._terminal)
        return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(("setting", "is_shown"), [({}, True), ({"access_log": "off"}, False)], ids=["default", "off"])
def test_calls_are_shown_at_a_terminal_unless_turned_off(tmp_path: Path, setting: dict[str, Any], is_shown: bool) -> None:
    with ServerAtTerminal(tmp_path / "data", **setting) as server:
        assert server.call("GET", "/account/?token=hunter2")[0] == 401
        shown = server.shown()
    assert (("GET", "/account/", "401") in [match.groups()[:3] for match in CALL.finditer(shown)]) is is_shown
    assert "hunter2" not in shown


def test_calls_are_not_shown_in_a_log_file(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        assert server.call("GET", "/account/")[0] == 401
        assert server.stop() == 0
        assert not CALL.search(server.output)
