"""The users of Django: its own `auth_user`, or a table of a project."""

from pathlib import Path

from .user_table import Layout, UserTableSource

_LAYOUT = Layout(
    kind="django",
    table="auth_user",
    columns={
        "username": ("username",),
        "name": ("name", "full_name"),
        "first_name": ("first_name",),
        "last_name": ("last_name",),
        "email": ("email",),
        "mobile": ("mobile", "phone_number", "phone"),
        "password_hash": ("password",),
        "is_active": ("is_active",),
        "is_staff": ("is_staff",),
        "is_superuser": ("is_superuser",),
        "created_at": ("date_joined", "created_at"),
        "image": ("profile_image", "avatar", "image"),
    },
    required=("email", "password_hash"),
    left_out={"auth_group_permissions": "permissions of groups", "{table}_user_permissions": "permissions of users"},
)


class DjangoSource(UserTableSource):
    """The users of a Django project. `table` is that of a model in place of Django's own, such as `shop_customer`."""

    def __init__(
        self, url: str, *, table: str | None = None, name: str | None = None, timezone: str = "UTC", media: Path | None = None
    ) -> None:
        super().__init__(url, _LAYOUT, table=table, name=name, timezone=timezone, media=media)
