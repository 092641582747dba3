"""The schema of an account in responses."""

from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from ..application import Account
from .settings import Settings

URI = {"format": "uri"}


class AccountResponse(Struct):
    """An account, as its owner sees it."""

    id: Annotated[int, Meta(ge=1, extra_json_schema={"format": "int64"}, examples=[1])]
    username: Annotated[str, Meta(description="In the owner's spelling.", examples=["ada"])]
    name: Annotated[str, Meta(examples=["Ada Lovelace"])]
    email: Annotated[
        str | None,
        Meta(
            description="In the owner's spelling; null if the account has none.",
            examples=["ada@example.org"],
            extra_json_schema={"format": "email"},
        ),
    ]
    mobile: Annotated[
        str | None, Meta(description="In the owner's spelling; null if the account has none.", examples=["+442079460958"])
    ]
    is_superuser: Annotated[bool, Meta(description="Implies `is_staff`.")]
    is_staff: bool
    profile_image: Annotated[
        str | None, Meta(description="The URL of the image; null if the account has none.", extra_json_schema=URI)
    ]
    email_verified: bool
    mobile_verified: bool
    has_password: bool


def utc(timestamp: float) -> datetime:
    """Returns the time to the second."""
    return datetime.fromtimestamp(round(timestamp), UTC)


def account_fields(account: Account, settings: Settings) -> dict[str, Any]:
    return {
        "id": account.id,
        "username": account.username.text,
        "name": account.name,
        "email": account.email.text if account.email else None,
        "mobile": account.mobile.text if account.mobile else None,
        "is_superuser": account.is_superuser,
        "is_staff": account.is_staff,
        "profile_image": image_url(account, settings),
        "email_verified": account.email_verified,
        "mobile_verified": account.mobile_verified,
        "has_password": account.password_hash is not None,
    }


def image_url(account: Account, settings: Settings) -> str | None:
    return f"{settings.url}{settings.api_prefix}/images/{account.image}" if account.image else None
