"""The users of drf-user, a package for Django."""

from pathlib import Path

from sqlalchemy import Boolean, Inspector, column, exists, table

from .user_table import Columns, Layout, UserTableSource

_VALIDATIONS = table("drf_user_otpvalidation", column("destination"), column("is_validated", Boolean))


def _validated(tables: Inspector, columns: Columns) -> Columns:
    """Marks an address as verified if a code to it came back.

    Which kind of address the code was for does not matter: rows older than migration 0004 say email for mobiles too.
    """
    if not tables.has_table(_VALIDATIONS.name):
        return {}
    code = _VALIDATIONS.c
    return {
        f"{kind}_verified": exists().where(code.destination == columns[kind], code.is_validated)
        for kind in ("email", "mobile")
        if kind in columns
    }


def _layout(*, trust_validation: bool) -> Layout:
    return Layout(
        kind="drf-user",
        table="drf_user_user",
        columns={
            "username": ("username",),
            "name": ("name",),
            "email": ("email",),
            "mobile": ("mobile",),
            "password_hash": ("password",),
            "is_active": ("is_active",),
            "is_staff": ("is_staff",),
            "is_superuser": ("is_superuser",),
            "created_at": ("date_joined",),
            "image": ("profile_image",),
        },
        required=("username", "email", "password_hash", "is_active"),
        computed=_validated if trust_validation else lambda _tables, _columns: {},
        left_out={
            "auth_group_permissions": "permissions of groups",
            "{table}_user_permissions": "permissions of users",
            "drf_user_authtransaction": "logins on record",
        },
    )


class DrfUserSource(UserTableSource):
    """The users of drf-user 1.x, migrations 0003 to 0008, of which it reads the columns that are there.

    With `trust_validation` an address is verified that drf-user has a validated code for. That is weak evidence: the package
    validates mobiles by mail too, and keeps no link between a code and a user. `media` is Django's MEDIA_ROOT; without it no
    images are read.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str | None = None,
        timezone: str = "UTC",
        media: Path | None = None,
        trust_validation: bool = True,
    ) -> None:
        super().__init__(url, _layout(trust_validation=trust_validation), name=name, timezone=timezone, media=media)
