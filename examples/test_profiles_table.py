"""Runs `profiles_table`: python -m pytest examples/test_profiles_table.py"""

from pathlib import Path

import pytest
from examples.profiles_table import main


def test_profiles_are_joined_with_accounts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(tmp_path)
    assert capsys.readouterr().out == "ada, born 1815-12-10: Think twice.\n"
