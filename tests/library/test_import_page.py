"""docs/import.md: its snippet imports its sample row, and its tables name what the program has."""

import re
from pathlib import Path

import pytest
from tests.support.documents import DOCS

from vestibule.adapters.account_sources.columns import COLUMNS
from vestibule.application import ImportCode

PAGE = (DOCS / "import.md").read_text()


def fenced(language: str) -> str:
    [block] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(block)


def listed_after(heading: str) -> set[str]:
    table = PAGE.partition(heading)[2].partition("\n\n| ")[2].partition("\n\n")[0]
    return {name for line in table.splitlines()[2:] for name in re.findall("`([^`]*)`", line.split("|")[1])}


def test_snippet_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("users.jsonl").write_text(fenced("json"))
    exec(compile(fenced("python"), "import.md", "exec"), {})  # noqa: S102 — it is ours
    assert capsys.readouterr().out.startswith("line 1 imported ")


def test_page_lists_every_column_and_every_code() -> None:
    assert listed_after("## The file") == set(COLUMNS)
    assert listed_after("## What becomes of each row") == set(ImportCode)
