"""A short run of scripts/soak: two nodes and a Redis are killed and a PostgreSQL is stopped during user journeys."""

import os
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.support.processes import below, eventually
from tests.support.redis_server import binary

pytestmark = pytest.mark.faults

SOAK = str(Path(__file__).parents[2] / "scripts" / "soak")


def test_soak_loses_nothing_acknowledged_and_accepts_nothing_twice() -> None:
    binary()  # skips the test if there is no Redis
    run = subprocess.run([SOAK, "--journeys", "60"], capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("SIGKILL") == 6, "each kill is reported when it happens and in the summary"
    assert "        60  finished\n" in run.stdout
    assert "Passed after" in run.stdout


def test_interrupted_soak_leaves_no_process_and_no_file() -> None:
    binary()
    with TemporaryDirectory() as directory:  # not below pytest's, which the user of PostgreSQL cannot enter
        Path(directory).chmod(0o755)
        command = [SOAK, "--journeys", "1000"]
        environment = os.environ | {"TMPDIR": directory}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            assert run.stdout
            assert any("begin 1000 journeys" in line for line in run.stdout)
            started = below(run.pid)
            assert len(started) > 6
            run.send_signal(signal.SIGINT)
            _, errors = run.communicate(timeout=60)
        assert (run.returncode, errors) == (130, "Stopped; nothing was checked.\n")
        assert eventually(lambda: not any(process.is_alive for process in started))
        assert list(Path(directory).iterdir()) == []
