"""A program that imports Vestibule, type-checked: every parameter and result is known, blocking and awaited."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vestibule.entrypoints.facade import USE_CASES

ROOT = Path(__file__).resolve().parents[2]
# Not a module, because its errors are intended.
CONSUMER = Path(__file__).with_name("consumer.txt")


def consumer() -> str:
    """The consumer, with a misspelt keyword for every use case in each of the facades."""
    calls = [f"    {facade}.{name}(misspelt=None)  # WRONG\n" for name in USE_CASES for facade in ("blocking", "awaited")]
    return f"{CONSUMER.read_text()}\n\ndef misspell(blocking: Vestibule, awaited: AsyncVestibule) -> None:\n{''.join(calls)}"


@pytest.fixture(scope="module")
def wrong_lines() -> set[int]:
    lines = consumer().splitlines()
    return {number for number, line in enumerate(lines, start=1) if "# WRONG" in line}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory in which `vestibule` is a package as it is in site-packages, with its `py.typed`."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "vestibule").symlink_to(ROOT / "src")
    (tmp_path / "consumer.py").write_text(consumer())
    return tmp_path


@pytest.mark.slow
def test_mypy_knows_every_parameter_and_result(home: Path, wrong_lines: set[int]) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", ".cache", "consumer.py"]
    run = subprocess.run(
        command, cwd=home, env={"MYPYPATH": str(home / "packages")}, check=False, capture_output=True, text=True
    )
    reported = {int(line) for line in re.findall(r"^consumer\.py:(\d+): error", run.stdout, re.MULTILINE)}
    assert reported == wrong_lines, run.stdout + run.stderr


@pytest.mark.slow
def test_pyright_knows_every_parameter_and_result(home: Path, wrong_lines: set[int]) -> None:
    settings = {"typeCheckingMode": "strict", "extraPaths": ["packages"], "include": ["consumer.py"], "pythonPlatform": "Linux"}
    (home / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [str(Path(sys.executable).with_name("basedpyright")), "--outputjson", "--pythonpath", sys.executable, "-p", "."]
    run = subprocess.run(command, cwd=home, check=False, capture_output=True, text=True)
    reported = json.loads(run.stdout)["generalDiagnostics"]
    assert {one["range"]["start"]["line"] + 1 for one in reported} == wrong_lines, run.stdout
