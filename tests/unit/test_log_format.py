"""How a record is written, and what is left out of it."""

import json
import logging
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from vestibule.entrypoints.observability.log_format import JsonLines, Lines

SECRET = "ann@example.org"


def record(
    message: str, *args: object, name: str = "vestibule.courier", fault: BaseException | None = None, **more: object
) -> Any:
    exc_info = (type(fault), fault, fault.__traceback__) if fault else None
    made = logging.LogRecord(name, logging.WARNING, __file__, 1, message, args, exc_info)
    made.created = 1_800_000_000.25
    vars(made).update(more)
    return made


def raised(act: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as fault:  # noqa: PT011 — whatever it is, it is written down
        act()
    return fault.value


def test_a_line_for_people_has_the_time_in_utc_and_what_belongs_to_it() -> None:
    line = Lines().format(record("message %s failed", "m1", fields={"route": "/login", "user_id": None}))
    assert line == "2027-01-15T08:00:00Z WARNING vestibule.courier: message m1 failed route=/login user_id=-"


def test_a_line_for_machines_is_one_object() -> None:
    line = JsonLines().format(record("message %s failed", "m1", fields={"route": "/login", "user_id": None}))
    assert json.loads(line) == {
        "ts": "2027-01-15T08:00:00.250Z",
        "level": "warning",
        "logger": "vestibule.courier",
        "message": "message m1 failed",
        "route": "/login",
        "user_id": None,
    }


def fail() -> None:
    try:
        raise ValueError(SECRET)
    except ValueError as cause:
        raise RuntimeError(SECRET) from cause


@pytest.mark.parametrize("formatter", [Lines(), JsonLines()], ids=["text", "json"])
def test_of_an_exception_everything_is_told_but_its_text(formatter: logging.Formatter) -> None:
    line = formatter.format(record("it stumbled", fault=raised(fail)))
    assert SECRET not in line
    kinds = [line.index(kind) for kind in ("raise ValueError(", "which led to", "in fail", "RuntimeError")]
    assert min(kinds) > 0
    assert line.index("ValueError") < line.index("which led to") < line.rindex("RuntimeError")


def open_nothing() -> None:
    open("/there/is/none/hunter2")  # noqa: PTH123, SIM115 — it fails


def query_nothing() -> None:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("SELECT hunter2")
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("act", "told"),
    [(open_nothing, "FileNotFoundError (No such file or directory)"), (query_nothing, "OperationalError (SQLITE_ERROR)")],
)
def test_a_fault_of_the_system_is_told_by_its_name(act: Callable[[], None], told: str) -> None:
    line = json.loads(JsonLines().format(record("it stumbled", fault=raised(act))))
    assert line["exception"].endswith(told)


def test_a_context_that_was_put_away_stays_away() -> None:
    def fail_alone() -> None:
        try:
            raise KeyError("first")
        except KeyError:
            raise RuntimeError("second") from None

    assert "KeyError\n" not in Lines().format(record("it stumbled", fault=raised(fail_alone)))


def test_a_fault_that_is_gone_is_not_told() -> None:
    made = record("it stumbled")
    made.exc_info = (None, None, None)
    assert Lines().format(made).endswith("it stumbled")


@pytest.mark.parametrize("formatter", [Lines(), JsonLines()], ids=["text", "json"])
def test_a_record_is_one_line_whatever_is_in_it(formatter: logging.Formatter) -> None:
    line = formatter.format(record("a\nWARNING vestibule: forged\r\x1b[2J\u2028\x85"))
    assert len(line.splitlines()) == 1
    assert line.isprintable()


def test_of_what_a_library_says_the_first_line_is_told() -> None:
    line = Lines().format(record("a task failed\nValueError: hunter2", name="asyncio"))
    assert line.endswith("WARNING asyncio: a task failed")


def test_a_name_that_only_begins_alike_is_a_librarys() -> None:
    assert "hunter2" not in Lines().format(record("it failed\nhunter2", name="vestibules"))
