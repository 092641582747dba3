"""The wheel, built once from the files that git knows, as for a release, and compared with the tree."""

import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"


def known_to_git() -> Iterator[Path]:
    """Files that git tracks or would track: ignored ones do not exist in a fresh clone."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    yield from (Path(name) for name in listing.split("\0") if name and (ROOT / name).is_file())


def pip(*arguments: str) -> None:
    """Runs pip without a registry and without dependencies, so that no other package can be installed."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run([*command, "--no-index", "--no-deps"], check=True, capture_output=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree, target = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in known_to_git():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tree / name)
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(target), str(tree))
    (built,) = target.glob("vestibule_accounts-*.whl")
    return built


@pytest.fixture(scope="module")
def bare_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the wheel and the standard library alone."""
    home = tmp_path_factory.mktemp("bare")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    pip("--python", str(python), "install", str(wheel))
    return python


def test_wheel_contains_the_modules_and_data_files_of_the_tree(wheel: Path) -> None:
    tree = {path.relative_to(SRC).as_posix() for path in SRC.rglob("*") if path.is_file() and "__pycache__" not in path.parts}

    names = zipfile.ZipFile(wheel).namelist()
    packed = {name.removeprefix("vestibule/") for name in names if name.startswith("vestibule/")}

    assert packed == tree
    assert all(name.startswith("vestibule/") or ".dist-info/" in name for name in names)


def test_every_directory_with_modules_is_a_package() -> None:
    bare = {path.parent for path in SRC.rglob("*.py") if not (path.parent / "__init__.py").is_file()}

    assert bare == set()


def test_command_is_installed(bare_python: Path) -> None:
    assert (bare_python.parent / "vestibule").is_file()


def test_domain_and_application_need_no_library(bare_python: Path) -> None:
    program = """
import importlib, pkgutil, sys
import vestibule
for package in ("vestibule.domain", "vestibule.application"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        importlib.import_module(module.name)
        print(module.name)
assert "site-packages" in vestibule.__file__, vestibule.__file__
"""
    run = subprocess.run([bare_python, "-I", "-c", program], check=False, capture_output=True, text=True)

    assert run.stderr == ""
    assert {"vestibule.domain.account", "vestibule.application.ports"} <= set(run.stdout.split())


def dependencies(of: Distribution, extras: frozenset[str] = frozenset()) -> Iterator[Distribution]:
    """Yields the installed dependencies of a distribution."""
    for requirement in map(Requirement, of.requires or []):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            other = distribution(requirement.name)
            yield other
            yield from dependencies(other, frozenset(requirement.extras))


@pytest.fixture(scope="module")
def small_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the wheel and its dependencies without an extra, as after `pip install vestibule-accounts`."""
    home = tmp_path_factory.mktemp("small")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    pip("--python", str(python), "install", str(wheel))
    (packages,) = home.glob("lib/python*/site-packages")
    (information,) = packages.glob("vestibule_accounts-*.dist-info")
    for other in dependencies(PathDistribution(information)):
        for file in other.files or []:
            target = packages / file.parts[0]
            if file.parts[0] != ".." and not target.exists():
                target.symlink_to(Path(str(other.locate_file(file.parts[0]))))
    return python


PROGRAM = """
import asyncio, sys
from pathlib import Path
import vestibule.application
assert not [name for name in sys.modules if "site-packages" in (getattr(sys.modules[name], "__file__", "") or "")
            and name.partition(".")[0] != "vestibule"], "the public names need no library"
from vestibule import Settings, build

SECRET = "the engine weaves algebra"
with build(Settings(data_dir=Path(sys.argv[1]))) as vestibule:
    vestibule.register(username="ada", name="Ada", email="ada@example.com", password=SECRET)
    tokens = vestibule.log_in(username="ada", password=SECRET)
    assert vestibule.authenticate(tokens.access_token).account.username.text == "ada"

async def main():
    async with build(Settings(data_dir=Path(sys.argv[1]))) as vestibule:
        tokens = await vestibule.log_in(username="ada", password=SECRET)
        await vestibule.request_code(destination="ada@example.com")
        assert await vestibule.deliver_messages() in (0, 1)

asyncio.run(main())
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_small_install_runs_the_use_cases_and_imports_no_framework(small_python: Path, tmp_path: Path) -> None:
    run = subprocess.run([small_python, "-I", "-c", PROGRAM, tmp_path / "data"], check=False, capture_output=True, text=True)
    assert run.stderr == ""
    imported = set(run.stdout.split())
    assert {"vestibule", "sqlalchemy", "argon2"} <= imported
    assert not imported & {
        *("litestar", "starlette", "fastapi", "django", "flask", "multipart", "granian", "uvicorn", "click", "rich"),
        *("psycopg", "redis", "obstore", "apprise", "requests", "httpx", "prometheus_client", "opentelemetry"),
    }


@pytest.mark.parametrize("python", ["bare_python", "small_python"])
def test_command_of_a_small_install_names_the_missing_extra(python: str, request: pytest.FixtureRequest) -> None:
    command = request.getfixturevalue(python).parent / "vestibule"
    run = subprocess.run([command, "serve"], check=False, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "vestibule: the command and the server need an extra: pip install 'vestibule-accounts[server]'\n"
