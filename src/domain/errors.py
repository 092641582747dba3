"""Refusals: the expected failures of use cases.

A refusal is a result, not a bug: `slug` is for machines, `title` and `detail` are for people. No refusal repeats a secret, and
none reveals whether an account exists unless that is the purpose of the call.
"""

from collections.abc import Iterable, Mapping
from copyreg import __newobj__  # type: ignore[attr-defined]  # documented for `__reduce__`
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from .rate_limits import RateLimit

__all__ = [
    "AccountMismatch",
    "AddressNotVerified",
    "AlreadyTaken",
    "ClockAhead",
    "Conflict",
    "ErrorCode",
    "FieldError",
    "ImageTooLarge",
    "InvalidCode",
    "InvalidCredentials",
    "InvalidInput",
    "InvalidRefreshToken",
    "InvalidToken",
    "InvitationRequired",
    "LastSuperuser",
    "LoginNotFresh",
    "NoSuchAccount",
    "NoSuchInvitation",
    "NoSuchMessage",
    "NoSuchSession",
    "NotAuthenticated",
    "NotPermitted",
    "NotRetryable",
    "Overloaded",
    "RateLimited",
    "Refusal",
    "RegistrationClosed",
    "Unavailable",
]


class Refusal(Exception):
    """The base class of every refusal; never raised itself."""

    slug: ClassVar[str]
    title: ClassVar[str]
    detail: str

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.title
        super().__init__(self.detail)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles and copies all attributes, without calling an `__init__` that takes other arguments."""
        return __newobj__, (type(self), *self.args), vars(self)


class ErrorCode(StrEnum):
    """The stable codes of errors of fields, for programs that choose words of their own."""

    REQUIRED = "required"
    WRONG_TYPE = "wrong-type"
    MALFORMED = "malformed"
    FORBIDDEN_CHARACTER = "forbidden-character"
    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    TOO_MANY = "too-many"
    MIXED_SCRIPTS = "mixed-scripts"
    RESERVED = "reserved"
    TAKEN = "taken"
    TOO_COMMON = "too-common"
    PERSONAL_DATA = "personal-data"
    BREACHED = "breached"
    TEST_DOMAIN = "test-domain"
    DOMAIN_NOT_ACCEPTED = "domain-not-accepted"
    DISPOSABLE_DOMAIN = "disposable-domain"
    UNKNOWN_COUNTRY = "unknown-country"
    COUNTRY_NOT_ACCEPTED = "country-not-accepted"
    PREMIUM_RATE = "premium-rate"
    NOT_VERIFIED = "not-verified"
    INVALID_PROOF = "invalid-proof"
    LAST_VERIFIED = "last-verified"
    STILL_VERIFIED = "still-verified"
    UNREADABLE_IMAGE = "unreadable-image"


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error of a field: a code for programs, and a message for people."""

    code: ErrorCode
    message: str


class InvalidInput(Refusal):
    """Invalid fields with their errors; every invalid field is named at once.

    `errors` maps each field to its messages, and `codes` to the codes of the same errors in the same order.
    """

    slug = "invalid-input"
    title = "Some of the fields are not valid."

    def __init__(self, errors: Mapping[str, Iterable[FieldError]]) -> None:
        found = {field: list(of_field) for field, of_field in errors.items()}
        self.errors = {field: [error.message for error in of_field] for field, of_field in found.items()}
        self.codes = {field: [error.code for error in of_field] for field, of_field in found.items()}
        super().__init__()

    def __str__(self) -> str:
        """The detail and each field with its messages, for logs and stack traces."""
        return " ".join((self.detail, *(f"{field}: {' '.join(messages)}" for field, messages in self.errors.items())))


class AlreadyTaken(InvalidInput):
    """A username, email or mobile that another account has."""

    slug = "already-taken"
    title = "Another account has this already."

    def __init__(self, *fields: str) -> None:
        self.fields = fields
        super().__init__({field: [taken(field)] for field in fields})


def taken(field: str) -> FieldError:
    """The error of a field whose value another account has."""
    return FieldError(ErrorCode.TAKEN, f"An account with this {field} exists already.")


class AccountMismatch(Refusal):
    """The code is right, but the email and the mobile do not open the same account.

    They belong to different ones, or the address of the code is not verified on the account of the other.
    """

    slug = "account-mismatch"
    title = "This email and this mobile do not open the same account."

    def __init__(self) -> None:
        super().__init__("Enter the code that came to the other one, or log in with a code sent to one of them alone.")


class RegistrationClosed(Refusal):
    """New accounts are not accepted. Where a code is sent, the refusal follows the right one only."""

    slug = "registration-closed"
    title = "Registration is closed."


class InvitationRequired(Refusal):
    """New accounts need an open invitation of an address that the call proves.

    Where a code is sent, the refusal follows the right one only.
    """

    slug = "invitation-required"
    title = "Registration is by invitation."

    def __init__(self, detail: str = "Use the invitation that came to your address: once, and before it expires.") -> None:
        super().__init__(detail)


class InvalidCredentials(Refusal):
    """The same for a wrong password, and for an account that is unknown, inactive or has no password."""

    slug = "invalid-credentials"
    title = "The password is not right, or there is no such account."


class LoginNotFresh(Refusal):
    """A sensitive call whose session began too long ago, without the current password (RFC 9470).

    `max_age` is in seconds.
    """

    slug = "login-not-fresh"
    title = "Log in again to do this."

    def __init__(self, max_age: int) -> None:
        self.max_age = max_age
        super().__init__("Log in again, or send the current password as current_password.")


class AddressNotVerified(Refusal):
    """A right code from an unverified address of an account that has, or had, a verified one: it opens nothing.

    `proof` proves the address in a registration or a change within the hour.
    """

    slug = "address-not-verified"
    title = "This address is not verified on its account."

    def __init__(self, proof: str) -> None:
        self.proof = proof
        super().__init__("Log in another way and verify it there, or register with its proof.")


class NotAuthenticated(Refusal):
    """A call without a bearer token (RFC 6750 § 3.1 wants no `error` code then)."""

    slug = "not-authenticated"
    title = "This call needs an access token."


class InvalidToken(Refusal):
    """A bearer token that is malformed, expired, revoked or of another issuer (RFC 6750 `invalid_token`)."""

    slug = "invalid-token"
    title = "The access token is not valid."


class InvalidRefreshToken(Refusal):
    """A refresh token that is malformed, expired or used, or whose session was revoked."""

    slug = "invalid-refresh-token"
    title = "The refresh token is not valid."


class NoSuchAccount(Refusal):
    """The username, email or mobile of no account; shown to the operator alone."""

    slug = "no-such-account"
    title = "No account has this username, email or mobile."


class NoSuchInvitation(Refusal):
    """The address has no open invitation; shown to those who invite alone."""

    slug = "no-such-invitation"
    title = "There is no open invitation of this address."


class NoSuchSession(Refusal):
    """The account has no active session of that id."""

    slug = "no-such-session"
    title = "There is no such session."


class NotPermitted(Refusal):
    """An operator's call that the operator's role does not allow, or not for this account."""

    slug = "not-permitted"
    title = "This account may not do this."


class LastSuperuser(Refusal):
    """A change after which no superuser could log in."""

    slug = "last-superuser"
    title = "This is the last superuser: make another one first."


class NoSuchMessage(Refusal):
    """The outbox has no message of that id; shown to the operator alone."""

    slug = "no-such-message"
    title = "There is no such message."


class NotRetryable(Refusal):
    """A message is being sent, or it or its code has expired; shown to the operator alone."""

    slug = "not-retryable"
    title = "The message cannot be tried again."


class ClockAhead(Refusal):
    """The clock is days ahead of the last purge, which may be an error of the clock; shown to the operator alone."""

    slug = "clock-ahead"
    title = "The clock may be wrong."


class InvalidCode(Refusal):
    """The same for a code that was never sent, is wrong, expired, used or exhausted, or has another purpose."""

    slug = "invalid-code"
    title = "The code is wrong, expired or used: check it, or ask for a new one."


class ImageTooLarge(Refusal):
    """The image file exceeds the limit."""

    slug = "image-too-large"
    title = "The image file is larger than 5 MiB."


def _in_words(seconds: int) -> str:
    """A waiting time for people: in seconds, from two minutes on in minutes, from two hours on in hours, rounded up."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{-(-seconds // size)} {unit}"
    return "1 second" if seconds == 1 else f"{seconds} seconds"


class RateLimited(Refusal):
    """A rate limit is reached, for a number of seconds that the response tells.

    One more attempt is accepted in `retry_after` whole seconds. `policy` is the stable name of the limited action, such as
    `failed-logins`; it never tells whether an account exists or knows the caller's network. `limit` is the limit that refuses
    for so long, if it is known.
    """

    slug = "rate-limited"
    title = "Too many attempts."

    def __init__(self, retry_after: int, *, policy: str = "", limit: RateLimit | None = None) -> None:
        self.retry_after = retry_after
        self.policy = policy
        self.limit = limit
        super().__init__(f"Try again in {_in_words(retry_after)}.")


class Unavailable(Refusal):
    """A dependency is down. Nothing was changed, unless it failed at the very end of the change.

    With `is_outcome_unknown` the change may have been made. `retry_after` is in seconds.
    """

    slug = "unavailable"
    title = "The service is unavailable."

    def __init__(self, retry_after: int = 2, *, is_outcome_unknown: bool = False) -> None:
        self.retry_after = retry_after
        self.is_outcome_unknown = is_outcome_unknown
        super().__init__(
            f"{'The change may have been made' if is_outcome_unknown else 'Nothing was changed'}. Try again shortly."
        )


class Conflict(Unavailable):
    """The database rolled back this transaction in favour of another one; the same call may be repeated at once.

    `retry_on_conflict` repeats it. A client sees the second one as an `Unavailable` with `retry_after` 0.
    """

    def __init__(self) -> None:
        super().__init__(retry_after=0)


class Overloaded(Unavailable):
    """The queue is full; nothing was changed."""

    slug = "overloaded"
    title = "The service is overloaded."

    def __init__(self, retry_after: int = 1) -> None:
        super().__init__(retry_after)
