"""Makes .venv hold what a lock file says and the project itself, editable; does nothing where that is so already.

The stamp in .venv is removed before a change and written after it, so that an interrupted set-up is never taken for a
finished one.
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
"""What each purpose needs; the last lock file holds all that those before it do."""


def main(purpose: str) -> None:
    if not lacking(purpose):
        return
    with alone():
        if lacks := lacking(purpose):  # another may have done it meanwhile
            started = time.monotonic()
            complete(purpose, lacks)
            say(f"Ready after {time.monotonic() - started:.0f} s.")


def lacking(purpose: str) -> set[str]:
    """Which of the things that .venv is made of it lacks, or has in another state than now wanted."""
    found = stamped()
    return {name for name, state in wanted(purpose).items() if found.get(name) != state}


def wanted(purpose: str) -> dict[str, str]:
    files = [PROJECT, *LOCKS[purpose]]
    wishes = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in files}
    wishes["root"] = str(ROOT)  # an environment cannot be moved or copied
    if os.environ.get("PYTHON"):
        wishes["python"] = minor_version()
    return wishes


def stamped() -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return found if PYTHON.exists() else {}


def complete(purpose: str, lacks: set[str]) -> None:
    state = stamped()
    STAMP.unlink(missing_ok=True)
    only_grows = lacks <= {PROJECT, *LOCKS[purpose]} and not any(lock in state for lock in lacks & set(LOCKS[purpose]))
    if not (state and only_grows):
        state = {"python": minor_version()}
        say(f"Making .venv with Python {sys.version.split()[0]} ...")
        run(sys.executable, "-I", "-m", "venv", "--clear", str(VENV))
    if not state.keys() >= set(LOCKS[purpose]):
        lock = LOCKS[purpose][-1]
        say(f"Installing the packages of {lock}; the first time this may take a minute or two ...")
        install(lock)
    say("Installing the project itself ...")
    pip("--no-deps", "--no-build-isolation", "--editable", ".")
    fresh = STAMP.with_suffix(".new")
    fresh.write_text(json.dumps(state | wanted(purpose)))
    fresh.replace(STAMP)


def install(lock: str) -> None:
    """Installs a lock file by uv, which takes a fifth of the time; by pip where uv cannot (pip may know another index)."""
    # The lock file is complete. Left to find dependencies, pip before 23.3 would take the newest coverage for pytest-cov's
    # coverage[toml], for which the file has another version and no hash.
    exactly = ("--require-hashes", "--no-deps", "--requirement", lock)
    try:
        run(str(uv()), "pip", "install", "--quiet", "--system-certs", "--python", str(PYTHON), *exactly)
    except (OSError, subprocess.CalledProcessError):
        say("uv could not install them; trying pip ...")
        pip(*exactly)


def uv() -> Path:
    """The program `uv` in the locked version, installed apart from .venv, which holds nothing but the lock file's packages."""
    pinned = re.search(r"(?m)^uv==(?:.*\\\n)+.*\n", (ROOT / LOCKS["develop"][-1]).read_text())
    if pinned is None:
        raise OSError("no uv is locked")
    place = ROOT / ".build" / f"uv-{hashlib.sha256(pinned[0].encode()).hexdigest()[:12]}"
    if not (place / "bin" / "uv").exists():
        wanted = ROOT / ".build" / "uv.lock"
        wanted.write_text(pinned[0])
        pip("--require-hashes", "--no-deps", "--target", str(place), "--requirement", str(wanted))
    return place / "bin" / "uv"


def pip(*arguments: str) -> None:
    run(str(PYTHON), "-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", *arguments)


def run(*command: str) -> None:
    # A person's settings for other environments would send packages elsewhere, or bring others in.
    strange = {"PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX"}
    surroundings = {name: value for name, value in os.environ.items() if name not in strange}
    # Setuptools warns at length of directories that hold templates and no modules, which is as it should be.
    subprocess.run(command, cwd=ROOT, env=surroundings | {"PIP_USER": "0", "PYTHONWARNINGS": "ignore"}, check=True)


def minor_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


@contextmanager
def alone() -> Iterator[None]:
    """Waits while another set-up runs in this repository."""
    (ROOT / ".build").mkdir(exist_ok=True)
    with (ROOT / ".build" / "environment.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another set-up of .venv to end ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except subprocess.CalledProcessError as failure:
        sys.exit(f"The set-up of .venv failed at: {' '.join(failure.cmd)}\nNothing half made is kept; run it again.")
    except KeyboardInterrupt:
        say("\nThe set-up of .venv was stopped; the next run makes it anew.")
        sys.exit(130)
