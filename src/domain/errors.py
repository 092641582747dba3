"""Every refusal that Vestibule can give.

A refusal is an answer, not a fault: `slug` is what machines read, `title` and `detail` what people do. Nothing in them
repeats a secret, and nothing tells whether an account exists unless the call itself may tell that.
"""

from collections.abc import Mapping
from typing import ClassVar


class Refusal(Exception):
    """The parent of every refusal; never raised itself."""

    slug: ClassVar[str]
    title: ClassVar[str]
    detail: str

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.title
        super().__init__(self.detail)


class InvalidInput(Refusal):
    """Fields at fault, each with what is wrong with it; every bad field is named at once."""

    slug = "invalid-input"
    title = "Some of the fields are not valid."

    def __init__(self, errors: Mapping[str, list[str]], detail: str | None = None) -> None:
        self.errors = {field: list(messages) for field, messages in errors.items()}
        super().__init__(detail)


class AlreadyTaken(InvalidInput):
    """A username, email or mobile that another account has."""

    slug = "already-taken"
    title = "Another account has this."

    def __init__(self, *fields: str) -> None:
        self.fields = fields
        super().__init__({field: [taken(field)] for field in fields})


def taken(field: str) -> str:
    """The message that stands at a field whose value another account has."""
    return f"An account with this {field} exists already."


class AccountMismatch(Refusal):
    """The right code came back, but the email and the mobile do not belong to one account."""

    slug = "account-mismatch"
    title = "This email and this mobile do not belong to the same account."

    def __init__(self) -> None:
        super().__init__("Log in with a code sent to one of them alone.")


class InvalidCredentials(Refusal):
    """Wrong, unknown, inactive or without a password: alike."""

    slug = "invalid-credentials"
    title = "The username or the password is not right."


class NotAuthenticated(Refusal):
    """No bearer token came with the call (RFC 6750 § 3.1 wants no `error` code then)."""

    slug = "not-authenticated"
    title = "This call needs an access token."


class InvalidToken(Refusal):
    """The bearer token is malformed, expired, revoked or somebody else's (RFC 6750 `invalid_token`)."""

    slug = "invalid-token"
    title = "The access token is not valid."


class InvalidRefreshToken(Refusal):
    """The refresh token is malformed, expired, spent, or its session has ended."""

    slug = "invalid-refresh-token"
    title = "The refresh token is not valid."


class NoSuchAccount(Refusal):
    """There is no account of that username, email or mobile; told to whoever runs the service alone."""

    slug = "no-such-account"
    title = "There is no such account."


class NoSuchSession(Refusal):
    """The account has no living session of that id."""

    slug = "no-such-session"
    title = "There is no such session."


class NoSuchMessage(Refusal):
    """The outbox has no message of that id; told to whoever runs the service alone."""

    slug = "no-such-message"
    title = "There is no such message."


class NotRetryable(Refusal):
    """A message is being sent, or nobody wants it any more; told to whoever runs the service alone."""

    slug = "not-retryable"
    title = "The message cannot be tried again."


class InvalidCode(Refusal):
    """Never sent, wrong, expired, used, exhausted, of another flow: all the same."""

    slug = "invalid-code"
    title = "The code is not right, or no longer good."


class ImageTooLarge(Refusal):
    """The image file is larger than is taken."""

    slug = "image-too-large"
    title = "The image file is too large."


class RateLimited(Refusal):
    """A limit is reached; `retry_after` whole seconds from now one more try is taken."""

    slug = "rate-limited"
    title = "Too many tries."

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"Try again in {retry_after} seconds.")


class Unavailable(Refusal):
    """Something that the call depends on is down; nothing was changed, unless `is_open` says that this cannot be known.

    `retry_after` is in seconds.
    """

    slug = "unavailable"
    title = "The service cannot answer this now."

    def __init__(self, retry_after: int = 2, *, is_open: bool = False) -> None:
        self.retry_after = retry_after
        self.is_open = is_open
        super().__init__(f"{'The change may have been made or not' if is_open else 'Nothing was changed'}. Try again shortly.")


class Conflict(Unavailable):
    """The database rolled back this transaction in favour of another one; the same call may be repeated at once.

    `retry_on_conflict` repeats it. A client sees the second one as an `Unavailable` with `retry_after` 0.
    """

    def __init__(self) -> None:
        super().__init__(retry_after=0)


class Overloaded(Unavailable):
    """More work waits than can be done in time; nothing was changed."""

    slug = "overloaded"
    title = "The service has more to do than it can at the moment."

    def __init__(self, retry_after: int = 1) -> None:
        super().__init__(retry_after)
