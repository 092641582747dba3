"""What a handler says of itself for the OpenAPI document; `tests/http` holds it against what is answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from msgspec import Struct

from ...application import Overloaded, RateLimited, Refusal, Unavailable
from .problems import Internal
from .responses import JSON

KEY = "described"


class Login(Enum):
    """Whether a call carries an access token."""

    NONE = "none"
    TAKEN = "taken"
    NEEDED = "needed"
    FOLLOWER = "the secret of services that follow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One operation: what it is for, what it takes, and everything that it answers."""

    tag: str
    summary: str
    detail: str
    body: type[Struct] | None
    media_type: str
    status: int
    answers: tuple[type[Struct], ...]
    refusals: tuple[type[Refusal], ...]
    login: Login
    redirects: bool
    query: tuple[tuple[str, str], ...]


ALWAYS: tuple[type[Refusal], ...] = (RateLimited, Internal, Overloaded, Unavailable)


def described(
    tag: str,
    summary: str,
    *answers: type[Struct],
    status: int = 200,
    detail: str = "",
    body: type[Struct] | None = None,
    media_type: str = JSON,
    refusals: tuple[type[Refusal], ...] = (),
    login: Login = Login.NONE,
    redirects: bool = False,
    query: tuple[tuple[str, str], ...] = (),
) -> Mapping[str, Any]:
    """The `opt` of a handler."""
    said = Described(
        tag=tag,
        summary=summary,
        detail=detail,
        body=body,
        media_type=media_type,
        status=status,
        answers=answers,
        refusals=refusals,
        login=login,
        redirects=redirects,
        query=query,
    )
    return {KEY: said}
