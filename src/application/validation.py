"""Validation of use-case arguments: errors are collected by field, so that one refusal names all of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, TypeVar, overload

from ..domain.account import Account, Address, AddressKind
from ..domain.code import MAX_PROOFS, PROOF_LIFETIME, Proof
from ..domain.errors import AlreadyTaken, ErrorCode, FieldError, InvalidInput, Refusal, taken
from ..domain.events import Caller
from ..domain.invitation import Invitation
from ..domain.networks import UNKNOWN_NETWORK
from ..domain.password import PasswordPolicy, normalised
from ..domain.texts import is_storable, trimmed
from .ports import Admission, Applicant, Clock, Codes, Database, Identifiers, InvalidText, PasswordRules, Transaction

T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")


class Missing(Enum):
    """The type of `MISSING`: a field that was not given, where None means that the value is to be removed."""

    MISSING = "missing"


MISSING = Missing.MISSING
_LAST_TIME = 253_402_300_799
MAX_ID = 2**63 - 1
"""The largest id and position that a database stores."""
REQUIRED = FieldError(ErrorCode.REQUIRED, "This field is required.")
WRONG_PROOF = FieldError(
    ErrorCode.INVALID_PROOF, "This proof is not valid, has expired, was used, or belongs to another address."
)


class Validator:
    """Collects the errors of one call's fields. Values may have any type, for Python callers are not checked at run time."""

    def __init__(self) -> None:
        self._errors: dict[str, list[FieldError]] = {}
        self._taken: list[str] = []

    def text(self, field: str, value: object, parse: Callable[[str], T1], *, required: bool = True) -> T1 | None:
        """The parsed text; None if it is absent (None or blank) or invalid."""
        if value is MISSING or (required and is_blank(value)):
            self.add_error(field, REQUIRED)
        elif not is_blank(value):
            try:
                return parse(_text(value))
            except InvalidText as error:
                self.add_error(field, FieldError(error.code, str(error)))
        return None

    def password(self, field: str, value: object, *, required: bool = True) -> str | None:
        """A text that is neither trimmed nor checked against the password policy."""
        if value is None or value == "" or value is MISSING:
            if required:
                self.add_error(field, REQUIRED)
            return None
        return self.text(field, value, lambda text: text) if not is_blank(value) else str(value)

    def flag(self, field: str, value: object) -> bool:
        if value is None or isinstance(value, bool):
            return bool(value)
        self.add_error(field, FieldError(ErrorCode.WRONG_TYPE, "This must be true or false."))
        return False

    def texts(self, field: str, value: object) -> tuple[str, ...]:
        """A list of texts; None is an empty list."""
        if value is None:
            return ()
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            self.add_error(field, FieldError(ErrorCode.WRONG_TYPE, "This must be a list of texts."))
            return ()
        return tuple(text for item in value if (text := self.text(field, item, str)) is not None)

    def number(self, field: str, value: object, lowest: int, highest: int) -> int:
        """The whole number, if it is one within the bounds; the lowest one if it is not."""
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
            return value
        self.add_error(field, FieldError(ErrorCode.MALFORMED, f"This must be a whole number from {lowest} to {highest}."))
        return lowest

    def time(self, field: str, value: object) -> float | None:
        """A time in seconds since the epoch, before the year 10,000; None if it is absent or invalid."""
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LAST_TIME:
            return float(value)
        self.add_error(field, FieldError(ErrorCode.MALFORMED, "This must be a time."))
        return None

    def add_error(self, field: str, *errors: FieldError) -> None:
        for error in errors:
            known = self._errors.setdefault(field, [])
            if error not in known:
                known.append(error)

    def add_taken(self, fields: Iterable[str]) -> None:
        for field in sorted(fields):
            self._taken.append(field)
            self.add_error(field, taken(field))

    def raise_if_invalid(self) -> None:
        """Raises `AlreadyTaken` if taken values are the only errors, `InvalidInput` if there are others."""
        if not self._errors:
            return
        if set(self._errors) == set(self._taken):
            raise AlreadyTaken(*self._taken)
        raise InvalidInput(self._errors)

    @overload
    def valid(self, first: T1 | None, /) -> tuple[T1]: ...
    @overload
    def valid(self, first: T1 | None, second: T2 | None, /) -> tuple[T1, T2]: ...
    @overload
    def valid(self, first: T1 | None, second: T2 | None, third: T3 | None, /) -> tuple[T1, T2, T3]: ...
    @overload
    def valid(self, first: T1 | None, second: T2 | None, third: T3 | None, fourth: T4 | None, /) -> tuple[T1, T2, T3, T4]: ...

    def valid(self, *values: Any) -> Any:
        """Returns the values of required fields, none of which is None; raises like `raise_if_invalid`."""
        self.raise_if_invalid()
        return values


def is_blank(value: object) -> bool:
    """Returns whether it is None, or text without any visible character."""
    return value is None or (isinstance(value, str) and not trimmed(value))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidText("This must be text.", ErrorCode.WRONG_TYPE)
    if not is_storable(value):
        raise InvalidText("This has a character that is not allowed in text.", ErrorCode.FORBIDDEN_CHARACTER)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRules:
    """The rules for an account's fields, shared by registration, changes and resets."""

    identifiers: Identifiers
    policy: PasswordPolicy
    admission: Admission
    password_rules: PasswordRules
    codes: Codes
    clock: Clock
    mobile_required: bool = False
    email_verification_required: bool = False
    mobile_verification_required: bool = False

    def check_password(self, validator: Validator, password: str | None, personal: Iterable[str | None]) -> None:
        """Adds the errors of a new password. This may wait for another machine, so it belongs outside of transactions."""
        if password is not None:
            policy = self.policy
            violations = policy.violations(password) or policy.personal_data_violations(password, personal)
            validator.add_error("password", *(violations or self.password_rules(normalised(password))))

    def check_addresses(self, validator: Validator, addresses: Iterable[Address]) -> None:
        """Adds an error for each address that no account may get."""
        add_inadmissible(validator, self.admission, addresses)

    def proved_addresses(
        self,
        validator: Validator,
        database: Database,
        addresses: Sequence[Address],
        new: Sequence[Address],
        proofs: object,
        caller: Caller,
        *,
        wants_invitation: bool = False,
    ) -> "ProvedAddresses":
        """Returns those of `addresses` that the proofs verify, and which of these are invited.

        An invitation is the proof of its address. With `wants_invitation`, an address with another proof counts as invited too
        if it has an open invitation. Adds an error for a wrong proof, for too many, and for a new address without a required
        verification. A new address that was verified within the hour from the caller's network needs no proof here, but only
        its own proof marks it as verified.
        """
        texts = validator.texts("proofs", proofs)
        if len(texts) > MAX_PROOFS:
            validator.add_error("proofs", FieldError(ErrorCode.TOO_MANY, f"A call takes at most {MAX_PROOFS} proofs."))
            return NO_PROOFS
        validated = {AddressKind.EMAIL: self.email_verification_required, AddressKind.MOBILE: self.mobile_verification_required}
        required = [address for address in new if validated[address.kind]]
        if not texts and not required:
            return NO_PROOFS
        now = self.clock()
        with database.begin() as tx:
            found = self._find(tx, validator, texts, addresses, now)
            has_network = caller.ip_address != UNKNOWN_NETWORK
            for address in required:
                is_verified = has_network and tx.proofs.is_verified(address, found.since, caller.ip_address)
                if address not in found.addresses and not is_verified:
                    message = f"This {address.kind} must be verified by a code first."
                    validator.add_error(address.kind, FieldError(ErrorCode.NOT_VERIFIED, message))
            if wants_invitation:
                found = replace(found, invited=tuple(one for one in found.addresses if tx.invitations.of(one, now)))
        return found

    def _find(
        self, tx: Transaction, validator: Validator, texts: Sequence[str], addresses: Sequence[Address], now: float
    ) -> "ProvedAddresses":
        since, digests, proved, invited = now - PROOF_LIFETIME, [], [], []
        for digest in dict.fromkeys(digest_of_proof(self.codes, text) for text in texts):
            proof = tx.proofs.find(digest, since)
            address = _proved_by(proof or tx.invitations.find(digest, now), addresses)
            if address is None:
                validator.add_error("proofs", WRONG_PROOF)
            elif proof is None:
                invited.append(address)
            else:
                proved.append(address)
                digests.append(digest)
        return ProvedAddresses(tuple(dict.fromkeys((*proved, *invited))), tuple(digests), since, tuple(invited))


@dataclass(frozen=True, slots=True)
class ProvedAddresses:
    """Addresses that a call has proved, the digests of its proofs, which it is to spend, and the addresses of invitations,
    which it is to use."""

    addresses: tuple[Address, ...] = ()
    digests: tuple[str, ...] = ()
    since: float = 0.0
    invited: tuple[Address, ...] = ()

    def spend(self, tx: Transaction) -> None:
        """Raises `InvalidInput` if another call has spent one of the proofs meanwhile."""
        for digest in self.digests:
            if not tx.proofs.spend(digest, self.since):
                raise InvalidInput({"proofs": [WRONG_PROOF]})

    def use_invitations(self, tx: Transaction, now: float) -> Sequence[Invitation]:
        """Returns the invitations. Raises `InvalidInput` if one of them was used or revoked meanwhile.

        This takes the last locks of a transaction but for those of new accounts.
        """
        used = [invitation for address in self.invited if (invitation := tx.invitations.use(address, now))]
        if len(used) < len(self.invited):
            raise InvalidInput({"proofs": [WRONG_PROOF]})
        return used


NO_PROOFS = ProvedAddresses()


def digest_of_proof(codes: Codes, text: str) -> str:
    return codes.keyed_digest(f"proof:{text}")


def _proved_by(proof: Proof | Invitation | None, addresses: Sequence[Address]) -> Address | None:
    return next((address for address in addresses if proof and address.key == proof.address.key), None)


class AdmitAll:
    """The admission of the operator, who decides alone."""

    may_block = False

    def address_error(self, address: Address) -> FieldError | None:  # noqa: ARG002 — the port's names
        return None

    def refusal(self, applicant: Applicant) -> Refusal | None:  # noqa: ARG002 — the port's names
        return None


ADMIT_ALL = AdmitAll()


def add_inadmissible(validator: Validator, admission: Admission, addresses: Iterable[Address]) -> None:
    """Adds an error for each address that no account may get, under the name of its kind."""
    for address in addresses:
        if (error := admission.address_error(address)) is not None:
            validator.add_error(address.kind, error)


def personal_data(
    username: str | None, name: str | None, email: Address | None, mobile: Address | None
) -> tuple[str | None, ...]:
    """Texts of the account that its password may not consist of."""
    return username, name, email.text if email else None, mobile.text if mobile else None


def personal_data_of(account: Account) -> tuple[str | None, ...]:
    return personal_data(account.username.text, account.name, account.email, account.mobile)
