"""What the file of a key holds: a PEM file of a signing key, or a secret in base64url.

A line before the key says when it begins to make what is new: `Signs-From: 2026-11-24T20:00:00Z` (RFC 7468 lets a PEM file
have such text). It stands in the file because times of files do not survive every copy. A key without it has always
begun, and what is older than that verifies until it is taken away.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Generic, TypeVar

from ...domain.session import MAX_LIFETIME_SECONDS
from ...verify.claims import MAX_LEEWAY
from .keyset import ALWAYS, Secret, SigningKey
from .lifecycle import ACCESS_SECONDS
from .store import Contents, Name

MINUTE = 60.0
"""Long enough for every server of a deployment to have found a new key: they look every few seconds."""

DAY = 86_400.0
"""Long enough for every service that verifies access tokens to have asked for the public keys again."""

CODE_SECONDS = 3600.0
"""No code is good for longer."""

_LINE = re.compile(rb"^signs-from:.*\n?", re.IGNORECASE | re.MULTILINE)
_MOMENT = re.compile(r"Signs-From: (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\r?\n", re.ASCII)

_Key = TypeVar("_Key", SigningKey, Secret)


@dataclass(frozen=True, slots=True)
class Kind(Generic[_Key]):
    """One kind of key: how its files are called, written and read.

    `notice` is for how many seconds a new key is there before it is used, `grace` for how many what a key made is good.
    """

    name: str
    suffix: str
    new: Callable[[], bytes]
    parse: Callable[[int, bytes, float], _Key]
    notice: float
    grace: float

    def is_in(self, contents: Contents) -> bool:
        return any(kind == self.name for kind, _ in contents)

    def read(self, contents: Contents, called: Callable[[Name], str]) -> tuple[_Key, ...]:
        """Oldest first. Raises `ValueError`, one line that names the key as it is `called`, for one that is no good."""
        return tuple(self._read(name, contents[name], called) for name in sorted(contents) if name[0] == self.name)

    def dated(self, content: bytes, starts: float) -> bytes:
        """The content of a file with that beginning, rounded down to a second, in place of the one it had."""
        moment = datetime.fromtimestamp(int(starts), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"Signs-From: {moment}\n".encode("ascii") + _LINE.sub(b"", content)

    def _read(self, name: Name, content: bytes, called: Callable[[Name], str]) -> _Key:
        try:
            starts, rest = _starts(content)
            return self.parse(name[1], rest, starts)
        except ValueError as fault:
            raise ValueError(f"{called(name)}: {fault}") from None


def _signing_key(number: int, content: bytes, starts: float) -> SigningKey:
    return SigningKey.from_pem(content, number, starts)


def _new_signing_key() -> bytes:
    return SigningKey.generate().pem()


def _secret(number: int, content: bytes, starts: float) -> Secret:
    return Secret.from_text(number, content.decode("ascii", "replace"), starts)


def _new_secret() -> bytes:
    return f"{Secret.generate().text()}\n".encode("ascii")


SIGNING = Kind("signing", "pem", _new_signing_key, _signing_key, notice=DAY, grace=ACCESS_SECONDS + MAX_LEEWAY)
CODES = Kind("codes", "key", _new_secret, _secret, notice=MINUTE, grace=CODE_SECONDS)
REFRESH = Kind("refresh", "key", _new_secret, _secret, notice=MINUTE, grace=MAX_LIFETIME_SECONDS)
BLINDING = Kind("blinding", "key", _new_secret, _secret, notice=MINUTE, grace=inf)

KINDS: Mapping[str, Kind[SigningKey] | Kind[Secret]] = {kind.name: kind for kind in (SIGNING, CODES, REFRESH, BLINDING)}


def _starts(content: bytes) -> tuple[float, bytes]:
    """When the key begins, and the rest; a line that is not as it should be must not let a key begin too early."""
    lines = _LINE.findall(content)
    if not lines:
        return ALWAYS, content
    match = _MOMENT.fullmatch(lines[0].decode("ascii", "replace")) if len(lines) == 1 else None
    try:
        moment = datetime.fromisoformat(match[1]).timestamp() if match else -1
    except ValueError:
        moment = -1
    if moment < 0:
        raise ValueError("the line with its beginning is to read like Signs-From: 2026-11-24T20:00:00Z")
    return moment, _LINE.sub(b"", content)
