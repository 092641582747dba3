"""Reading the fields of a question: what is wrong with each is collected, so that all of it is said at once."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from ..domain.account import Account, Address, AddressKind
from ..domain.code import PROOF_LIFETIME
from ..domain.errors import AlreadyTaken, InvalidInput, taken
from ..domain.password import PasswordPolicy
from .ports import Clock, Codes, Database, Identifiers, InvalidText, Transaction

T = TypeVar("T")


class Missing(Enum):
    """Stands for a field that was not given where none means something else: that there is to be none."""

    MISSING = "missing"


MISSING = Missing.MISSING
REQUIRED = "This field is required."

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


class Validator:
    """One question's fields. Values may be anything: Python callers are not checked by a type checker at run time."""

    def __init__(self) -> None:
        self._errors: dict[str, list[str]] = {}
        self._taken: list[str] = []

    def text(self, field: str, value: object, read: Callable[[str], T], *, required: bool = True) -> T | None:
        """What `read` makes of a text; None where it is absent (None or blank) or at fault."""
        if value is MISSING or (required and _is_blank(value)):
            self.add_error(field, REQUIRED)
        elif not _is_blank(value):
            try:
                return read(_text(value))
            except InvalidText as error:
                self.add_error(field, str(error))
        return None

    def password(self, field: str, value: object, *, required: bool = True) -> str | None:
        """A text that is neither trimmed nor judged."""
        if value is None or value == "" or value is MISSING:
            if required:
                self.add_error(field, REQUIRED)
            return None
        return self.text(field, value, lambda text: text) if not _is_blank(value) else str(value)

    def flag(self, field: str, value: object) -> bool:
        if value is None or isinstance(value, bool):
            return bool(value)
        self.add_error(field, "This must be true or false.")
        return False

    def texts(self, field: str, value: object) -> tuple[str, ...]:
        """A list of texts; None is an empty one."""
        if value is None:
            return ()
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            self.add_error(field, "This must be a list of texts.")
            return ()
        return tuple(text for item in value if (text := self.text(field, item, str)) is not None)

    def add_error(self, field: str, *messages: str) -> None:
        for message in messages:
            known = self._errors.setdefault(field, [])
            if message not in known:
                known.append(message)

    def add_taken(self, fields: Iterable[str]) -> None:
        for field in sorted(fields):
            self._taken.append(field)
            self.add_error(field, taken(field))

    def raise_if_invalid(self) -> None:
        """Raises `AlreadyTaken` where that is all that is wrong, `InvalidInput` where more is."""
        if not self._errors:
            return
        if set(self._errors) == set(self._taken):
            raise AlreadyTaken(*self._taken)
        raise InvalidInput(self._errors)


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidText("This must be text.")
    if _UNSTORABLE.search(value):
        raise InvalidText("This has a character that is not allowed in text.")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRules:
    """What is demanded of an account's fields, whoever sets them."""

    identifiers: Identifiers
    policy: PasswordPolicy
    codes: Codes
    clock: Clock
    mobile_required: bool = False
    email_validation: bool = False
    mobile_validation: bool = False

    def check_password(self, read: Validator, password: str | None, own: Iterable[str | None]) -> None:
        if password is not None:
            faults = self.policy.violations(password) or self.policy.personal_data_violations(password, own)
            read.add_error("password", *faults)

    def requires_proof(self, address: Address) -> bool:
        return self.email_validation if address.kind is AddressKind.EMAIL else self.mobile_validation

    def verified_addresses(
        self,
        read: Validator,
        database: Database,
        addresses: Sequence[Address],
        new: Sequence[Address],
        proofs: Sequence[str],
    ) -> frozenset[Address]:
        """Those of the addresses that the given proofs prove; faults where a proof is wrong, or a new address lacks one.

        An address that somebody proved within the hour satisfies the demand, but is proven only by its own proof.
        """
        demanded = [address for address in new if self.requires_proof(address)]
        if not proofs and not demanded:
            return frozenset()
        since = self.clock() - PROOF_LIFETIME
        with database.begin() as tx:
            proven = frozenset(found for text in proofs if (found := self._proof(read, tx, text, addresses, since)))
            for address in demanded:
                if address not in proven and not tx.proofs.is_verified(address, since):
                    read.add_error(address.kind, f"This {address.kind} has to be proven by a code first.")
        return proven

    def _proof(self, read: Validator, tx: Transaction, text: str, addresses: Sequence[Address], since: float) -> Address | None:
        proof = tx.proofs.find(self.codes.keyed_digest(f"proof:{text}"), since)
        for address in addresses:
            if proof and (address.kind, address.canonical) == (proof.address.kind, proof.address.canonical):
                return address
        read.add_error("proofs", "This proof is not valid, is older than an hour, or is of another address.")
        return None


def personal_data(
    username: str | None, name: str | None, email: Address | None, mobile: Address | None
) -> tuple[str | None, ...]:
    """What a password may not be made of."""
    return username, name, email.text if email else None, mobile.text if mobile else None


def personal_data_of(account: Account) -> tuple[str | None, ...]:
    return personal_data(account.username.text, account.name, account.email, account.mobile)
