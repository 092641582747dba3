"""Schemas of JSON bodies: for the OpenAPI document, for lenient reading and for the type checker.

A field has the type that the use case takes, and the document shows no other: generators of Kotlin, Swift and Dart make an
empty class of a field with several types. `read_body` does not enforce it: it converts some other types, and use cases name
every bad field at once.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args
from unicodedata import normalize

from msgspec import UNSET, Meta, Struct, UnsetType

from ...application import AccountState
from ...application.administration import MAX_ROLES
from ...application.operators import MAX_REASON
from ...application.validation import is_blank
from ...domain.texts import trimmed, with_ascii_digits

Converter = Callable[[Any, int], Any]
"""Converts a value that is not absent; the second argument is the length of a code. Returns None for an absent value."""

NEW_PASSWORD = "x-new-password"  # noqa: S105 — no secret
"""Key in a field's JSON schema. The OpenAPI document shows the minimum length of new passwords instead, which is a setting."""

_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_MAX_NUMBER = 10**15
_MAX_DIGITS = 19


def _read_mobile(value: Any, code_length: int) -> Any:  # noqa: ARG001 — a `Converter`
    return number_as_text(value)


def number_as_text(value: Any) -> Any:
    """Converts a number to the text of its digits; returns anything else as it is."""
    return str(value) if _is_number(value) else value


def _read_code(value: Any, code_length: int) -> Any:
    """Converts a number to the code, with the leading zeros that it has lost. A blank text is absent."""
    if _is_number(value):
        return str(value).zfill(code_length)
    return None if is_blank(value) else value


def _read_flag(value: Any, code_length: int) -> Any:  # noqa: ARG001 — a `Converter`
    """Converts text such as `true`, and the numbers 0 and 1. Returns anything else as it is, for the use case to refuse."""
    if isinstance(value, str | int) and not isinstance(value, bool):
        return _FLAGS.get(with_ascii_digits(normalize("NFKC", trimmed(str(value)))).lower(), value)
    return value


def _read_time(value: Any, code_length: int) -> Any:  # noqa: ARG001 — a `Converter`
    """Converts a date, or a time in ISO 8601, in UTC unless it says otherwise, to seconds since the epoch."""
    try:
        read = datetime.fromisoformat(trimmed(value)) if isinstance(value, str) else None
    except ValueError:
        return value
    return value if read is None else (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _read_number(value: Any, code_length: int) -> Any:  # noqa: ARG001 — a `Converter`
    """Converts the digits of a whole number."""
    is_digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS
    return int(value) if is_digits else value


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MAX_NUMBER


def _field(description: str, example: object, converter: Converter | None = None, **keywords: object) -> Meta:
    """`keywords` are further keywords of the JSON schema."""
    return Meta(
        description=description,
        examples=[example],
        extra={"converter": converter} if converter else None,
        extra_json_schema=keywords,
    )


_SAMPLE_PASSWORD = "correct horse battery staple"  # noqa: S105 — an example

UsernameText = Annotated[
    str,
    _field(
        "Unique without regard to case; letters and digits of one script with `. _ - +`.",
        "ada",
        minLength=1,
        maxLength=150,
        pattern="^[^@]+$",
    ),
]
NameText = Annotated[str, _field("At least one character that is visible.", "Ada Lovelace", minLength=1, maxLength=500)]
EmailText = Annotated[str, _field("Unique.", "ada@example.org", format="email", maxLength=254)]
MobileText = Annotated[str, _field("Unique; 7–15 digits, with an optional `+` and separators.", "+442079460958", _read_mobile)]
PasswordText = Annotated[
    str,
    _field(
        "Not a common one, and not made of the account's own data.",
        _SAMPLE_PASSWORD,
        format="password",
        maxLength=256,
        **{NEW_PASSWORD: True},
    ),
]
CodeText = Annotated[str, _field("The code that came by mail or SMS.", "123456", _read_code)]
Flag = Annotated[bool, _field("Whether the code is for a login.", False, _read_flag)]
Destination = Annotated[str, _field("An email or a mobile.", "ada@example.org", _read_mobile, minLength=1)]
Proofs = Annotated[
    tuple[str, ...], _field("Proofs that `/otp/` returned within the last hour, or the token of an invitation.", [], maxItems=4)
]
CurrentPassword = Annotated[
    str, _field("For a session that is not fresh; a wrong one is refused.", _SAMPLE_PASSWORD, format="password")
]


class RegisterBody(Struct):
    """A new account."""

    username: UsernameText
    name: NameText
    email: EmailText
    password: PasswordText
    mobile: MobileText | None = None
    proofs: Proofs = ()


class LoginBody(Struct):
    """A login with a password."""

    username: Annotated[str, _field("A username, an email or a mobile.", "ada", _read_mobile, minLength=1)]
    password: Annotated[str, _field("The password of the account.", _SAMPLE_PASSWORD, format="password", minLength=1)]


class ReplaceAccountBody(Struct):
    """Every field of the account; `mobile` may be null unless one is required."""

    username: UsernameText
    name: NameText
    email: EmailText
    mobile: MobileText | None
    password: PasswordText
    current_password: CurrentPassword | None = None
    proofs: Proofs = ()


class ChangeAccountBody(Struct):
    """Some fields of the account; a field that is absent, null or empty does not change, but a null mobile is removed."""

    username: UsernameText | None = None
    name: NameText | None = None
    email: EmailText | None = None
    mobile: MobileText | UnsetType | None = UNSET
    password: PasswordText | None = None
    current_password: CurrentPassword | None = None
    proofs: Proofs = ()


class CurrentPasswordBody(Struct):
    """The current password, unless the login is fresh."""

    current_password: CurrentPassword | None = None


class CodeBody(Struct):
    """Requests a code; with `verify_otp` verifies the address, with `is_login` too logs in."""

    destination: Destination
    email: Annotated[
        str | None,
        _field(
            "A second recipient of a code, if the destination is a mobile.", "ada@example.org", format="email", maxLength=254
        ),
    ] = None
    verify_otp: CodeText | None = None
    is_login: Flag = False


class RegisterOrLogInBody(Struct):
    """Requests codes for both addresses; with `verify_otp` registers or logs in by one of them."""

    name: NameText
    email: EmailText
    mobile: MobileText
    verify_otp: CodeText | None = None


class ResetPasswordBody(Struct):
    """A new password, and the code that `/otp/` sent to the email."""

    email: Annotated[str, _field("The address of the code.", "ada@example.org", format="email", maxLength=254)]
    otp: CodeText
    password: PasswordText


class CheckUniqueBody(Struct):
    """A value that a registration might use."""

    prop: Annotated[Literal["username", "email", "mobile"], Meta(examples=["email"])]
    value: Annotated[str, _field("The value.", "ada@example.org", _read_mobile)]


class RefreshBody(Struct):
    """A refresh token."""

    refresh: Annotated[str, _field("The `refresh_token` of the last token set.", "text", minLength=1)]


class LogOutBody(Struct):
    """The session to end, for a client without a valid access token."""

    refresh: Annotated[str | None, _field("Any refresh token of the session.", "text")] = None


# --- calls of operators -----------------------------------------------------------------------------------------------


def _time(description: str) -> Meta:
    return _field(description, "2026-12-08T00:00:00Z", _read_time, format="date-time")


Reason = Annotated[str, _field("For the audit log.", "Reported by the owner.", maxLength=MAX_REASON)]
PageCursor = Annotated[str, _field("The `cursor` of the page before.", "text")]
NumberedCursor = Annotated[str, _field("The `cursor` of the page before.", "17", _read_number)]
PageSize = Annotated[int, _field("How many at most.", 50, _read_number, minimum=1, maximum=100)]


class ActionBody(Struct):
    """A change by an operator."""

    reason: Reason | None = None
    current_password: CurrentPassword | None = None


class SuspendAccountBody(Struct):
    """A suspension."""

    reason: Reason
    until: Annotated[str | None, _time("The end of the suspension; without it the account stays suspended.")] = None
    notifies: Annotated[bool, _field("Whether the owner gets a notice.", True, _read_flag)] = True
    tells_reason: Annotated[bool, _field("Whether the notice has the reason.", False, _read_flag)] = False
    current_password: CurrentPassword | None = None


class EditAccountBody(Struct):
    """Some fields of an account; a field that is absent, null or empty does not change, but a null mobile is removed."""

    username: UsernameText | None = None
    name: NameText | None = None
    email: EmailText | None = None
    mobile: MobileText | UnsetType | None = UNSET
    vouches: Annotated[
        bool,
        _field("Whether the given email and mobile are known to be the owner's: they are verified then.", False, _read_flag),
    ] = False
    reason: Reason | None = None
    current_password: CurrentPassword | None = None


class SetRolesBody(Struct):
    """The flags and roles of an account; one that is absent or null does not change."""

    is_staff: Annotated[bool | None, _field("Whether the account may do what staff may.", True, _read_flag)] = None
    is_superuser: Annotated[bool | None, _field("Whether it may do everything, as staff too.", False, _read_flag)] = None
    roles: Annotated[
        tuple[str, ...] | None,
        _field("Names of your own choice, which access tokens can carry.", ["editor"], maxItems=MAX_ROLES),
    ] = None
    reason: Reason | None = None
    current_password: CurrentPassword | None = None


class ReleaseAddressBody(Struct):
    """An address that no account has verified."""

    address: Destination
    reason: Reason | None = None
    current_password: CurrentPassword | None = None


class FindAccountsQuery(Struct):
    """Filters for accounts, all of which must match."""

    query: Annotated[
        str | None,
        _field("The beginning of a username, an email, a mobile, or of words of the name.", "love ada", maxLength=254),
    ] = None
    state: Annotated[str | None, _field("The state.", "suspended", enum=[state.value for state in AccountState])] = None
    staff: Annotated[bool | None, _field("Whether it is an account of staff.", True, _read_flag)] = None
    verified: Annotated[bool | None, _field("Whether an address of it was ever verified.", True, _read_flag)] = None
    created_from: Annotated[str | None, _time("Created then or later.")] = None
    created_until: Annotated[str | None, _time("Created before then.")] = None
    logged_in_from: Annotated[str | None, _time("Last logged in then or later.")] = None
    logged_in_until: Annotated[str | None, _time("Last logged in before then, or not within 60 days.")] = None
    cursor: PageCursor | None = None
    limit: PageSize = 50


class FindEventsQuery(Struct):
    """Filters for events, all of which must match."""

    account_id: Annotated[int | None, _field("Of this account.", 1, _read_number, minimum=1)] = None
    type: Annotated[str | None, _field("Of this type.", "login_failed")] = None
    ip_address: Annotated[str | None, _field("Of callers in the network of this address.", "192.0.2.7")] = None
    since: Annotated[str | None, _time("Occurred then or later.")] = None
    until: Annotated[str | None, _time("Occurred before then.")] = None
    cursor: NumberedCursor | None = None
    limit: PageSize = 50


class FindMessagesQuery(Struct):
    """A filter for messages of the outbox."""

    failed: Annotated[bool, _field("Whether only those that failed permanently.", True, _read_flag)] = False
    cursor: NumberedCursor | None = None
    limit: PageSize = 50


class RevocationsQuery(Struct):
    """The beginning of the list."""

    after: Annotated[
        str | None, _field("`after` of an earlier response; without it the list begins with the oldest.", "text")
    ] = None


def metas(annotation: Any) -> Iterator[Meta]:
    """Yields the metadata of a field's type and of the types in it."""
    for part in get_args(annotation):
        if isinstance(part, Meta):
            yield part
        else:
            yield from metas(part)
