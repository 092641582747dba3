"""Node.js with the packages of `tests/clients/package-lock.json`, for tests of clients in JavaScript and TypeScript."""

import os
import shutil
from collections.abc import Mapping
from fcntl import LOCK_EX, flock
from functools import cache
from hashlib import sha256
from pathlib import Path
from subprocess import run

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "tests" / "clients"
_INSTALLED = ROOT / ".build" / "clients"
_FILES = ("package.json", "package-lock.json", "tsconfig.json", ".npmrc")  # a generator reads the tsconfig.json above it
_MIN_NODE = (20, 19)


def project(directory: Path, *files: str) -> Path:
    """Makes the directory a project with all packages and these files of `tests/clients`, and returns it.

    Skips the test where Node.js is missing or too old, or the packages cannot be installed.
    """
    modules = _node_modules()
    directory.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "tsconfig.json", *files):
        shutil.copy(CLIENTS / file, directory)
    (directory / "node_modules").symlink_to(modules)
    return directory


def call(command: list[str], directory: Path, environment: Mapping[str, str] | None = None) -> str:
    """Runs a command, which may be one of the packages, and returns its output. Fails with all of it."""
    path = os.pathsep.join([str(directory / "node_modules" / ".bin"), os.environ["PATH"]])
    variables = {**os.environ, "PATH": path, **(environment or {})}
    done = run(command, cwd=directory, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


@cache
def _node_modules() -> Path:
    programs = [shutil.which("node"), shutil.which("npm")]
    if programs[0] is None or programs[1] is None:
        pytest.skip("Node.js with npm is not installed; clients in JavaScript are not tested")
    version = run([programs[0], "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(map(int, version.lstrip("v").split(".")[:2])) < _MIN_NODE:
        pytest.skip(f"Node.js {version} is older than 20.19; clients in JavaScript are not tested")
    _INSTALLED.mkdir(parents=True, exist_ok=True)
    digest = sha256(b"".join((CLIENTS / file).read_bytes() for file in _FILES)).hexdigest()
    mark = _INSTALLED / "installed"
    with (_INSTALLED / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not mark.exists() or mark.read_text() != digest:
            _install(programs[1])
            mark.write_text(digest)
    return _INSTALLED / "node_modules"


def _install(npm: str) -> None:
    for file in _FILES:
        shutil.copy(CLIENTS / file, _INSTALLED)
    done = run([npm, "ci"], cwd=_INSTALLED, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if "code" in line), "npm ci failed")
        pytest.skip(f"the packages of tests/clients cannot be installed ({reason}); clients in JavaScript are not tested")
