import copy
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import vestibule.verify
from vestibule.application import (
    AlreadyTaken,
    Conflict,
    ErrorCode,
    FieldError,
    InvalidCode,
    InvalidInput,
    Overloaded,
    RateLimited,
    Refusal,
    Unavailable,
)
from vestibule.domain.rate_limits import RateLimit


def every_refusal(parent: type[Refusal] = Refusal) -> list[type[Refusal]]:
    return [refusal for child in parent.__subclasses__() for refusal in (child, *every_refusal(child))]


def test_every_refusal_has_a_unique_slug_and_a_title() -> None:
    slugs = [refusal.slug for refusal in every_refusal() if refusal is not Conflict]

    assert len(slugs) == len(set(slugs)) >= 12
    assert all(refusal.title.endswith(".") for refusal in every_refusal())


def test_refusal_detail_defaults_to_its_title() -> None:
    assert InvalidCode().detail == str(InvalidCode()) == InvalidCode.title


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (17, "17 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (121, "3 minutes"),
        (7199, "120 minutes"),
        (7200, "2 hours"),
        (86_399, "24 hours"),
    ],
)
def test_rate_limit_says_the_wait_in_units_that_people_use(seconds: int, words: str) -> None:
    refusal = RateLimited(seconds)
    assert refusal.detail == f"Try again in {words}."
    assert refusal.retry_after == seconds


def test_invalid_input_names_every_field() -> None:
    too_long, malformed = FieldError(ErrorCode.TOO_LONG, "too long"), FieldError(ErrorCode.MALFORMED, "no email")
    refusal = InvalidInput({"name": [too_long], "email": [malformed, too_long]})

    assert refusal.errors == {"name": ["too long"], "email": ["no email", "too long"]}
    assert refusal.codes == {"name": ["too-long"], "email": ["malformed", "too-long"]}


def test_already_taken_names_every_field() -> None:
    refusal = AlreadyTaken("email", "mobile")

    assert refusal.fields == ("email", "mobile")
    assert refusal.errors == {
        "email": ["An account with this email exists already."],
        "mobile": ["An account with this mobile exists already."],
    }
    assert refusal.codes == {"email": ["taken"], "mobile": ["taken"]}


def test_conflict_is_an_outage_that_may_be_retried_at_once() -> None:
    assert (Conflict().slug, Conflict().title, Conflict().retry_after) == (Unavailable.slug, Unavailable.title, 0)


def test_outage_and_overload_have_a_retry_after() -> None:
    assert (Unavailable().retry_after, Overloaded().retry_after, Overloaded(9).retry_after) == (2, 1, 9)


# --- pickle and copy --------------------------------------------------------------------------------------------------

ARGUMENTS = {
    "errors": {"email": [FieldError(ErrorCode.MALFORMED, "no email")], "name": [FieldError(ErrorCode.TOO_LONG, "too long")]},
    "fields": "mobile",
    "retry_after": 17,
    "max_age": 3600,
    "proof": "a proof",
    "limit": RateLimit(3, 60.0),
    "policy": "failed-logins",
    "detail": "In other words.",
    "text": "a text",
    "message": "a message",
    "step": "RCPT",
    "name": "scrypt",
    "reason": "has an invalid N",
    "error": ValueError("a bug"),
    "code": ErrorCode.TOO_LONG,
}
"""A value for each parameter of an exception that takes other arguments than a text."""


def own_exceptions() -> Iterator[type[Exception]]:
    """Every exception class of every module of the package."""
    for module in pkgutil.walk_packages(vestibule.__path__, "vestibule."):
        if ".migrations" in module.name or module.name.endswith((".__main__", ".worker")):  # they run when they are imported
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(value) and issubclass(value, Exception) and value.__module__ == module.name:
                yield value


def example(kind: type[Exception]) -> Exception:
    parents = [parent for parent in kind.__mro__ if parent.__module__.startswith("vestibule.")]
    if not any("__init__" in vars(parent) for parent in parents):
        return kind("one", "two")
    parameters = inspect.signature(kind).parameters.values()
    positional = [argument_for(one) for one in parameters if one.kind is not one.KEYWORD_ONLY]
    return kind(*positional, **{one.name: argument_for(one) for one in parameters if one.kind is one.KEYWORD_ONLY})


def argument_for(parameter: inspect.Parameter) -> object:
    return True if isinstance(parameter.default, bool) else ARGUMENTS[parameter.name]


OWN = sorted(set(own_exceptions()), key=lambda kind: (kind.__module__, kind.__qualname__))
COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "the oldest pickle": lambda error: pickle.loads(pickle.dumps(error, 0)),  # noqa: S301 — its own data
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),  # noqa: S301
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("kind", OWN, ids=lambda kind: f"{kind.__module__.removeprefix('vestibule.')}.{kind.__qualname__}")
def test_exception_survives_pickle_and_copy_with_everything_that_it_says(
    kind: type[Exception], copied: Callable[[Any], Any]
) -> None:
    error = example(kind)
    error.add_note("a note")
    again = copied(error)
    assert type(again) is kind
    assert (str(again), repr(again.args), repr(vars(again))) == (str(error), repr(error.args), repr(vars(error)))
    for name in ("headers", "body"):
        assert getattr(again, name, None) == getattr(error, name, None)


def test_own_exceptions_are_found() -> None:
    assert len(OWN) > 30
    assert {InvalidInput, vestibule.SettingsError, vestibule.verify.InvalidToken, vestibule.verify.Unavailable} <= set(OWN)


def test_deep_copy_of_a_refusal_shares_nothing() -> None:
    refusal = InvalidInput({"email": [FieldError(ErrorCode.MALFORMED, "no email")]})
    copy.deepcopy(refusal).errors["email"].append("too long")
    assert refusal.errors == {"email": ["no email"]}
