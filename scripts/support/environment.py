"""Installs the packages of a lock file and the project itself, editable, into an environment, unless they are there already.

A stamp in the environment records the installed state. It is deleted before a change and written afterwards, so that an
interrupted set-up is never mistaken for a complete one.
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "pyproject.toml"
RELEASE, DEVELOPMENT, ARGON2_BUILD = "requirements.lock", "requirements-dev.lock", "requirements-argon2.lock"

ARGON2 = "argon2-cffi-bindings"
FAST, WHEEL = "x86-64-v3", "wheel"
"""The builds of Argon2: one for processors with AVX2, which takes 0.6 of the wheel's time, and the wheel for all processors."""

FLAGS = {"CFLAGS": f"-O3 -march={FAST}", "LDFLAGS": f"-Wl,-z,{FAST}"}
"""The linker's mark makes glibc refuse the build on an older processor, which otherwise would end the process by SIGILL."""

_OF_X86_64_V3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}  # psABI, as /proc/cpuinfo names them


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
        state["argon2"] = argon2_build(self.installed_state().get("argon2"))
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
        only_adds = names <= {PROJECT, "argon2", *self.locks} and not any(lock in state for lock in names & set(self.locks))
        if not (state and only_adds):
            state = {"python": minor_version()}
            report(f"Creating {self.directory} with Python {sys.version.split()[0]} ...")
            run(sys.executable, "-I", "-m", "venv", "--clear", str(ROOT / self.directory))
        if not state.keys() >= set(self.locks):
            report(f"Installing the packages of {self.locks[-1]}; the first time this may take a minute or two ...")
            self.install(self.locks[-1])
        report("Installing the project itself ...")
        self.pip("--no-deps", "--no-build-isolation", "--editable", ".")
        self.install_argon2(state.get("argon2", WHEEL))
        fresh = self.stamp.with_suffix(".new")
        fresh.write_text(json.dumps(state | self.wanted_state()))
        fresh.replace(self.stamp)

    def install_argon2(self, installed: str) -> None:
        """Replaces the wheel of Argon2 by a build for this processor, or that build by the wheel where it cannot run any more.

        A build that fails is reported, and not tried again until a lock file changes.
        """
        wanted = argon2_build(installed)
        if wanted == installed == FAST:
            return
        if wanted == FAST:
            try:
                self.use_argon2(str(built_argon2()))
            except (OSError, subprocess.CalledProcessError) as failure:
                report(f"Argon2 could not be built for this processor ({failure}).")
            else:
                return
        if FAST in {wanted, installed}:
            self.use_argon2("--require-hashes", "--requirement", str(pin_of(ARGON2, RELEASE)))
        report(f"Argon2 is the wheel for all processors: {reason_for_wheel()}")

    def use_argon2(self, *requirement: str) -> None:
        """Installs Argon2 and checks it. Raises `CalledProcessError` if it computes a wrong hash."""
        self.pip("--no-deps", "--force-reinstall", *requirement)
        run(str(self.python), "-I", "-c", "import vestibule.adapters.hasher as hasher; hasher.check_known_answers()")

    def install(self, lock: str) -> None:
        """Installs a lock file with uv, which needs a fifth of the time; with pip if uv fails (pip may use another index)."""
        # The lock file is complete, so no dependencies are resolved: for coverage[toml] of pytest-cov, pip before 23.3 would
        # take the newest coverage, which has another version than the file and no hash.
        arguments = ("--require-hashes", "--no-deps", "--requirement", lock)
        options = ("--quiet", "--system-certs", "--compile-bytecode")  # as pip does; else the first start compiles for 2 s
        try:
            run(str(self.uv()), "pip", "install", *options, "--python", str(self.python), *arguments)
        except (OSError, subprocess.CalledProcessError):
            report("uv could not install the packages; trying pip ...")
            self.pip(*arguments)

    def uv(self) -> Path:
        """Returns the locked version of the program `uv`, which lies outside: an environment has nothing but its lock file."""
        lock = pin_of("uv", DEVELOPMENT)
        target = ROOT / ".build" / f"uv-{digest_of(lock.read_text())}"
        if not (target / "bin" / "uv").exists():
            self.pip("--require-hashes", "--no-deps", "--target", str(target), "--requirement", str(lock))
        return target / "bin" / "uv"

    def pip(self, *arguments: str) -> None:
        # Errors alone: some versions of pip warn of their own plans for the cache.
        options = ("--quiet", "--quiet", "--no-input", "--disable-pip-version-check")
        run(str(self.python), "-I", "-m", "pip", "install", *options, *arguments)


ENVIRONMENTS = {
    "serve": Environment(".venv", (RELEASE,)),
    "develop": Environment(".venv", (RELEASE, DEVELOPMENT)),
    "release": Environment(".build/release", (RELEASE,)),
}
"""The environment of each purpose. `release` has what users install, while .venv has more: for servers under test."""


def argon2_build(installed: str | None) -> str:
    """Returns the build of Argon2 that suits this machine; a build that is installed needs no compiler any more."""
    return FAST if is_x86_64_v3() and (installed == FAST or can_compile()) else WHEEL


def is_x86_64_v3() -> bool:
    """Tells whether this is Linux on a processor with AVX2 and what else the level x86-64-v3 has."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        return False
    try:
        flags = re.search(r"(?m)^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text())
    except OSError:
        return False
    return flags is not None and set(flags[1].split()) >= _OF_X86_64_V3


def can_compile() -> bool:
    return shutil.which("cc") is not None and Path(sysconfig.get_path("include"), "Python.h").exists()


def reason_for_wheel() -> str:
    if not is_x86_64_v3():
        return "for this one there is no faster build."
    return (
        "a hash takes 1.7 times as long as with a build for this one. For that, install a C compiler and the headers of "
        "Python (Debian: build-essential, python3-dev), and run the command again."
    )


def built_argon2() -> Path:
    """Builds Argon2 from its locked source, once per lock file, in an environment of its own; returns the wheel.

    Raises `OSError` or `CalledProcessError` if that fails.
    """
    pin = pin_of(ARGON2, RELEASE)
    lock = (ROOT / ARGON2_BUILD).read_text()
    directory = ROOT / ".build" / f"argon2-{digest_of(pin.read_text() + lock + str(FLAGS))}"
    if not (found := sorted(directory.glob("*.whl"))):
        report("Building Argon2 for this processor ...")
        tools = Environment(".build/argon2-tools", (ARGON2_BUILD,))
        run(sys.executable, "-I", "-m", "venv", "--clear", str(ROOT / tools.directory))
        tools.install(ARGON2_BUILD)
        source = ("--no-deps", "--no-binary", ARGON2, "--require-hashes", "--requirement", str(pin))
        # Without pip's cache, which would return a wheel that was built with other flags.
        # Errors alone: some versions of pip warn of their own plans for the cache.
        options = ("--quiet", "--quiet", "--no-input", "--no-cache-dir", "--no-build-isolation", "--wheel-dir", str(directory))
        run(str(tools.python), "-I", "-m", "pip", "wheel", *options, *source, **FLAGS)
        shutil.rmtree(ROOT / tools.directory)
        found = sorted(directory.glob("*.whl"))
    return found[0]


def pin_of(package: str, lock: str) -> Path:
    """Writes a lock file of one package, with its hashes, and returns its path. Raises `OSError` if it is not locked."""
    pinned = re.search(rf"(?m)^{package}==(?:.*\\\n)+.*\n", (ROOT / lock).read_text())
    if pinned is None:
        raise OSError(f"no {package} is locked")
    file = ROOT / ".build" / f"{package}.lock"
    file.write_text(pinned[0])
    return file


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def run(*command: str, **variables: str) -> None:
    """Runs the command with these environment variables and those of this process."""
    # A user's settings for other environments would redirect the installation, or add packages.
    dropped = {"PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX"}
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    # Setuptools warns about directories with templates and no modules, which are intended.
    environment |= {"PIP_USER": "0", "PYTHONWARNINGS": "ignore"} | variables
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


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
