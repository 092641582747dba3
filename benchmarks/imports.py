"""`vestibule import` of a file: rows a second, and the memory of the process with few rows and with many."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from .machine import cores
from .measure import Run
from .places import Places
from .seed import email, mobile, name, username
from .servers import COST, PASSWORD, ROOT
from .targets import Target, at_least, at_most

MIN_ROWS_A_SECOND = 1000.0
MAX_GROWTH = 1.1


def imports(stack: ExitStack, run: Run, database: str, sizes: Sequence[int]) -> tuple[list[dict[str, Any]], list[Target]]:
    """Imports a file of each size into an empty database, and the last one again."""
    places = Places(stack, cores()[0], run.progress)
    if not places.is_available(database):
        return [], []
    found: list[dict[str, Any]] = []
    for size in sizes:
        directory, url = places.filled(database, 0)
        file = _written(directory / "users.jsonl", size)
        for what in ("new rows", "unchanged rows"):
            run.progress(f"{database}: {what}, {size:,}")
            found.append({"import": what, "rows": size, **_imported(file, directory, url, size)})
    new = [one for one in found if one["import"] == "new rows"]
    growth = new[-1]["mib"] / new[0]["mib"]
    targets = [
        at_least(f"rows a second, {database}, {sizes[-1]:,}", new[-1]["rows_per_second"], MIN_ROWS_A_SECOND),
        at_most(f"memory with {sizes[-1]:,} rows : with {sizes[0]:,}, {database}", growth, MAX_GROWTH),
    ]
    return found, targets


def _written(file: Path, count: int) -> Path:
    secret = PasswordHasher(*COST).hash(PASSWORD)
    with file.open("w") as output:
        for number in range(1, count + 1):
            fields = {"username": username(number), "name": name(number), "email": email(number), "mobile": mobile(number)}
            line = {"id": number, **fields, "email_verified": True, "password_hash": secret, "created_at": 1_600_000_000}
            output.write(json.dumps(line) + "\n")
    return file


def _imported(file: Path, directory: Path, url: str, count: int) -> dict[str, float]:
    """Runs the command; the time is that of the whole process, and the memory its largest."""
    environment = {one: value for one, value in os.environ.items() if not one.startswith("VESTIBULE_")}
    environment |= {"VESTIBULE_DATA_DIR": str(directory), "VESTIBULE_DATABASE_URL": url}
    command = [sys.executable, "-m", "vestibule.entrypoints.cli", "import", str(file), "--json"]
    begun = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        summary = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    assert process.returncode == 0
    assert summary["imported"] + summary["unchanged"] == count
    return {
        "rows_per_second": round(count / seconds),
        "cpu_us_a_row": round(usage.ru_utime * 1e6 / count),
        "mib": round(usage.ru_maxrss / 1024),
    }
