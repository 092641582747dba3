"""The users of fastapi-users, as its SQLAlchemy tables hold them."""

from .user_table import Layout, UserTableSource

_LAYOUT = Layout(
    kind="fastapi-users",
    table="user",
    columns={
        "username": ("username",),
        "name": ("name", "full_name"),
        "first_name": ("first_name",),
        "last_name": ("last_name",),
        "email": ("email",),
        "mobile": ("mobile", "phone_number", "phone"),
        "password_hash": ("hashed_password",),
        "is_active": ("is_active",),
        "is_superuser": ("is_superuser",),
        "email_verified": ("is_verified",),
        "created_at": ("created_at", "date_joined"),
    },
    required=("email", "password_hash", "email_verified"),
    left_out={"oauth_account": "logins by other services"},
)


class FastapiUsersSource(UserTableSource):
    """The users of fastapi-users. Whole numbers as ids are kept, UUIDs are not.

    They log in with their email and have no username, unless the project has added one.
    """

    def __init__(self, url: str, *, table: str | None = None, name: str | None = None, timezone: str = "UTC") -> None:
        super().__init__(url, _LAYOUT, table=table, name=name, timezone=timezone)
