"""The commands and snippets of the documents, run unchanged."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.server import Server

ROOT = Path(__file__).parents[2]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def run(command: list[str], directory: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VESTIBULE_")}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_commands_of_the_readme_print_the_shown_responses(tmp_path: Path) -> None:
    commands = "\n".join(blocks("README.md", "sh"))
    (program,) = blocks("README.md", "python")
    (tmp_path / "first.py").write_text(program)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -W error "$@"\n')
    python.chmod(0o755)
    with Server(tmp_path / "data") as server:
        script = commands.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{server.port}").replace(
            "curl -s", "curl -sS -w '\\n'"
        )
        output = run(["bash", "-euo", "pipefail", "-c", script], tmp_path)
    registered, account, sent, verified, renamed, mistake, refreshed, printed = output.splitlines()
    assert registered == blocks("README.md", "json")[0].strip()
    assert account == registered
    assert '"reference"' in sent
    assert '"proof"' in verified
    assert '"Ada King"' in renamed
    assert mistake == blocks("README.md", "json")[1].strip()
    assert '"refresh_token"' in refreshed
    assert printed == blocks("README.md", "text")[0].strip() == "Ada King"


@pytest.mark.parametrize("page", ["README.md", "docs/library.md"])
def test_python_snippets_run_unchanged(page: str, tmp_path: Path) -> None:
    for block in blocks(page, "python"):
        run([sys.executable, "-W", "error", "-c", block], tmp_path)
