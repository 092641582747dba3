"""Accounts in memory."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ...application.ports import LoginIdentifier
from ...domain.account import Account, Address, Username
from ...domain.errors import AlreadyTaken
from .memory_state import State, Unit


class MemoryAccounts:
    """Questions to the version of the rows that `state` answers."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._now_held = state

    def get(self, account_id: int) -> Account | None:
        return self._now_held().accounts.get(account_id)

    def by_address(self, address: Address) -> Account | None:
        return self._owner(address.kind, address.canonical)

    def by_login(self, login: LoginIdentifier) -> Account | None:
        by_username = self._owner("username", login.canonical_username)
        return (login.address and self.by_address(login.address)) or by_username

    def by_active_session(self, account_id: int, session_id: str, now: float) -> Account | None:
        state = self._now_held()
        session, account = state.sessions.get(session_id), state.accounts.get(account_id)
        if session is None or session.account_id != account_id or not session.is_active(now):
            return None
        return account if account and account.is_active else None

    def by_active_sessions(self, asked: Sequence[tuple[int, str]], now: float) -> Sequence[Account | None]:
        return [self.by_active_session(account_id, session_id, now) for account_id, session_id in asked]

    def taken_fields(self, username: Username | None, addresses: Iterable[Address], *, excluding: int = 0) -> frozenset[str]:
        wanted = [(address.kind.value, address.canonical) for address in addresses]
        if username:
            wanted.append(("username", username.canonical))
        return _taken(self._now_held(), wanted, excluding)

    def with_images(self, after: int, *, limit: int) -> Sequence[tuple[int, str]]:
        accounts = self._now_held().accounts
        return [(one.id, one.image) for _, one in sorted(accounts.items()) if one.id > after and one.image is not None][:limit]

    def _owner(self, field: str, key: str) -> Account | None:
        state = self._now_held()
        owner = state.owners.get((field, key))
        return None if owner is None else state.accounts[owner]


class MemoryClaimedAccounts(MemoryAccounts):
    """The same inside a transaction, and changes."""

    def __init__(self, unit: Unit) -> None:
        super().__init__(lambda: unit.state)
        self._unit = unit

    def lock(self, account_id: int) -> Account | None:
        return self._claimed(self.get(account_id))

    def lock_by_address(self, address: Address) -> Account | None:
        return self._claimed(self.by_address(address))

    def add(self, account: Account) -> Account:
        state = self._unit.state
        _refuse_taken(state, account)
        state.last_account_id += 1
        added = replace(account, id=state.last_account_id)
        self._store(added)
        self._claimed(added)
        return added

    def save(self, account: Account) -> None:
        self._unit.claims.demand("accounts", account.id)
        state = self._unit.state
        _refuse_taken(state, account)
        for own in _keys(state.accounts[account.id]):
            del state.owners[own]
        self._store(account)

    def _claimed(self, account: Account | None) -> Account | None:
        if account is not None:
            self._unit.claims.hold("accounts", account.id)
        return account

    def _store(self, account: Account) -> None:
        state = self._unit.state
        state.accounts[account.id] = account
        state.owners.update(dict.fromkeys(_keys(account), account.id))


def _keys(account: Account) -> list[tuple[str, str]]:
    addresses = [(address.kind.value, address.canonical) for address in account.addresses]
    return [("username", account.username.canonical), *addresses]


def _taken(state: State, wanted: Iterable[tuple[str, str]], but: int) -> frozenset[str]:
    return frozenset(field for field, key in wanted if state.owners.get((field, key), but) != but)


def _refuse_taken(state: State, account: Account) -> None:
    fields = _taken(state, _keys(account), account.id)
    if fields:
        raise AlreadyTaken(*(field for field in ("username", "email", "mobile") if field in fields))
