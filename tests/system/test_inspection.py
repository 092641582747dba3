"""No process of the same user can read the memory of a server: a decoder of images that was taken over is one (Linux)."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.http_client import Client, random_png
from tests.support.processes import below
from tests.support.server import VESTIBULE, Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this protection")

WITHOUT_CAPABILITIES = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
for capability in range(64):
    libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP: root loses it at exec, so that it is a user like others
os.execv(sys.argv[1], sys.argv[1:])
"""
"""A program that executes its arguments. Without it root, as whom the tests may run, could read every process."""

READS = """
import sys
for path in sys.argv[1:]:
    try:
        open(path, "rb").close()
    except PermissionError:
        print("refused")
    else:
        print("open")
"""

PLAIN = "print('ready', flush=True); input()"


class PlainServer(Server):
    """A server without the capabilities of root."""

    def command(self) -> list[str]:
        return [sys.executable, "-c", WITHOUT_CAPABILITIES, *super().command()]


def attempts(*paths: str) -> list[str]:
    """Returns for each path whether a process of the same user, without capabilities, may open it."""
    command = [sys.executable, "-c", WITHOUT_CAPABILITIES, sys.executable, "-c", READS, *paths]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split()


def test_no_process_of_the_same_user_can_read_memory_or_environment(tmp_path: Path) -> None:
    with PlainServer(tmp_path / "data", workers="2") as server:
        with Client(server.port) as client:
            assert client.upload(client.tokens("user1x")["token"], random_png()).status == 201
        decoders = [process for process in below(server.process.pid) if "worker.py" in process.command]
        assert decoders
        pids = [server.process.pid, *(process.pid for process in below(server.process.pid))]
        paths = [f"/proc/{pid}/{name}" for pid in pids for name in ("mem", "environ")]
        assert attempts(*paths) == ["refused"] * 2 * len(pids)


def test_deliver_is_protected_and_other_processes_are_not(tmp_path: Path) -> None:
    environment = {"VESTIBULE_DATA_DIR": str(tmp_path / "data"), "VESTIBULE_TEST_DOMAINS": "on"}
    launch = [sys.executable, "-c", WITHOUT_CAPABILITIES]
    with (
        subprocess.Popen([*launch, VESTIBULE, "deliver"], env=environment, stdout=subprocess.PIPE) as deliver,
        subprocess.Popen([*launch, sys.executable, "-c", PLAIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as plain,
    ):
        assert deliver.stdout is not None
        assert plain.stdout is not None
        deliver.stdout.readline()
        plain.stdout.readline()
        found = attempts(f"/proc/{deliver.pid}/environ", f"/proc/{plain.pid}/environ")
        deliver.kill()
        plain.kill()
    assert found == ["refused", "open"]
