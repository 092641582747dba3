"""Reads the records of other systems by the rules of this service, and notes each change that they ask for."""

import re
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b

from ..domain.account import Account, Address, AddressKind, in_legacy_directory
from ..domain.texts import one_line, trimmed
from .ports import Codes, Hasher, HashKind, Identifiers, ImportRecord, InvalidText
from .validation import MAX_ID

MAX_USERNAME = 254
MAX_NAME = 500
MAX_ROLES = 20
MAX_ROLE = 50
LAST_ID = 2**53 - 1
"""The largest id that is imported: larger numbers are not exact in the JSON of many clients."""

assert LAST_ID < MAX_ID  # noqa: S101 — ids above it are free for rehearsals

_SHOWN = 100
_NOT_IN_ROLES = re.compile(r"[^a-z0-9._:-]+")
_IN_LEGACY_DIRECTORY = "legacy"
"""In place of a hash: the password stays in the old system, which is asked for it at the first login."""

_NO_HASH = HashKind("unusable", is_usable=False)


class ImportCode(StrEnum):
    """The kinds of remarks about a row; their values are stable."""

    SOURCE = "source"
    NO_PASSWORD = "no_password"  # noqa: S105 — the name of a remark
    PASSWORD_REFUSED = "password_refused"  # noqa: S105 — the name of a remark
    PASSWORD_WEAK = "password_weak"  # noqa: S105 — the name of a remark
    USERNAME_CHANGED = "username_changed"
    NAME_CHANGED = "name_changed"
    EMAIL_UNREADABLE = "email_unreadable"
    EMAIL_TAKEN = "email_taken"
    EMAIL_RELEASED = "email_released"
    MOBILE_UNREADABLE = "mobile_unreadable"
    MOBILE_TAKEN = "mobile_taken"
    MOBILE_RELEASED = "mobile_released"
    ROLES_CHANGED = "roles_changed"
    CREATED_CHANGED = "created_changed"
    KEPT = "kept"
    IMAGE_MISSING = "image_missing"
    IMAGE_UNREADABLE = "image_unreadable"


@dataclass(frozen=True, slots=True)
class ImportRemark:
    """A change of a row, or a part of it that was left out.

    `text` is one line for the operator, and `field` the field that it is about.
    """

    code: ImportCode
    text: str
    field: str = ""

    @property
    def is_change(self) -> bool:
        """Returns False if the account is as it was in the source: one that never had a usable password has none here."""
        return self.code is not ImportCode.NO_PASSWORD


FIELDS: Mapping[str, Callable[[ImportRecord], object]] = {
    "username": lambda one: one.username,
    "name": lambda one: one.name,
    "email": lambda one: (one.email, one.email_verified),
    "mobile": lambda one: (one.mobile, one.mobile_verified),
    "password": lambda one: one.password_hash,
    "active": lambda one: one.is_active,
    "roles": lambda one: (one.is_staff, one.is_superuser, one.roles),
    "created": lambda one: one.created_at,
    "image": lambda one: one.image,
}
"""The fields whose changes a later import takes over, and their values in the source."""

_HERE: Mapping[str, Callable[[Account], object]] = {
    "username": lambda one: one.username.text,
    "name": lambda one: one.name,
    "email": lambda one: one.email and (one.email.text, one.email_verified),
    "mobile": lambda one: one.mobile and (one.mobile.text, one.mobile_verified),
    "password": lambda one: one.password_hash,
    "active": lambda one: one.is_active,
    "roles": lambda one: (one.is_staff, one.is_superuser, one.roles),
    "created": lambda one: one.created_at,
    "image": lambda one: one.image,
}

_DIGEST = 8  # characters of base64url: of 2**48 changes one is missed


@dataclass(frozen=True, slots=True)
class ImportDigests:
    """Digests of the fields of a row, as they are in the source and as they were here after the import.

    They are keyed: a reader of the database learns nothing of a password that the source has in clear text.
    """

    source: Mapping[str, str]
    here: Mapping[str, str]

    @staticmethod
    def parse(text: str) -> "ImportDigests":
        parts = [text[start : start + _DIGEST] for start in range(0, len(text), _DIGEST)]
        return ImportDigests(
            dict(zip(FIELDS, parts[: len(FIELDS)], strict=False)), dict(zip(FIELDS, parts[len(FIELDS) :], strict=False))
        )

    def __str__(self) -> str:
        return "".join((*self.source.values(), *self.here.values()))


def digest_key(codes: Codes) -> bytes:
    """The key of all digests of imports."""
    return codes.keyed_digest("digests of imports").encode()


def source_digests(key: bytes, record: ImportRecord) -> Mapping[str, str]:
    return {name: _digest(key, name, "source", value(record)) for name, value in FIELDS.items()}


def here_digests(key: bytes, account: Account) -> Mapping[str, str]:
    return {name: here_digest(key, account, name) for name in FIELDS}


def here_digest(key: bytes, account: Account, name: str) -> str:
    return _digest(key, name, "here", _HERE[name](account))


def _digest(key: bytes, name: str, place: str, value: object) -> str:
    text = f"{name} {place} {value!r}".encode("utf-8", "surrogatepass")
    return urlsafe_b64encode(blake2b(text, key=key, digest_size=_DIGEST * 6 // 8).digest()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRecord:
    """A record by the rules of this service. Whether its names are free is not known yet.

    `refusal` says in one line why it can become no account.
    """

    record: ImportRecord
    digests: Mapping[str, str]
    username: str = ""
    name: str = ""
    email: Address | None = None
    mobile: Address | None = None
    password_hash: str | None = field(default=None, repr=False)
    roles: tuple[str, ...] = ()
    created_at: float = 0.0
    remarks: tuple[ImportRemark, ...] = ()
    refusal: str = ""

    def is_verified(self, kind: AddressKind) -> bool:
        return self.record.email_verified if kind is AddressKind.EMAIL else self.record.mobile_verified


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReader:
    """Reads records; `accepted_hashes` names kinds of weak password hashes that are taken all the same."""

    identifiers: Identifiers
    hasher: Hasher
    digest_key: bytes = field(repr=False)
    accepted_hashes: Collection[str]
    keeps_ids: bool

    def __call__(self, record: ImportRecord, now: float) -> ReadRecord:
        remarks = [ImportRemark(ImportCode.SOURCE, text) for text in record.remarks]
        email = self._email(record, remarks)
        mobile = self._mobile(record, remarks)
        username = self._username(record, email, mobile, remarks)
        return ReadRecord(
            record=record,
            digests=source_digests(self.digest_key, record),
            username=username,
            name=self._name(record, username, remarks),
            email=email,
            mobile=mobile,
            password_hash=self._password_hash(record, remarks),
            roles=_roles(record.roles, remarks),
            created_at=_created_at(record, now, remarks),
            remarks=tuple(remarks),
            refusal=self._refusal(record, username),
        )

    def _refusal(self, record: ImportRecord, username: str) -> str:
        if not username:
            return "It has no username, and no readable email or mobile, so its owner could not log in."
        if self.keeps_ids and record.id is not None and not 0 < record.id <= LAST_ID:
            return f"The id {record.id} is not from 1 to {LAST_ID}; --new-ids gives new ones."
        return ""

    def _email(self, record: ImportRecord, remarks: list[ImportRemark]) -> Address | None:
        if not trimmed(record.email or ""):
            return None
        try:
            return self.identifiers.email(record.email or "")
        except InvalidText as error:
            remarks.append(_left_out(ImportCode.EMAIL_UNREADABLE, "email", record.email, error))
            return None

    def _mobile(self, record: ImportRecord, remarks: list[ImportRemark]) -> Address | None:
        """Reads a mobile of any country, as at a login: accounts that exist keep theirs."""
        text = record.mobile or ""
        if not trimmed(text):
            return None
        address = self.identifiers.login(text).address
        if address is not None and address.kind is AddressKind.MOBILE:
            return address
        try:
            self.identifiers.mobile(text)
        except InvalidText as error:
            remarks.append(_left_out(ImportCode.MOBILE_UNREADABLE, "mobile", text, error))
        return None

    def _username(
        self, record: ImportRecord, email: Address | None, mobile: Address | None, remarks: list[ImportRemark]
    ) -> str:
        """The username as written, if it can be stored; else one that is made of the email or the mobile."""
        written = trimmed(record.username or "")
        text = trimmed(one_line(written)[:MAX_USERNAME])
        if not text:
            return self._made_username(email, mobile)
        if text != written:
            said = f"username {shown(written)}: stored as {shown(text)}"
            remarks.append(ImportRemark(ImportCode.USERNAME_CHANGED, said, "username"))
        return text

    def _made_username(self, email: Address | None, mobile: Address | None) -> str:
        if email is None:
            return "" if mobile is None else self.identifiers.username_of_mobile(mobile, 1).text
        try:
            return self.identifiers.username(email.canonical.rpartition("@")[0]).text
        except InvalidText:  # such as `info`, which is reserved
            return email.canonical.replace("@", ".at.")

    def _name(self, record: ImportRecord, username: str, remarks: list[ImportRemark]) -> str:
        written = record.name or ""
        if not trimmed(written):
            return one_line(username)[:MAX_NAME]
        try:
            return self.identifiers.name(written)
        except InvalidText:
            pass
        try:
            name = self.identifiers.name(unicodedata.normalize("NFC", trimmed(one_line(written)))[:MAX_NAME])
        except InvalidText:
            name = one_line(username)[:MAX_NAME]
        remarks.append(ImportRemark(ImportCode.NAME_CHANGED, f"name {shown(written)}: stored as {shown(name)}", "name"))
        return name

    def _password_hash(self, record: ImportRecord, remarks: list[ImportRemark]) -> str | None:
        text = record.password_hash
        if text == _IN_LEGACY_DIRECTORY:
            return in_legacy_directory(record.key)
        kind = _NO_HASH if text is None else self.hasher.kind_of(text)
        if kind.name == _NO_HASH.name:
            said = "password: there is no usable one, so the owner logs in by a code"
            remarks.append(ImportRemark(ImportCode.NO_PASSWORD, said, "password"))
            return None
        if kind.is_weak and kind.name not in self.accepted_hashes:
            said = f"password: left out, because a hash by {kind.name} is quickly guessed; --accept-hash {kind.name} keeps it"
            remarks.append(ImportRemark(ImportCode.PASSWORD_WEAK, said, "password"))
            return None
        if not kind.is_usable:
            said = f"password: left out, because the hash {kind.reason}"
            remarks.append(ImportRemark(ImportCode.PASSWORD_REFUSED, said, "password"))
            return None
        return text


def shown(text: str | None) -> str:
    """The text for a line of a report, cut and in quotes."""
    written = text or ""
    return repr(written if len(written) <= _SHOWN else f"{written[:_SHOWN]}…")


def _left_out(code: ImportCode, name: str, text: str | None, error: InvalidText) -> ImportRemark:
    return ImportRemark(code, f"{name} {shown(text)}: left out. {error}", name)


def _roles(names: Sequence[str], remarks: list[ImportRemark]) -> tuple[str, ...]:
    """The names in the form of roles, distinct and in order."""
    roles = []
    for name in names:
        role = _role(name)
        if role != name:
            said = f"stored as {shown(role)}" if role else "left out"
            remarks.append(ImportRemark(ImportCode.ROLES_CHANGED, f"role {shown(name)}: {said}", "roles"))
        roles += [role] if role else []
    distinct = sorted(set(roles))
    for role in distinct[MAX_ROLES:]:
        text = f"role {shown(role)}: left out, because an account has at most {MAX_ROLES}"
        remarks.append(ImportRemark(ImportCode.ROLES_CHANGED, text, "roles"))
    return tuple(distinct[:MAX_ROLES])


def _role(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name[: 10 * MAX_ROLE].casefold())
    plain = "".join(mark for mark in folded if not unicodedata.combining(mark))
    return _NOT_IN_ROLES.sub("-", plain).strip("._:-")[:MAX_ROLE].strip("._:-")


def _created_at(record: ImportRecord, now: float, remarks: list[ImportRemark]) -> float:
    created_at = record.created_at
    if created_at is None:
        return now
    if not 0 <= created_at <= now:
        remarks.append(ImportRemark(ImportCode.CREATED_CHANGED, "created: not a time of the past, so it is now", "created"))
        return now
    return created_at
