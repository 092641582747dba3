"""The columns of a file of accounts, and their values in JSON and in CSV."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime, tzinfo
from typing import Any

from ...application.ports import ImportRecord
from ...domain.texts import is_storable, trimmed

TEXTS = ("username", "name", "email", "mobile", "password_hash", "image")
FLAGS = ("email_verified", "mobile_verified", "is_active", "is_staff", "is_superuser")
COLUMNS = ("key", "id", *TEXTS, *FLAGS, "roles", "created_at")
"""The names of all columns; none of them has to be there."""

MAX_KEY = 200
_TRUE, _FALSE = frozenset({"true", "t", "yes", "y", "1"}), frozenset({"false", "f", "no", "n", "0"})
_DEFAULTS = {one.name: one.default for one in fields(ImportRecord) if one.name in FLAGS}
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)
_IN_ROLES = re.compile(r"[,;|]")
_SHOWN = 40
_LAST_SECOND = 10**15


class WrongValue(ValueError):
    """A value that its column cannot have; the text is one line that names the column."""


def record_of(values: Mapping[str, Any], place: str, timezone: tzinfo, remarks: Iterable[str]) -> ImportRecord:
    """Makes a record of the values by column. Raises `WrongValue`."""
    said = list(remarks)
    texts = {name: _text(name, values.get(name)) for name in TEXTS}
    others: dict[str, Any] = {**texts, **{name: _flag(name, values.get(name)) for name in FLAGS}}
    number = _id(values.get("id"))
    return ImportRecord(
        key=_key(values.get("key"), number, texts),
        place=place,
        id=number,
        roles=_roles(values.get("roles")),
        created_at=_time(values.get("created_at"), timezone, said),
        remarks=tuple(said),
        **others,
    )


def shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _key(key: object, number: int | None, texts: Mapping[str, str | None]) -> str:
    """The given key, else what tells the row from all others: its id, username, email or mobile."""
    text = _text("key", key)
    if text is None or not trimmed(text):
        own_id = None if number is None else str(number)
        named = {"id": own_id, **{name: texts[name] for name in ("username", "email", "mobile")}}
        text = next((f"{name}:{trimmed(value)}" for name, value in named.items() if value and trimmed(value)), "")
    if not text:
        raise WrongValue("It has no id, username, email or mobile.")
    if len(text) > MAX_KEY or not is_storable(text):
        raise WrongValue(f"key: it has more than {MAX_KEY} characters, or one that cannot be stored")
    return text


def _id(value: object) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    raise WrongValue(f"id: {shown(value)} is not a whole number; put other ids into the column key")


def _text(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if name in ("mobile", "key") and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise WrongValue(f"{name}: {shown(value)} is not a text")


def _flag(name: str, value: object) -> bool:
    if value is None or value == "":
        return bool(_DEFAULTS[name])
    text = str(value).strip().lower()
    if isinstance(value, bool | int | str) and text in _TRUE | _FALSE:
        return text in _TRUE
    raise WrongValue(f"{name}: {shown(value)} is neither true nor false")


def _roles(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        value = _IN_ROLES.split(value)
    if not isinstance(value, list) or not all(isinstance(role, str) for role in value):
        raise WrongValue(f"roles: {shown(value)} is not a list of texts")
    return tuple(role.strip() for role in value if role.strip())


def _time(value: object, timezone: tzinfo, remarks: list[str]) -> float | None:
    """Seconds since the epoch; None, with a remark, for a text that is no time."""
    if value is None or value == "":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LAST_SECOND:
        return float(value)
    text = value.strip() if isinstance(value, str) else ""
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone)).timestamp()
    except (ValueError, OverflowError):
        pass
    remarks.append(f"created_at {shown(value)}: not a time of ISO 8601 and no number of seconds, so it is now")
    return None
