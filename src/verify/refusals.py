"""The refusals of a request, each with its HTTP response in the terms of RFC 6750 and RFC 9457."""

import json
from copyreg import __newobj__  # type: ignore[attr-defined]  # documented for `__reduce__`
from typing import ClassVar

MEDIA_TYPE = "application/problem+json"
PROBLEM_URN = "urn:vestibule:problem:"


def www_authenticate(**parameters: str) -> str:
    """Returns the value of a `WWW-Authenticate` header (RFC 6750 § 3)."""
    fields = ", ".join(f'{name}="{value}"' for name, value in parameters.items())
    return f"Bearer {fields}" if fields else "Bearer"


class Refusal(Exception):
    """The parent of every refusal. `status`, `headers` and `body` make the response; none of them repeats a token."""

    status: ClassVar[int] = 401
    slug: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str = "") -> None:
        self.detail = detail or self.title
        super().__init__(self.detail)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles and copies all attributes, without calling an `__init__` that takes other arguments."""
        return __newobj__, (type(self), *self.args), vars(self)

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": www_authenticate(), "Cache-Control": "no-store"}

    @property
    def body(self) -> bytes:
        """A problem document (RFC 9457), like those of Vestibule itself."""
        problem = {"type": f"{PROBLEM_URN}{self.slug}", "title": self.title, "status": self.status}
        return json.dumps({**problem, "detail": self.detail}).encode()


class NotAuthenticated(Refusal):
    """The request carries no bearer token. RFC 6750 § 3.1 wants no `error` code then."""

    slug = "not-authenticated"
    title = "This call needs an access token."


class InvalidToken(Refusal):
    """The token is malformed, expired, revoked or of another issuer."""

    slug = "invalid-token"
    title = "The access token is not valid."
    error: ClassVar[str] = "invalid_token"
    """The error code of RFC 6750 § 3.1."""

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, "WWW-Authenticate": www_authenticate(error=self.error, error_description=self.detail)}


class Unavailable(Refusal):
    """The token cannot be verified at the moment. The status is 503, because a 401 would log people out."""

    status = 503
    slug = "unavailable"
    title = "The access token cannot be checked now."

    def __init__(self, retry_after: int = 2) -> None:
        self.retry_after = retry_after
        super().__init__("Try again shortly.")

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after), "Cache-Control": "no-store"}
