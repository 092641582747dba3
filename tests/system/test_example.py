"""The example of a program that imports Vestibule, run unchanged."""

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "in_process.py"


def test_example_registers_logs_in_and_verifies_a_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE))["main"](tmp_path / "data")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "registered ada as account 1"
    assert lines[1].startswith("refused: {'username'")
    assert lines[3].startswith("logged in as Ada Lovelace")
    assert lines[-1] == "the email is verified: True"
