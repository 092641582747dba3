"""The account, its addresses and which of them are proven; what a stranger's claim is worth.

An address is *proven* when a code that was sent to it came back. An account is *settled* when whoever set its password
also proved one of its addresses, or when it was taken over by a code. Until then anyone may have made it, with somebody
else's address: the first code that logs in clears what stood there before.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum


class AddressKind(StrEnum):
    """What kind of address a message can go to."""

    EMAIL = "email"
    MOBILE = "mobile"


@dataclass(frozen=True, slots=True)
class Address:
    """An email or a mobile: `text` as written, where messages go; `key` what it is unique by."""

    kind: AddressKind
    text: str
    canonical: str

    @property
    def deliverable(self) -> str:
        """The form for messages: an email as written, a mobile in its canonical form, which SMS gateways expect."""
        return self.text if self.kind is AddressKind.EMAIL else self.canonical


@dataclass(frozen=True, slots=True)
class Username:
    """`text` as written; `key` what it is unique by."""

    text: str
    canonical: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody's account. `id` is 0 until the database has given one; times are seconds since the epoch."""

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
        return self.has(address) and self._proven(address.kind)

    @property
    def is_verified(self) -> bool:
        """Whether any address of it is proven."""
        return self.email_verified or self.mobile_verified

    def accepts_code_from(self, address: Address) -> bool:
        """Whether a code that came back from `address` may log in or reset: it is proven, or none is.

        An unproven address beside a proven one may be a slip of the pen, and opens nothing.
        """
        return self.has_verified(address) or (self.has(address) and not self.is_verified)

    def after_code_login(self, address: Address) -> "Account":
        """The account after a code from `address` let somebody in; `opens_to` must hold.

        Where the account was not settled, what stood there before is gone: the password and the other address. That is
        told by `settled` turning true; the caller ends the sessions too.
        """
        if self.is_verified and self.owner_verified:
            return self
        kept = replace(self, password_hash=None, owner_verified=True)
        if address.kind is AddressKind.EMAIL:
            return replace(kept, email_verified=True, mobile=None, mobile_verified=False)
        return replace(kept, mobile_verified=True, email=None, email_verified=False)

    def verified_by_session(self, address: Address) -> "Account":
        """After the holder of a session of this account proved `address`, one of its own."""
        alone = not self._proven(AddressKind.MOBILE if address.kind is AddressKind.EMAIL else AddressKind.EMAIL)
        return replace(self._with_proven(address.kind), owner_verified=(self.owner_verified and self.is_verified) or alone)

    def verified_without_session(self, address: Address) -> "Account":
        """After somebody without a session proved `address`, one that this account has.

        Beside a proven address it changes nothing: whoever reads mail at a mistyped address gains no door to the account.
        """
        if self.is_verified:
            return self
        return replace(self._with_proven(address.kind), owner_verified=False)

    def with_address(self, kind: AddressKind, address: Address | None) -> "Account":
        """With another address of that kind, or none. A new key starts unproven."""
        mark = address is not None and self.has_verified(address)
        if kind is AddressKind.EMAIL:
            return replace(self, email=address, email_verified=mark)
        return replace(self, mobile=address, mobile_verified=mark)

    def _proven(self, kind: AddressKind) -> bool:
        return self.email_verified if kind is AddressKind.EMAIL else self.mobile_verified

    def _with_proven(self, kind: AddressKind) -> "Account":
        return replace(self, email_verified=True) if kind is AddressKind.EMAIL else replace(self, mobile_verified=True)
