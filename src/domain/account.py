"""The account, its addresses and which of them are proven; what a stranger's claim is worth.

An address is *proven* when a code that was sent to it came back. An account is *settled* when whoever set its password
also proved one of its addresses, or when it was taken over by a code. Until then anyone may have made it, with somebody
else's address: the first code that logs in clears what stood there before.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum


class Kind(StrEnum):
    """What kind of address a message can go to."""

    EMAIL = "email"
    MOBILE = "mobile"


@dataclass(frozen=True, slots=True)
class Address:
    """An email or a mobile: `text` as written, where messages go; `key` what it is unique by."""

    kind: Kind
    text: str
    key: str


@dataclass(frozen=True, slots=True)
class Username:
    """`text` as written; `key` what it is unique by."""

    text: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody's account. `id` is 0 until the database has given one; times are seconds since the epoch."""

    id: int = 0
    username: Username
    name: str
    email: Address | None
    mobile: Address | None = None
    email_proven: bool = False
    mobile_proven: bool = False
    settled: bool = False
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

    def address(self, kind: Kind) -> Address | None:
        return self.email if kind is Kind.EMAIL else self.mobile

    def has(self, address: Address) -> bool:
        own = self.address(address.kind)
        return own is not None and own.key == address.key

    def has_proven(self, address: Address) -> bool:
        return self.has(address) and self._proven(address.kind)

    @property
    def is_proven(self) -> bool:
        """Whether any address of it is proven."""
        return self.email_proven or self.mobile_proven

    def opens_to(self, address: Address) -> bool:
        """Whether a code that came back from `address` may log in or reset: it is proven, or none is.

        An unproven address beside a proven one may be a slip of the pen, and opens nothing.
        """
        return self.has_proven(address) or (self.has(address) and not self.is_proven)

    def entered_by(self, address: Address) -> "Account":
        """The account after a code from `address` let somebody in; `opens_to` must hold.

        Where the account was not settled, what stood there before is gone: the password and the other address. That is
        told by `settled` turning true; the caller ends the sessions too.
        """
        if self.is_proven and self.settled:
            return self
        kept = replace(self, password_hash=None, settled=True)
        if address.kind is Kind.EMAIL:
            return replace(kept, email_proven=True, mobile=None, mobile_proven=False)
        return replace(kept, mobile_proven=True, email=None, email_proven=False)

    def proven_by_holder(self, address: Address) -> "Account":
        """After the holder of a session of this account proved `address`, one of its own."""
        alone = not self._proven(Kind.MOBILE if address.kind is Kind.EMAIL else Kind.EMAIL)
        return replace(self._with_proven(address.kind), settled=(self.settled and self.is_proven) or alone)

    def proven_by_anyone(self, address: Address) -> "Account":
        """After somebody without a session proved `address`, one that this account has.

        Beside a proven address it changes nothing: whoever reads mail at a mistyped address gains no door to the account.
        """
        if self.is_proven:
            return self
        return replace(self._with_proven(address.kind), settled=False)

    def moved(self, kind: Kind, address: Address | None) -> "Account":
        """With another address of that kind, or none. A new key starts unproven."""
        mark = address is not None and self.has_proven(address)
        if kind is Kind.EMAIL:
            return replace(self, email=address, email_proven=mark)
        return replace(self, mobile=address, mobile_proven=mark)

    def _proven(self, kind: Kind) -> bool:
        return self.email_proven if kind is Kind.EMAIL else self.mobile_proven

    def _with_proven(self, kind: Kind) -> "Account":
        return replace(self, email_proven=True) if kind is Kind.EMAIL else replace(self, mobile_proven=True)
