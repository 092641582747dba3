"""Runs `fastapi_users_site.py` with the packages that it needs."""

import json
import os
import subprocess

from tests.support.other_services.environments import HERE, python_of


def fill_fastapi_users(url: str, ids: str) -> dict[str, str]:
    """Fills a database of fastapi-users, with `integer` or `uuid` as ids; returns the password of each user by email."""
    driver = url.replace("sqlite:", "sqlite+aiosqlite:").replace("postgresql:", "postgresql+psycopg:")
    command = [str(python_of("fastapi-users")), str(HERE / "fastapi_users_site.py"), ids]
    finished = subprocess.run(command, env={**os.environ, "DATABASE": driver}, check=False, capture_output=True, text=True)
    assert not finished.returncode, finished.stderr
    found: dict[str, str] = json.loads(finished.stdout)
    return found
