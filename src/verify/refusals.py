"""Why a call is not let in, in the words of RFC 6750 and with what to answer."""

import json
from typing import ClassVar

MEDIA_TYPE = "application/problem+json"


class Refusal(Exception):
    """The parent of every refusal. `status`, `headers` and `body` make the answer; none of them repeats a token."""

    status: ClassVar[int] = 401
    slug: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str = "") -> None:
        self.detail = detail or self.title
        super().__init__(self.detail)

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"}

    @property
    def body(self) -> bytes:
        """A problem document (RFC 9457), as Vestibule's own."""
        problem = {"type": f"urn:vestibule:problem:{self.slug}", "title": self.title, "status": self.status}
        return json.dumps({**problem, "detail": self.detail}).encode()


class NotAuthenticated(Refusal):
    """No bearer token came with the call (RFC 6750 § 3.1 wants no `error` code then)."""

    slug = "not-authenticated"
    title = "This call needs an access token."


class InvalidToken(Refusal):
    """The token is malformed, expired, revoked or foreign (RFC 6750 `invalid_token`)."""

    slug = "invalid-token"
    title = "The access token is not valid."

    @property
    def headers(self) -> dict[str, str]:
        challenge = f'Bearer error="invalid_token", error_description="{self.detail}"'
        return {"WWW-Authenticate": challenge, "Cache-Control": "no-store"}


class Unavailable(Refusal):
    """Whether the token is good cannot be told at the moment. It is no 401, which would log people out."""

    status = 503
    slug = "unavailable"
    title = "The access token cannot be checked now."

    def __init__(self, retry_after: int = 2) -> None:
        self.retry_after = retry_after
        super().__init__("Try again shortly.")

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after), "Cache-Control": "no-store"}
