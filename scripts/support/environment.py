"""Installs the packages of a lock file and the project itself, editable, into .venv, unless they are installed already.

A stamp in .venv records the installed state. It is deleted before a change and written afterwards, so that an
interrupted set-up is never mistaken for a complete one.
"""

import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "vestibule-stamp.json"
PROJECT = "pyproject.toml"
LOCKS = {"serve": ["requirements.lock"], "develop": ["requirements.lock", "requirements-dev.lock"]}
"""The lock files of each purpose; the last one contains the packages of all others."""


def main(purpose: str) -> None:
    if not outdated(purpose):
        return
    with exclusive_lock():
        if names := outdated(purpose):  # another process may have completed it meanwhile
            started = time.monotonic()
            update(purpose, names)
            report(f"Ready after {time.monotonic() - started:.0f} s.")


def outdated(purpose: str) -> set[str]:
    """Returns the names whose state in the stamp differs from the wanted one."""
    found = installed_state()
    return {name for name, state in wanted_state(purpose).items() if found.get(name) != state}


def wanted_state(purpose: str) -> dict[str, str]:
    """Returns the hashes of the files that .venv is made from, its directory, and the version of an explicit PYTHON."""
    files = [PROJECT, *LOCKS[purpose]]
    state = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in files}
    state["root"] = str(ROOT)  # an environment cannot be moved or copied
    if os.environ.get("PYTHON"):
        state["python"] = minor_version()
    return state


def installed_state() -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return found if PYTHON.exists() else {}


def update(purpose: str, names: set[str]) -> None:
    state = installed_state()
    STAMP.unlink(missing_ok=True)
    locks = set(LOCKS[purpose])
    only_adds = names <= {PROJECT, *locks} and not any(lock in state for lock in names & locks)
    if not (state and only_adds):
        state = {"python": minor_version()}
        report(f"Creating .venv with Python {sys.version.split()[0]} ...")
        run(sys.executable, "-I", "-m", "venv", "--clear", str(VENV))
    if not state.keys() >= set(LOCKS[purpose]):
        lock = LOCKS[purpose][-1]
        report(f"Installing the packages of {lock}; the first time this may take a minute or two ...")
        install(lock)
    report("Installing the project itself ...")
    pip("--no-deps", "--no-build-isolation", "--editable", ".")
    fresh = STAMP.with_suffix(".new")
    fresh.write_text(json.dumps(state | wanted_state(purpose)))
    fresh.replace(STAMP)


def install(lock: str) -> None:
    """Installs a lock file with uv, which needs a fifth of the time; with pip if uv fails (pip may use another index)."""
    # The lock file is complete, so no dependencies are resolved: for coverage[toml] of pytest-cov, pip before 23.3 would
    # take the newest coverage, which has another version than the file and no hash.
    arguments = ("--require-hashes", "--no-deps", "--requirement", lock)
    try:
        run(str(uv()), "pip", "install", "--quiet", "--system-certs", "--python", str(PYTHON), *arguments)
    except (OSError, subprocess.CalledProcessError):
        report("uv could not install the packages; trying pip ...")
        pip(*arguments)


def uv() -> Path:
    """Returns the program `uv` in the locked version, installed outside .venv, which has only the lock file's packages."""
    pinned = re.search(r"(?m)^uv==(?:.*\\\n)+.*\n", (ROOT / LOCKS["develop"][-1]).read_text())
    if pinned is None:
        raise OSError("no uv is locked")
    target = ROOT / ".build" / f"uv-{hashlib.sha256(pinned[0].encode()).hexdigest()[:12]}"
    if not (target / "bin" / "uv").exists():
        lock = ROOT / ".build" / "uv.lock"
        lock.write_text(pinned[0])
        pip("--require-hashes", "--no-deps", "--target", str(target), "--requirement", str(lock))
    return target / "bin" / "uv"


def pip(*arguments: str) -> None:
    run(str(PYTHON), "-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", *arguments)


def run(*command: str) -> None:
    # A user's settings for other environments would redirect the installation, or add packages.
    dropped = {"PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX"}
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    # Setuptools warns about directories with templates and no modules, which are intended.
    subprocess.run(command, cwd=ROOT, env=environment | {"PIP_USER": "0", "PYTHONWARNINGS": "ignore"}, check=True)


def minor_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


@contextmanager
def exclusive_lock() -> Iterator[None]:
    """Excludes other set-ups in this repository, and waits for a running one."""
    (ROOT / ".build").mkdir(exist_ok=True)
    with (ROOT / ".build" / "environment.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("Waiting for another set-up of .venv to end ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except subprocess.CalledProcessError as failure:
        sys.exit(
            f"The set-up of .venv failed at: {' '.join(failure.cmd)}\nRun the command again; an incomplete .venv is not used."
        )
    except KeyboardInterrupt:
        report("\nThe set-up of .venv was stopped; the next run repeats it.")
        sys.exit(130)
