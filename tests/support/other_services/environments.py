"""Environments for services whose packages cannot stand next to ours, each from a lock file in this directory."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[2] / ".build" / "environments"


def python_of(name: str) -> Path:
    """Returns the interpreter of `<name>.lock`. The first call installs its packages, which takes ten seconds or more.

    Where that fails, as without a network, the test is skipped; where `CI` is set, it fails.
    """
    lock, directory = HERE / f"{name}.lock", ENVIRONMENTS / name
    stamp, wanted = directory / "installed", hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    with _only_process(name):
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(directory, ignore_errors=True)
            _uv("venv", "--python", sys.executable, directory)
            _uv("pip", "install", "--require-hashes", "--python", directory / "bin" / "python", "--requirements", lock)
            stamp.write_text(wanted)
    return directory / "bin" / "python"


@contextmanager
def _only_process(name: str) -> Iterator[None]:
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (ENVIRONMENTS / f"{name}.busy").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _uv(*words: str | Path) -> None:
    command = [sys.executable, "-m", "uv", "--quiet", "--system-certs", *map(str, words)]
    finished = subprocess.run(command, check=False, capture_output=True, text=True)
    if finished.returncode:
        text = f"the packages of another service cannot be installed: {finished.stderr.strip()[-400:]}"
        pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)
