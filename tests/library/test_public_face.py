"""`import vestibule`: its names, and a build that a program opens and closes itself."""

import asyncio
import gc
import inspect
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import vestibule
from vestibule import application
from vestibule.domain import errors
from vestibule.entrypoints.facade import USE_CASES
from vestibule.testing import World

ADA: dict[str, Any] = {
    "username": "ada",
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "password": "the engine weaves algebra",
}


def build_in(directory: Path) -> vestibule.Build:
    return vestibule.build(vestibule.Settings(data_dir=directory), run_workers=False)


def test_every_public_name_of_the_use_cases_is_at_the_top() -> None:
    assert all(getattr(vestibule, name) is getattr(application, name) for name in application.__all__)
    assert {declared.use_case.__name__ for declared in USE_CASES.values()} <= set(application.__all__)
    assert vestibule.__version__ == version("vestibule-accounts")


def test_console_completes_the_public_names() -> None:
    assert {*application.__all__, "build", "Settings", "Limits", "errors", "__version__"} <= set(dir(vestibule))


@pytest.mark.parametrize("facade", [vestibule.Vestibule, vestibule.AsyncVestibule], ids=["blocking", "awaited"])
def test_help_shows_the_parameters_of_each_use_case(facade: type) -> None:
    for name, declared in USE_CASES.items():
        method = getattr(facade, name)
        assert (inspect.isfunction(method), inspect.getdoc(method)) == (True, inspect.getdoc(declared.use_case)), name
    log_in: Any = facade.log_in  # type: ignore[attr-defined]
    assert list(inspect.signature(log_in).parameters) == ["self", "username", "password", "caller"]


def test_use_case_can_be_called_on_the_class() -> None:
    call: Any = vestibule.Vestibule
    assert call.check_unique(World(), prop="username", value="ada") is True


def test_text_of_invalid_input_names_the_fields() -> None:
    with pytest.raises(vestibule.InvalidInput) as raised:
        World().request_code(destination="nowhere")
    (message,) = raised.value.errors["destination"]
    assert str(raised.value) == f"{raised.value.detail} destination: {message}"


def test_errors_are_a_module_of_their_own() -> None:
    from vestibule.errors import RateLimited  # noqa: PLC0415 — the import is under test

    assert vestibule.errors.RateLimited is RateLimited is errors.RateLimited


def test_unknown_name_is_an_attribute_error() -> None:
    for name in ("nonsense", "Nonsense", "_nonsense"):
        with pytest.raises(AttributeError, match=name):
            getattr(vestibule, name)


def test_import_and_help_load_no_database_driver() -> None:
    program = """
import sys
import vestibule
from vestibule.entrypoints.cli.__main__ import main
sys.argv = ["vestibule", "--help"]
try:
    main()
except SystemExit as end:
    assert end.code == 0
print([name for name in sys.modules if name.partition(".")[0] in ("sqlalchemy", "psycopg", "sqlite3")])
"""
    shown = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert "Usage: vestibule" in shown
    assert shown.endswith("\n[]\n")


def test_opened_use_cases_outlive_the_collection_of_their_build(tmp_path: Path) -> None:
    accounts = build_in(tmp_path).open()
    gc.collect()
    assert accounts.register(**ADA).id == 1


def test_call_after_close_says_that_it_is_closed(tmp_path: Path) -> None:
    build = build_in(tmp_path)
    accounts = build.open()
    awaited = vestibule.AsyncVestibule(accounts)
    build.close()
    build.close()
    calls = (lambda: accounts.log_in(username="ada", password="p"), accounts.purge, accounts.check, accounts.jwks)
    awaited_calls = (awaited.purge, awaited.list_messages, awaited.check)
    for call in (*calls, *awaited_calls, lambda: accounts.subscribe("crm", print)):
        with pytest.raises(RuntimeError, match="closed"):
            call()


def test_build_opens_again_after_it_was_closed(tmp_path: Path) -> None:
    build = build_in(tmp_path)
    build.open().register(**ADA)
    with pytest.raises(RuntimeError, match="open already"):
        build.open()
    build.close()
    assert build.open().log_in(username="ada", password=ADA["password"]).access_token
    build.close()


def test_awaited_build_is_opened_and_closed_alike(tmp_path: Path) -> None:
    async def main() -> None:
        build = build_in(tmp_path)
        accounts = await build.aopen()
        await accounts.register(**ADA)
        await build.aclose()
        for call in (accounts.purge, accounts.check, accounts.blocking.purge):
            with pytest.raises(RuntimeError, match="closed"):
                await call()  # type: ignore[misc]  # it raises before there is anything to await

    asyncio.run(main())


def test_failed_opening_closes_what_was_built(tmp_path: Path) -> None:
    build = vestibule.build(vestibule.Settings(data_dir=tmp_path, images_url="s3://x"), run_workers=False)
    for _ in range(2):  # the second attempt does not find the build open
        with pytest.raises(vestibule.SettingsError, match="VESTIBULE_IMAGES_URL"):
            build.open()
