"""Modules that an import and a start load: they are nearly all of the time that both take, and much of the memory."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from vestibule import Settings, build

_IMPORT = """
import sys
before = set(sys.modules)
import vestibule
print(*set(sys.modules) - before)
"""
_START = """
import os, sys
from vestibule.entrypoints.server import app
app()
print(*sys.modules, flush=True)
os._exit(0)
"""
_FRAMEWORKS = {"aiohttp", "bottle", "django", "fastapi", "flask", "quart", "sanic", "tornado", "werkzeug"}
_SELDOM_USED = {"alembic", "apprise", "jinja2", "obstore", "PIL", "pillow_heif", "psycopg", "redis", "requests", "rich"}
"""Libraries that only some servers use, or only later calls."""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The packages of a server that has started on a database that is migrated already."""
    directory = tmp_path_factory.mktemp("data")
    with build(Settings(data_dir=directory), run_workers=False):
        pass
    return _packages(_START, directory)


def test_import_of_the_package_loads_no_library(tmp_path: Path) -> None:
    assert _packages(_IMPORT, tmp_path) - sys.stdlib_module_names == {"vestibule"}


def test_started_server_loads_no_web_framework_that_happens_to_be_installed(started: set[str]) -> None:
    installed = {name for name in _FRAMEWORKS if find_spec(name) is not None}
    assert installed >= {"django", "fastapi", "flask"}
    assert "litestar" in started
    assert not installed & started


def test_started_server_loads_no_library_that_it_seldom_uses(started: set[str]) -> None:
    assert not _SELDOM_USED & started


def _packages(program: str, directory: Path) -> set[str]:
    """The top-level names of the modules that a program prints."""
    environment = os.environ | {"VESTIBULE_DATA_DIR": str(directory)}
    output = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True).stdout
    return {name.partition(".")[0] for name in output.split()}
