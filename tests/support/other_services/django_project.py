"""Runs `django_site.py` with the packages that it needs."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support.other_services.environments import HERE, python_of

MIGRATIONS = ("0003", "0004", "0005", "0006", "0007", "0008")
"""The schema versions of drf-user that have been in use."""


def django(command: str, *words: str | Path, database: str, **settings: str) -> Any:
    """Returns what the command prints. `database` is a URL, of SQLite or PostgreSQL."""
    environment = {name: value for name, value in os.environ.items() if name not in ("USERS", "TIME_ZONE")}
    environment |= {"DATABASE": database.removeprefix("sqlite:///"), **settings}
    arguments = [python_of("drf-user"), HERE / "django_site.py", command, *words]
    finished = subprocess.run([*map(str, arguments)], env=environment, check=False, capture_output=True, text=True)
    assert not finished.returncode, finished.stderr
    return json.loads(finished.stdout)
