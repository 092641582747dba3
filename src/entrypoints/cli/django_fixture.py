"""The file format of Django's fixtures: accounts as users of drf-user or of Django itself, for `manage.py loaddata`."""

import secrets
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from time import time
from typing import TYPE_CHECKING, Any

from msgspec import json

if TYPE_CHECKING:
    from ...application import Account, ChangedAccount

DRF_USER, DJANGO = "drf_user.user", "auth.user"
MODELS = (DRF_USER, DJANGO)
"""The models by the names that Django gives them."""

MAX_LENGTHS: Mapping[str, Mapping[str, int]] = {
    DRF_USER: {"username": 254, "email": 254, "mobile": 150, "name": 500, "password": 128},
    DJANGO: {"username": 150, "email": 254, "first_name": 150, "last_name": 150, "password": 128},
}
NO_EMAIL = "no-email-{id}@example.invalid"
"""The email in drf-user, which requires one, of an account that has none; no mail reaches it."""

_OF_DJANGO = ("argon2$", "bcrypt$", "bcrypt_sha256$", "pbkdf2_sha256$", "pbkdf2_sha1$", "scrypt$", "md5$")
_PREFIXES = {"$argon2": "argon2", "$2": "bcrypt$"}
"""What Django puts before a hash that others write without it."""

_RANDOM = string.ascii_letters + string.digits


class DoesNotFit(Exception):
    """An account is not one that the model can hold; the text says why."""


@dataclass(kw_only=True)
class DjangoFixture:
    """Rows of one of `MODELS`. With `timezone`, times are those of that zone without an offset, as USE_TZ off wants them.

    `image_of` returns the path of an account's image there, None if it has none there. Afterwards `written` is the number of
    accounts in the file, `left_out` of those that Django cannot hold, `deleted` has the ids of those that were deleted, and
    `remarks` those of accounts that differ there, each with a line.
    """

    model: str
    image_of: Callable[["Account"], str | None]
    timezone: tzinfo | None = None
    written: int = 0
    left_out: int = 0
    deleted: list[int] = field(default_factory=list)
    remarks: list[tuple[int, str]] = field(default_factory=list)

    def lines(self, changes: Iterable["ChangedAccount"]) -> Iterator[bytes]:
        """The file, in pieces."""
        separator = b"[\n"
        for row in self._rows(changes):
            yield separator + json.encode(row)
            separator = b",\n"
        yield b"\n]\n" if separator == b",\n" else b"[]\n"

    def _rows(self, changes: Iterable["ChangedAccount"]) -> Iterator[dict[str, Any]]:
        groups: set[str] = set()
        for changed in changes:
            account = changed.account
            if account is None:
                self.deleted.append(changed.id)
                continue
            try:
                fields = self._fields(account)
            except DoesNotFit as refusal:
                self.left_out += 1
                self._remark(account, f"left out, because {refusal}")
                continue
            if changed.has_new_roles:
                yield from ({"model": "auth.group", "fields": {"name": role}} for role in account.roles if role not in groups)
                groups.update(account.roles)
                fields["groups"] = [[role] for role in account.roles]
            self.written += 1
            yield {"model": self.model, "pk": account.id, "fields": fields}

    def _fields(self, account: "Account") -> dict[str, Any]:
        fields: dict[str, Any] = {
            "username": account.username.text,
            "email": "" if account.email is None else account.email.text,
            "password": self._password(account),
            "is_active": account.is_active,
            "is_staff": account.is_staff,
            "is_superuser": account.is_superuser,
            "date_joined": self._time(account.created_at),
            **(self._of_drf_user(account) if self.model == DRF_USER else self._of_django(account)),
        }
        for name, longest in MAX_LENGTHS[self.model].items():
            if len(fields[name] or "") > longest:
                raise DoesNotFit(f"its {name} has more than {longest} characters")
        if account.deletion_due_at is not None:
            due = datetime.fromtimestamp(account.deletion_due_at, UTC)
            self._remark(account, f"its owner has asked for its deletion, due on {due:%Y-%m-%d}")
        return fields

    def _of_drf_user(self, account: "Account") -> dict[str, Any]:
        image = self.image_of(account)
        mobile = None if account.mobile is None else account.mobile.text
        now = self._time(time())  # loaddata sets no column by itself
        fields = {"name": account.name, "mobile": mobile, "profile_image": image or "", "update_date": now}
        if account.image is not None and image is None:
            self._remark(account, "its image is left out")
        if account.email is None:
            fields["email"] = NO_EMAIL.format(id=account.id)
            self._remark(account, f"it has no email, which drf-user requires; there it is {fields['email']}")
        return fields

    def _of_django(self, account: "Account") -> dict[str, Any]:
        if account.mobile is not None:
            self._remark(account, "its mobile is left out")
        first_name, _, last_name = account.name.partition(" ")
        return {"first_name": first_name, "last_name": last_name}

    def _password(self, account: "Account") -> str:
        stored = account.password_hash
        if stored is not None:
            if stored.startswith(_OF_DJANGO):
                return stored
            for beginning, prefix in _PREFIXES.items():
                if stored.startswith(beginning):
                    return prefix + stored
            self._remark(account, "its password hash is of no kind that Django knows: it has to be reset")
        return "!" + "".join(secrets.choice(_RANDOM) for _ in range(40))  # as Django marks accounts without a password

    def _time(self, seconds: float) -> str:
        moment = datetime.fromtimestamp(seconds, UTC)
        if self.timezone is not None:
            moment = moment.astimezone(self.timezone).replace(tzinfo=None)
        return moment.isoformat()

    def _remark(self, account: "Account", text: str) -> None:
        self.remarks.append((account.id, text))
