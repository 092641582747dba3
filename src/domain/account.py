"""The account and its addresses, and which changes an unauthenticated code verification may make.

An address is *verified* when a code sent to it was entered correctly. `owner_verified` is true when the person who set the
password also verified one of the addresses, or when the account was claimed by a code. Before that anyone may have created the
account with another person's address: the first login by a code clears its earlier state.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum


class AddressKind(StrEnum):
    """The kinds of addresses that messages go to."""

    EMAIL = "email"
    MOBILE = "mobile"


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
class Account:
    """An account; a superuser is staff too. `id` is 0 until it is stored; times are seconds since the epoch."""

    id: int = 0
    username: Username
    name: str
    email: Address | None
    mobile: Address | None = None
    email_verified: bool = False
    mobile_verified: bool = False
    owner_verified: bool = False
    password_hash: str | None = field(default=None, repr=False)
    is_active: bool = True
    is_staff: bool = False
    is_superuser: bool = False
    image: str | None = None
    created_at: float

    def __post_init__(self) -> None:
        if self.is_superuser and not self.is_staff:
            object.__setattr__(self, "is_staff", True)

    @property
    def addresses(self) -> tuple[Address, ...]:
        return tuple(address for address in (self.email, self.mobile) if address is not None)

    def address(self, kind: AddressKind) -> Address | None:
        return self.email if kind is AddressKind.EMAIL else self.mobile

    def has(self, address: Address) -> bool:
        own = self.address(address.kind)
        return own is not None and own.canonical == address.canonical

    def has_verified(self, address: Address) -> bool:
        return self.has(address) and self._is_verified(address.kind)

    @property
    def is_verified(self) -> bool:
        """Returns whether any of its addresses is verified."""
        return self.email_verified or self.mobile_verified

    def accepts_code_sent_to(self, address: Address) -> bool:
        """Returns whether a code sent to `address` may log in or reset: if it is verified, or if no address is.

        An unverified address next to a verified one may be a typing error, and its codes are refused.
        """
        return self.has_verified(address) or (self.has(address) and not self.is_verified)

    def after_code_login(self, address: Address) -> "Account":
        """The account after a login by a code sent to `address`, which `accepts_code_sent_to` must accept.

        Unless the owner and an address are verified, the login claims the account. The password and the other address are
        cleared, `owner_verified` becomes true, and the use case revokes the sessions. This also happens to an owner who
        replaced the only verified address: a login by a code to the new one clears the password. The password stays if the
        new address was verified with a session before.
        """
        if self.is_verified and self.owner_verified:
            return self
        kept = replace(self, password_hash=None, owner_verified=True)
        if address.kind is AddressKind.EMAIL:
            return replace(kept, email_verified=True, mobile=None, mobile_verified=False)
        return replace(kept, mobile_verified=True, email=None, email_verified=False)

    def verified_by_session(self, address: Address) -> "Account":
        """The account after a caller with a session of this account verified `address`, one of its addresses.

        The owner is then verified, unless the other address was verified without a session: the caller may have created the
        account with that person's address.
        """
        other_kind = AddressKind.MOBILE if address.kind is AddressKind.EMAIL else AddressKind.EMAIL
        owner_verified = self.owner_verified or not self._is_verified(other_kind)
        return replace(self._with_verified(address.kind), owner_verified=owner_verified)

    def verified_without_session(self, address: Address) -> "Account":
        """The account after a caller without a session of this account verified `address`, one of its addresses.

        If an address is verified already, nothing changes: the reader of a mistyped address gains no access.
        """
        if self.is_verified:
            return self
        return replace(self._with_verified(address.kind), owner_verified=False)

    def with_address(self, kind: AddressKind, address: Address | None) -> "Account":
        """The account with another address of that kind, or none; a new canonical form starts unverified."""
        verified = address is not None and self.has_verified(address)
        if kind is AddressKind.EMAIL:
            return replace(self, email=address, email_verified=verified)
        return replace(self, mobile=address, mobile_verified=verified)

    def _is_verified(self, kind: AddressKind) -> bool:
        return self.email_verified if kind is AddressKind.EMAIL else self.mobile_verified

    def _with_verified(self, kind: AddressKind) -> "Account":
        return replace(self, email_verified=True) if kind is AddressKind.EMAIL else replace(self, mobile_verified=True)
