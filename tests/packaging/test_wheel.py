"""The wheel is built once, as a release would be, from what git knows; the tree is what it is held against."""

import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"


def known_to_git() -> Iterator[Path]:
    """What git tracks, or would if told to: what is ignored does not exist in a fresh clone."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    yield from (Path(name) for name in listing.split("\0") if name and (ROOT / name).is_file())


def pip(*arguments: str) -> None:
    """Without a registry: what is not there is not needed."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run([*command, "--no-index", "--no-deps"], check=True, capture_output=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree, target = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in known_to_git():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tree / name)
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(target), str(tree))
    (built,) = target.glob("vestibule-*.whl")
    return built


@pytest.fixture(scope="module")
def bare_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the wheel, the standard library, and nothing else."""
    home = tmp_path_factory.mktemp("bare")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    pip("--python", str(python), "install", str(wheel))
    return python


def test_the_wheel_holds_every_module_and_data_file_of_the_tree_and_no_other(wheel: Path) -> None:
    tree = {path.relative_to(SRC).as_posix() for path in SRC.rglob("*") if path.is_file() and "__pycache__" not in path.parts}

    names = zipfile.ZipFile(wheel).namelist()
    held = {name.removeprefix("vestibule/") for name in names if name.startswith("vestibule/")}

    assert held == tree
    assert all(name.startswith("vestibule/") or ".dist-info/" in name for name in names)


def test_every_directory_with_modules_is_a_package() -> None:
    bare = {path.parent for path in SRC.rglob("*.py") if not (path.parent / "__init__.py").is_file()}

    assert bare == set()


def test_the_command_is_installed(bare_python: Path) -> None:
    assert (bare_python.parent / "vestibule").is_file()


def test_the_inside_works_without_any_third_party_package(bare_python: Path) -> None:
    program = """
import importlib, pkgutil, sys
import vestibule
for inside in ("vestibule.domain", "vestibule.application"):
    for module in pkgutil.walk_packages(importlib.import_module(inside).__path__, inside + "."):
        importlib.import_module(module.name)
        print(module.name)
assert "site-packages" in vestibule.__file__, vestibule.__file__
"""
    run = subprocess.run([bare_python, "-I", "-c", program], check=False, capture_output=True, text=True)

    assert run.stderr == ""
    assert {"vestibule.domain.account", "vestibule.application.ports"} <= set(run.stdout.split())
