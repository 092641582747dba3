"""The shapes of JSON bodies, for the documentation and for the leniency of reading; what values mean is judged inside."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_MOST_NUMBER = 10**15


def as_mobile(value: Any, digits: int) -> Any:  # noqa: ARG001 — readers are called alike
    """A number is taken for the text of its digits."""
    return str(value) if _is_number(value) else value


def as_code(value: Any, digits: int) -> Any:
    """A number has lost its leading zeros."""
    return str(value).zfill(digits) if _is_number(value) else value


def as_flag(value: Any, digits: int) -> Any:  # noqa: ARG001 — readers are called alike
    """Text and the numbers 0 and 1 are taken for what they say; anything else stays, and is refused inside."""
    if isinstance(value, str | int) and not isinstance(value, bool):
        return _FLAGS.get(str(value).strip().lower(), value)
    return value


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST_NUMBER


UsernameText = Annotated[str, Meta(description="Unique; letters and digits of one script with `. _ - +`.", examples=["ada"])]
NameText = Annotated[str, Meta(description="1–500 characters.", examples=["Ada Lovelace"])]
EmailText = Annotated[str, Meta(description="Unique.", examples=["ada@example.org"])]
MobileText = Annotated[
    str | int, Meta(description="Unique; 7–15 digits.", examples=["+442079460958"], extra={"read": as_mobile})
]
PasswordText = Annotated[
    str, Meta(description="8–256 characters, none of the common ones.", examples=["correct horse battery staple"])
]
CodeText = Annotated[
    str | int, Meta(description="The code that came by mail or SMS.", examples=["123456"], extra={"read": as_code})
]
Flag = Annotated[
    bool | str | int, Meta(description="A boolean, or text such as `true` or `0`.", examples=[False], extra={"read": as_flag})
]
Destination = Annotated[
    str | int, Meta(description="An email or a mobile.", examples=["ada@example.org"], extra={"read": as_mobile})
]
Proofs = Annotated[
    list[str] | None, Meta(description="What `/otp/` answered to a verification in the last hour.", examples=[[]])
]


class RegisterBody(Struct):
    """A new account."""

    username: UsernameText
    name: NameText
    email: EmailText
    password: PasswordText
    mobile: MobileText | None = None
    proofs: Proofs = None


class LoginBody(Struct):
    """A login with a password."""

    username: Annotated[
        str | int, Meta(description="A username, an email or a mobile.", examples=["ada"], extra={"read": as_mobile})
    ]
    password: PasswordText


class ReplaceAccountBody(Struct):
    """Every field of the account; `mobile` may be null unless one is required."""

    username: UsernameText
    name: NameText
    email: EmailText
    mobile: MobileText | None
    password: PasswordText
    proofs: Proofs = None


class ChangeAccountBody(Struct):
    """Some fields of the account; what is absent, null or empty stays as it is."""

    username: UsernameText | None = None
    name: NameText | None = None
    email: EmailText | None = None
    mobile: MobileText | None = None
    password: PasswordText | None = None
    proofs: Proofs = None


class CodeBody(Struct):
    """Asks for a code; with `verify_otp` brings it back, with `is_login` too to log in."""

    destination: Destination
    email: Annotated[str | None, Meta(description="Where a code goes beside a mobile.", examples=["ada@example.org"])] = None
    verify_otp: CodeText | None = None
    is_login: Flag | None = None


class RegisterOrLogInBody(Struct):
    """Asks for codes to both addresses; with `verify_otp` brings one of them back."""

    name: NameText
    email: EmailText
    mobile: MobileText
    verify_otp: CodeText | None = None


class ResetPasswordBody(Struct):
    """A new password, by a code that `/otp/` sent to the email."""

    email: EmailText
    otp: CodeText
    password: PasswordText


class CheckUniqueBody(Struct):
    """A value that somebody thinks of registering."""

    prop: Annotated[Literal["username", "email", "mobile"], Meta(examples=["email"])]
    value: Annotated[str | int, Meta(examples=["ada@example.org"], extra={"read": as_mobile})]


class RefreshBody(Struct):
    """A refresh token."""

    refresh: Annotated[str, Meta(description="The `refresh_token` of the last token set.")]
