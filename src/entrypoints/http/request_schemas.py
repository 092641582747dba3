"""Schemas of JSON bodies: for the OpenAPI document, for lenient reading and for the type checker.

A field has the type that the use case takes, and the document shows no other: generators of Kotlin, Swift and Dart make an
empty class of a field with several types. `read_body` does not enforce it: it converts some other types, and use cases name
every bad field at once.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, get_args
from unicodedata import normalize

from msgspec import UNSET, Meta, Struct, UnsetType

from ...application.validation import is_blank
from ...domain.texts import trimmed, with_ascii_digits

Converter = Callable[[Any, int], Any]
"""Converts a value that is not absent; the second argument is the length of a code. Returns None for an absent value."""

NEW_PASSWORD = "x-new-password"  # noqa: S105 — no secret
"""Key in a field's JSON schema. The OpenAPI document shows the minimum length of new passwords instead, which is a setting."""

_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_MAX_NUMBER = 10**15


def _read_mobile(value: Any, code_length: int) -> Any:  # noqa: ARG001 — a `Converter`
    """Converts a number to the text of its digits."""
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


def metas(annotation: Any) -> Iterator[Meta]:
    """Yields the metadata of a field's type and of the types in it."""
    for part in get_args(annotation):
        if isinstance(part, Meta):
            yield part
        else:
            yield from metas(part)
