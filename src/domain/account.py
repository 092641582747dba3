"""The account and its addresses. The rules for whose an address is are in `ownership`."""

from dataclasses import dataclass, field, replace
from enum import StrEnum


class AddressKind(StrEnum):
    """The kinds of addresses that messages go to."""

    EMAIL = "email"
    MOBILE = "mobile"

    @property
    def other(self) -> "AddressKind":
        return AddressKind.MOBILE if self is AddressKind.EMAIL else AddressKind.EMAIL


@dataclass(frozen=True, slots=True)
class Address:
    """An email or a mobile: `text` is its spelling, `canonical` the form that is unique among accounts and looked up."""

    kind: AddressKind
    text: str
    canonical: str

    @property
    def key(self) -> str:
        """Kind and canonical form, the same for every spelling: `email:ann@example.org`."""
        return f"{self.kind}:{self.canonical}"

    @property
    def recipient(self) -> str:
        """The recipient of a message: an email as written, a mobile in its canonical form, which SMS gateways expect."""
        return self.text if self.kind is AddressKind.EMAIL else self.canonical


@dataclass(frozen=True, slots=True)
class Username:
    """A username: `text` is its spelling, `canonical` the form that is unique among accounts and looked up."""

    text: str
    canonical: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryAddress:
    """A verified address that its account replaced or removed at `replaced_at`; a code from it undoes that change.

    `other` is the address of the other kind as it was before the change. `expires_at` is None as long as the address that
    replaced it is unverified. Times are seconds since the epoch.
    """

    address: Address
    replaced_at: float
    expires_at: float | None
    other: Address | None = None
    other_verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """The suspension of an account by an operator, since `since`, for `reason`. It ends at `until`, or never if that is None.

    Times are seconds since the epoch.
    """

    since: float
    until: float | None
    reason: str

    def is_over(self, now: float) -> bool:
        return self.until is not None and now >= self.until


_IN_LEGACY_DIRECTORY = "legacy:"


def in_legacy_directory(key: str) -> str:
    """The `password_hash` of an account whose password only the legacy directory has, under that key; no password matches."""
    return _IN_LEGACY_DIRECTORY + key


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account; a superuser is staff too. `id` is 0 until it is stored; times are seconds since the epoch.

    `ever_verified` is true once an address of it was verified. `recovery_addresses` holds at most one of each kind.
    `password_hash` is a hash, or the text of `in_legacy_directory`. An account with `deletion_due_at` is deleted then, unless
    its owner logs in before. One with a `suspension` is not `is_active`; the first login after its end lifts it. `roles` are
    names of the operator's choice, which tokens can carry.
    """

    id: int = 0
    username: Username
    name: str
    email: Address | None
    mobile: Address | None = None
    email_verified: bool = False
    mobile_verified: bool = False
    ever_verified: bool = False
    recovery_addresses: tuple[RecoveryAddress, ...] = ()
    password_hash: str | None = field(default=None, repr=False)
    is_active: bool = True
    is_staff: bool = False
    is_superuser: bool = False
    roles: tuple[str, ...] = ()
    suspension: Suspension | None = None
    image: str | None = None
    created_at: float
    deletion_due_at: float | None = None

    def __post_init__(self) -> None:
        if self.is_superuser and not self.is_staff:
            object.__setattr__(self, "is_staff", True)

    def may_log_in(self, now: float) -> bool:
        """Returns whether it is active, or its suspension is over, which the next login lifts."""
        return self.is_active or (self.suspension is not None and self.suspension.is_over(now))

    @property
    def legacy_key(self) -> str | None:
        """The key of the account in the legacy directory, if its password lies only there."""
        text = self.password_hash or ""
        return text.removeprefix(_IN_LEGACY_DIRECTORY) if text.startswith(_IN_LEGACY_DIRECTORY) else None

    def reinstated(self) -> "Account":
        return replace(self, is_active=True, suspension=None)

    @property
    def addresses(self) -> tuple[Address, ...]:
        return tuple(address for address in (self.email, self.mobile) if address is not None)

    def address(self, kind: AddressKind) -> Address | None:
        return self.email if kind is AddressKind.EMAIL else self.mobile

    def is_verified(self, kind: AddressKind) -> bool:
        return self.email_verified if kind is AddressKind.EMAIL else self.mobile_verified

    def has(self, address: Address) -> bool:
        own = self.address(address.kind)
        return own is not None and own.canonical == address.canonical

    def has_verified(self, address: Address) -> bool:
        return self.has(address) and self.is_verified(address.kind)

    def recovery_address(self, kind: AddressKind) -> RecoveryAddress | None:
        return next((kept for kept in self.recovery_addresses if kept.address.kind is kind), None)
