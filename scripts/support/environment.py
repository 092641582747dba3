"""Installs the packages of a lock file and the project itself, editable, into an environment, unless they are there already.

A stamp in the environment records the installed state. It is deleted before a change and written afterwards, so that an
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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "pyproject.toml"
RELEASE, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"


@dataclass(frozen=True)
class Environment:
    """A virtual environment in a directory of the repository, made from lock files; the last one has the packages of all."""

    directory: str
    locks: tuple[str, ...]

    @property
    def python(self) -> Path:
        return ROOT / self.directory / "bin" / "python"

    @property
    def stamp(self) -> Path:
        return ROOT / self.directory / "vestibule-stamp.json"

    def prepare(self) -> None:
        if not self.outdated():
            return
        with exclusive_lock():
            if names := self.outdated():  # another process may have completed it meanwhile
                started = time.monotonic()
                self.update(names)
                report(f"Ready after {time.monotonic() - started:.0f} s.")

    def outdated(self) -> set[str]:
        """Returns the names whose state in the stamp differs from the wanted one."""
        found = self.installed_state()
        return {name for name, state in self.wanted_state().items() if found.get(name) != state}

    def wanted_state(self) -> dict[str, str]:
        """Returns the hashes of the files that it is made from, the repository, and the version of an explicit PYTHON."""
        state = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in (PROJECT, *self.locks)}
        state["root"] = str(ROOT)  # an environment cannot be moved or copied
        if os.environ.get("PYTHON"):
            state["python"] = minor_version()
        return state

    def installed_state(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self.stamp.read_text())
        except (OSError, ValueError):
            return {}
        return found if self.python.exists() else {}

    def update(self, names: set[str]) -> None:
        state = self.installed_state()
        self.stamp.unlink(missing_ok=True)
        only_adds = names <= {PROJECT, *self.locks} and not any(lock in state for lock in names & set(self.locks))
        if not (state and only_adds):
            state = {"python": minor_version()}
            report(f"Creating {self.directory} with Python {sys.version.split()[0]} ...")
            run(sys.executable, "-I", "-m", "venv", "--clear", str(ROOT / self.directory))
        if not state.keys() >= set(self.locks):
            report(f"Installing the packages of {self.locks[-1]}; the first time this may take a minute or two ...")
            self.install(self.locks[-1])
        report("Installing the project itself ...")
        self.pip("--no-deps", "--no-build-isolation", "--editable", ".")
        fresh = self.stamp.with_suffix(".new")
        fresh.write_text(json.dumps(state | self.wanted_state()))
        fresh.replace(self.stamp)

    def install(self, lock: str) -> None:
        """Installs a lock file with uv, which needs a fifth of the time; with pip if uv fails (pip may use another index)."""
        # The lock file is complete, so no dependencies are resolved: for coverage[toml] of pytest-cov, pip before 23.3 would
        # take the newest coverage, which has another version than the file and no hash.
        arguments = ("--require-hashes", "--no-deps", "--requirement", lock)
        try:
            run(str(self.uv()), "pip", "install", "--quiet", "--system-certs", "--python", str(self.python), *arguments)
        except (OSError, subprocess.CalledProcessError):
            report("uv could not install the packages; trying pip ...")
            self.pip(*arguments)

    def uv(self) -> Path:
        """Returns the locked version of the program `uv`, which lies outside: an environment has nothing but its lock file."""
        pinned = re.search(r"(?m)^uv==(?:.*\\\n)+.*\n", (ROOT / DEVELOPMENT).read_text())
        if pinned is None:
            raise OSError("no uv is locked")
        target = ROOT / ".build" / f"uv-{hashlib.sha256(pinned[0].encode()).hexdigest()[:12]}"
        if not (target / "bin" / "uv").exists():
            lock = ROOT / ".build" / "uv.lock"
            lock.write_text(pinned[0])
            self.pip("--require-hashes", "--no-deps", "--target", str(target), "--requirement", str(lock))
        return target / "bin" / "uv"

    def pip(self, *arguments: str) -> None:
        options = ("--quiet", "--no-input", "--disable-pip-version-check")
        run(str(self.python), "-I", "-m", "pip", "install", *options, *arguments)


ENVIRONMENTS = {
    "serve": Environment(".venv", (RELEASE,)),
    "develop": Environment(".venv", (RELEASE, DEVELOPMENT)),
    "release": Environment(".build/release", (RELEASE,)),
}
"""The environment of each purpose. `release` has what users install, while .venv has more: for servers under test."""


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
            report("Waiting for another set-up to end ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        ENVIRONMENTS[sys.argv[1]].prepare()
    except subprocess.CalledProcessError as failure:
        sys.exit(
            f"The set-up failed at: {' '.join(failure.cmd)}\nRun the command again; an incomplete environment is not used."
        )
    except KeyboardInterrupt:
        report("\nThe set-up was stopped; the next run repeats it.")
        sys.exit(130)
