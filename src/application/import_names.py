"""The names of accounts during an import: those in the database, looked up for a whole batch, and those of the batch itself."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain

from ..domain.account import Account, Address, Username
from ..domain.ownership import AddressState, state_of
from .import_records import MAX_USERNAME, ReadRecord
from .ports import AccountNames, Identifiers

_LAST_VARIANT = 99

Find = Callable[[AccountNames], Sequence[Account]]


class Directory:
    """Knows which account has a name. Usernames and addresses share one space of names.

    An account has its id as number, and one that is not stored yet a negative number.
    """

    def __init__(self, find: Find, identifiers: Identifiers, now: float) -> None:
        self._find = find
        self._login = cache(identifiers.login)
        self._now = now
        self._accounts: dict[int, Account] = {}
        self._usernames: dict[str, int] = {}
        self._addresses: dict[str, set[int]] = {}
        """Numbers of the accounts with an address, now or for their recovery, by `Address.key`."""

    def __getitem__(self, number: int) -> Account:
        return self._accounts[number]

    def load(self, reads: Iterable[ReadRecord]) -> None:
        """Looks up the names of these records."""
        usernames: set[str] = set()
        addresses: set[Address] = set()
        for read in reads:
            login = self._login(read.username)
            own = [address for address in (read.email, read.mobile) if address is not None]
            usernames |= {login.canonical_username, *(text for address in own for text in _as_username(address))}
            addresses |= {*own, *([login.address] if login.address else [])}
        self._load(usernames, addresses)

    def _load(self, usernames: Iterable[str], addresses: Iterable[Address]) -> None:
        names = AccountNames(
            usernames=frozenset(usernames), addresses=frozenset((address.kind, address.canonical) for address in addresses)
        )
        for account in self._find(names):
            if account.id not in self._accounts:
                self[account.id] = account

    def __setitem__(self, number: int, account: Account) -> None:
        """Enters an account, in place of what it was before."""
        before = self._accounts.get(number)
        if before is not None:
            del self._usernames[before.username.canonical]
            for address in _held(before):
                self._addresses[address.key].discard(number)
        self._accounts[number] = account
        self._usernames[account.username.canonical] = number
        for address in _held(account):
            self._addresses.setdefault(address.key, set()).add(number)

    def holder(self, address: Address, excluding: int) -> tuple[int, AddressState | None] | None:
        """The number of another account that has the address, and its state there; None for its username."""
        for number in sorted(self._addresses.get(address.key, ())):
            state = state_of(self._accounts[number], address, self._now)
            if number != excluding and state is not None:
                return number, state
        owners = (self._usernames.get(text) for text in _as_username(address))
        return next(((number, None) for number in owners if number not in (None, excluding)), None)

    def is_taken(self, username: str, excluding: int) -> bool:
        """Returns whether another account has the username, which was not looked up yet."""
        self._load([self._login(username).canonical_username], [])
        return self._username_holder(username, excluding) is not None

    def free_username(self, text: str, key: str, number: int) -> tuple[Username | None, int | None]:
        """A username that no other account has: the text, or else a variant of it; and the account that has the text.

        Variants are `bob-2` to `bob-99`, then `bob-<key>`. The username is None if all of them are taken.
        """
        holder = self._username_holder(text, number)
        if holder is None:
            return self._username(text), None
        variants = _variants(text, key)
        logins = [self._login(variant) for variant in variants]
        self._load([login.canonical_username for login in logins], [login.address for login in logins if login.address])
        free = (variant for variant in variants if self._username_holder(variant, number) is None)
        variant = next(free, None)
        return None if variant is None else self._username(variant), holder

    def _username(self, text: str) -> Username:
        return Username(text, self._login(text).canonical_username)

    def _username_holder(self, text: str, excluding: int) -> int | None:
        """The number of another account that a login by this text would find, or might."""
        login = self._login(text)
        owner = self._usernames.get(login.canonical_username)
        if owner not in (None, excluding):
            return owner
        holder = None if login.address is None else self.holder(login.address, excluding)
        return None if holder is None else holder[0]


def _held(account: Account) -> Iterable[Address]:
    return {address.key: address for address in chain(account.addresses, _recovery(account))}.values()


def _recovery(account: Account) -> Iterable[Address]:
    return (kept.address for kept in account.recovery_addresses)


def _as_username(address: Address) -> tuple[str, str]:
    return address.canonical, address.text


def _variants(text: str, key: str) -> list[str]:
    stem = text[: MAX_USERNAME - len(key) - 1] if len(key) < MAX_USERNAME // 2 else text[: MAX_USERNAME // 2]
    numbered = (f"{stem}-{number}" for number in range(2, _LAST_VARIANT + 1))
    return [*numbered, f"{stem}-{key}"[:MAX_USERNAME]]
