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
    message: str, *args: object, name: str = "vestibule.delivery", fault: BaseException | None = None, **more: object
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


def test_text_line_has_the_time_in_utc_and_the_fields() -> None:
    line = Lines().format(record("message %s failed", "m1", fields={"route": "/login", "user_id": None}))
    assert line == "2027-01-15T08:00:00Z WARNING vestibule.delivery: message m1 failed route=/login user_id=-"


def test_json_line_is_one_object() -> None:
    line = JsonLines().format(record("message %s failed", "m1", fields={"route": "/login", "user_id": None}))
    assert json.loads(line) == {
        "ts": "2027-01-15T08:00:00.250Z",
        "level": "warning",
        "logger": "vestibule.delivery",
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
def test_exception_is_logged_without_its_text(formatter: logging.Formatter) -> None:
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
def test_system_error_is_logged_by_its_name(act: Callable[[], None], told: str) -> None:
    line = json.loads(JsonLines().format(record("it stumbled", fault=raised(act))))
    assert line["exception"].endswith(told)


def test_suppressed_context_is_not_logged() -> None:
    def fail_alone() -> None:
        try:
            raise KeyError("first")
        except KeyError:
            raise RuntimeError("second") from None

    assert "KeyError\n" not in Lines().format(record("it stumbled", fault=raised(fail_alone)))


def test_missing_exception_is_not_logged() -> None:
    made = record("it stumbled")
    made.exc_info = (None, None, None)
    assert Lines().format(made).endswith("it stumbled")


@pytest.mark.parametrize("formatter", [Lines(), JsonLines()], ids=["text", "json"])
def test_record_is_one_line_for_any_text(formatter: logging.Formatter) -> None:
    line = formatter.format(record("a\nWARNING vestibule: forged\r\x1b[2J\u2028\x85"))
    assert len(line.splitlines()) == 1
    assert line.isprintable()


def test_library_record_is_cut_to_its_first_line() -> None:
    line = Lines().format(record("a task failed\nValueError: hunter2", name="asyncio"))
    assert line.endswith("WARNING asyncio: a task failed")


def test_logger_with_a_similar_name_counts_as_a_library() -> None:
    assert "hunter2" not in Lines().format(record("it failed\nhunter2", name="vestibules"))


# --- any exception ----------------------------------------------------------------------------------------------------


class Unspeakable(Exception):
    """An exception that raises at every look."""

    def __str__(self) -> str:
        raise RuntimeError(SECRET)

    __repr__ = __str__

    @property
    def strerror(self) -> str:
        raise RuntimeError(SECRET)


def own_cause() -> BaseException:
    error = ValueError(SECRET)
    error.__cause__ = error
    return error


def cycle() -> BaseException:
    first, second, third = ValueError(SECRET), TypeError(SECRET), KeyError(SECRET)
    first.__cause__, second.__context__, third.__cause__ = second, third, first
    return first


def long_chain() -> BaseException:
    error: BaseException = ValueError(SECRET)
    for _ in range(5000):
        following = TypeError(SECRET)
        following.__cause__ = error
        error = following
    return error


def recursion() -> BaseException:
    def again() -> None:
        again()

    return raised(again)


def group() -> BaseException:
    inner = BaseExceptionGroup(SECRET, [KeyboardInterrupt(SECRET), cycle()])
    inner.exceptions[1].__context__ = inner
    return BaseExceptionGroup(SECRET, [inner, LookupError(SECRET)])


@pytest.mark.parametrize("formatter", [Lines(), JsonLines()], ids=["text", "json"])
@pytest.mark.parametrize(
    ("made", "named"),
    [
        (own_cause, ["ValueError"]),
        (cycle, ["KeyError", "which led to", "TypeError", "which led to", "ValueError"]),
        (long_chain, ["TypeError"] + ["which led to", "TypeError"] * 19),
        (recursion, ["RecursionError"]),
        (Unspeakable, ["Unspeakable"]),
        (group, ["KeyError", "TypeError", "ValueError", "KeyboardInterrupt", "BaseExceptionGroup", "LookupError"]),
    ],
)
def test_any_exception_is_logged_once_and_in_bounds(
    formatter: logging.Formatter, made: Callable[[], BaseException], named: list[str]
) -> None:
    line = formatter.format(record("request failed", fault=made()))
    assert SECRET not in line
    assert len(line) < 20_000
    text = json.loads(line)["exception"] if line.startswith("{") else line
    at = [one for one in text.split("\n") if one in named]
    if made is group:
        assert set(at) >= set(named)
    else:
        assert at == named


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/account/", "/account/"),
        ("/hunter%0a2", "/hunter%0a2"),
        ("/a b\n\x1b[2J\u202e 200 0.1 ms", "/a%20b%0A%1B%5B2J%E2%80%AE%20200%200.1%20ms"),
        ("/" + "x" * 500, "/" + "x" * 199 + "…"),
    ],
)
def test_call_at_a_terminal_is_one_line_without_its_query_or_a_control_character(path: str, shown: str) -> None:
    fields = {"method": "GET", "route": "/account", "status": 200, "ms": 0.6, "request_id": "9f0eafcf883c3407eb46d6bb715a2f69"}
    call = record("request", name="vestibule.access", fields=fields, path=path)
    assert Lines(short_calls=True).format(call) == f"2027-01-15T08:00:00Z GET {shown} 200 0.6 ms 9f0eafcf"
    for line in (Lines().format(call), JsonLines().format(call)):
        assert "/account" in line
        assert path == "/account/" or path not in line


def test_call_of_a_caller_who_hung_up_has_no_status() -> None:
    call = record("request", name="vestibule.access", fields={"method": "GET", "status": None, "ms": 9}, path="/")
    assert Lines(short_calls=True).format(call) == "2027-01-15T08:00:00Z GET / - 9 ms -"
