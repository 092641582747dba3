"""The rules for whose an address is: what a right code from it does to the account that has it, and what a change keeps.

An address is *verified* when a code sent to it came back with the account's own login, by a login or reset of the account with
it, or when a registration or change brought its proof.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum

from .account import Account, Address, AddressKind, RecoveryAddress, Username


class AddressState(Enum):
    """The state of an address on an account. It decides what a right code from the address does at a login or a reset."""

    VERIFIED = "opens the account and clears nothing"
    CLAIMABLE = "opens the account, which never had a verified address, and clears what its maker left: `claimed`"
    UNVERIFIED = "opens nothing and proves the address: the account has, or had, a verified one"
    RECOVERY = "opens the account and undoes the change that replaced or removed the address: `recovered`"


_MIN_DIGITS = 6  # of a mobile without its prefix

HOLDS_NOTHING = frozenset({AddressState.CLAIMABLE, AddressState.UNVERIFIED})
"""States of addresses that leave the account when another person proves them."""


def state_of(account: Account, address: Address, now: float) -> AddressState | None:
    """Returns the state of the address on the account; None if it is not the account's."""
    if account.has(address):
        if account.is_verified(address.kind):
            return AddressState.VERIFIED
        return AddressState.UNVERIFIED if account.ever_verified else AddressState.CLAIMABLE
    return AddressState.RECOVERY if _is_recovery_address(account, address, now) else None


def is_taken(address: Address, holder: Account, now: float, *, is_proved: bool) -> bool:
    """Returns whether the address is the holder's alone: usernames and addresses share one space of names.

    A proof takes an address that holds nothing there, along with a username that is that mobile.
    """
    state = state_of(holder, address, now)
    is_username = holder.username.canonical in (address.canonical, address.text)
    if state is None or (is_username and address.kind is AddressKind.EMAIL):
        return is_username
    return not (is_proved and state in HOLDS_NOTHING)


def verified(account: Account, kind: AddressKind, now: float, recovery_seconds: float) -> Account:
    """The account after its address of that kind was verified; the recovery address of the kind then starts to expire."""
    kept = account.recovery_address(kind)
    if kept is not None and kept.expires_at is None:
        account = _with_recovery(account, kind, replace(kept, expires_at=now + recovery_seconds))
    return _with(account, kind, account.address(kind), is_verified=True)


def claimed(account: Account, address: Address, other: Address | None, now: float) -> Account:
    """The account after a code from its address of state CLAIMABLE: anyone may have made it, so only that address stays.

    `other` is the unverified address of the other kind that the caller gives it, if any.
    """
    emptied = _with(account, address.kind.other, other, is_verified=False)
    return verified(replace(emptied, password_hash=None, image=None), address.kind, now, 0.0)


def recovered(account: Account, address: Address) -> Account:
    """The account after a code from its recovery address, and without a password.

    Both addresses are as they were before the change that replaced or removed it; later additions and replacements are gone.
    """
    kind, kept = address.kind, account.recovery_address(address.kind)
    assert kept is not None  # noqa: S101 — the caller has found the state RECOVERY
    other = account.recovery_address(kind.other)
    if other is not None and other.replaced_at >= kept.replaced_at:
        account = _with_recovery(account, kind.other, None)
    account = _with(account, kind.other, kept.other, is_verified=kept.other_verified)
    account = _with(account, kind, kept.address, is_verified=True)
    return replace(_with_recovery(account, kind, None), password_hash=None)


def with_addresses(
    account: Account, changes: Mapping[AddressKind, Address | None], now: float, recovery_seconds: float
) -> Account:
    """The account with other addresses, or without one (None); new ones are unverified.

    A verified address that is replaced or removed becomes the recovery address of its kind, in place of an earlier one, for
    `recovery_seconds`; while the new address is unverified, without an end. A change back to the recovery address verifies it.
    """
    after = account
    for kind, address in changes.items():
        if address is not None and account.has(address):
            after = _with(after, kind, address, is_verified=account.is_verified(kind))
            continue
        after = _moved(account, after, kind, address, now, recovery_seconds)
        if address is not None and _is_recovery_address(account, address, now):
            after = verified(after, kind, now, recovery_seconds)
    return after


def without(account: Account, kind: AddressKind) -> Account:
    """The account after another person has proved its unverified address of that kind."""
    return _with(account, kind, None, is_verified=False)


def _moved(
    before: Account, after: Account, kind: AddressKind, address: Address | None, now: float, recovery_seconds: float
) -> Account:
    """Replaces the address of that kind; `before` is the account before all changes of the call."""
    old, kept = before.address(kind), before.recovery_address(kind)
    ends = now + recovery_seconds
    if address is not None and _is_recovery_address(before, address, now):
        kept = None  # a change back is an undoing, after which the address in between recovers nothing
    elif old is not None and before.is_verified(kind):
        kept = RecoveryAddress(
            address=old,
            replaced_at=now,
            expires_at=None if address is not None else ends,
            other=before.address(kind.other),
            other_verified=before.is_verified(kind.other),
        )
    elif kept is not None and address is None and kept.expires_at is None:
        kept = replace(kept, expires_at=ends)
    after = _with_recovery(after, kind, kept if recovery_seconds else None)
    return _with(after, kind, address, is_verified=False)


def _is_recovery_address(account: Account, address: Address, now: float) -> bool:
    kept = account.recovery_address(address.kind)
    if kept is None or kept.address.canonical != address.canonical:
        return False
    return kept.expires_at is None or now < kept.expires_at


def _with(account: Account, kind: AddressKind, address: Address | None, *, is_verified: bool) -> Account:
    """Sets the address. A username that was the mobile goes with it: it would shut out the mobile's next owner."""
    ever_verified = account.ever_verified or is_verified
    if kind is AddressKind.EMAIL:
        return replace(account, email=address, email_verified=is_verified, ever_verified=ever_verified)
    mobile = account.mobile
    leaves = mobile is not None and (address is None or address.canonical != mobile.canonical)
    if mobile is not None and leaves and _is_spelling_of(account.username.text, mobile):
        account = replace(account, username=username_without_mobile(account.id))
    return replace(account, mobile=address, mobile_verified=is_verified, ever_verified=ever_verified)


def _is_spelling_of(username: str, mobile: Address) -> bool:
    """Returns whether the username is the mobile in any spelling, or a numbered variant of it (`<mobile>-2`)."""
    if any(character.isalpha() for character in username):
        return False
    spellings = {_digits(username), _digits(username.rpartition("-")[0])}
    number = _digits(mobile.canonical)
    return any(len(digits) >= _MIN_DIGITS and number.endswith(digits) for digits in spellings)


def _digits(text: str) -> str:
    """The digits without the zeros of a prefix that another spelling lacks."""
    return "".join(filter(str.isdigit, text)).lstrip("0")


def _with_recovery(account: Account, kind: AddressKind, kept: RecoveryAddress | None) -> Account:
    others = tuple(other for other in account.recovery_addresses if other.address.kind is not kind)
    return replace(account, recovery_addresses=others if kept is None else (*others, kept))


def username_without_mobile(account_id: int) -> Username:
    """The username of an account whose mobile was its username and is no longer its own."""
    text = f"user-{account_id}"
    return Username(text, text)
