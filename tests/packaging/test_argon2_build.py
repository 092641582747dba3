"""The build of Argon2 for this machine's processor: chosen by the set-up, and refused in one line where it cannot run."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from tests.support.server import VESTIBULE

from vestibule.adapters.hasher import Argon2Hasher, build, build_of_argon2

SCRIPT = Path(__file__).parents[2] / "scripts" / "support" / "environment.py"


def set_up() -> ModuleType:
    """The script that sets up environments, as a module."""
    spec = importlib.util.spec_from_file_location("set_up", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["set_up"] = importlib.util.module_from_spec(spec)  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def test_environment_has_the_build_for_this_processor() -> None:
    is_fast = set_up().argon2_build(None) == "x86-64-v3"
    assert build_of_argon2() == ("compiled for this machine" if is_fast else "the wheel for all processors")


def test_library_for_a_newer_processor_stops_the_command_in_one_line(tmp_path: Path) -> None:
    script = set_up()
    if not (script.is_x86_64_v3() and script.can_compile()):
        pytest.skip("needs Linux on x86-64 and a C compiler: no library is marked for a newer processor elsewhere")
    if "avx512f" in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has AVX-512: there is no newer level to mark a library for")
    package = tmp_path / "_argon2_cffi_bindings"
    package.mkdir()
    (package / "__init__.py").write_text("from ._ffi import ffi, lib\n")
    (package / "empty.c").write_text("int empty;\n")
    library = package / "_ffi.abi3.so"
    compiler = shutil.which("cc") or "cc"
    subprocess.run([compiler, "-shared", "-Wl,-z,x86-64-v4", "-o", library, package / "empty.c"], check=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "VESTIBULE_DATA_DIR": str(tmp_path / "data")}
    result = subprocess.run([VESTIBULE, "migrate"], env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1), result.stderr
    assert "compiled for a newer processor" in result.stderr


def test_library_that_computes_wrong_hashes_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_KNOWN_ANSWERS", {1: "00" * 32})
    with pytest.raises(RuntimeError, match="computes wrong hashes"):
        Argon2Hasher()
