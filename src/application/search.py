"""The search for accounts, for operators."""

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from ..domain.account import Account, AddressKind
from ..domain.errors import ErrorCode, FieldError, InvalidInput
from ..domain.events import TRUSTED_CALLER, Caller
from ..domain.texts import is_storable, search_words, trimmed, with_ascii_digits
from .operators import Operator, Operators
from .ports import (
    AccountFilters,
    AccountState,
    Clock,
    Database,
    Identifiers,
    InvalidText,
    SearchOrder,
    SearchPath,
    SearchPosition,
)
from .validation import Validator

MAX_PAGE = 100
MAX_QUERY = 254
CANDIDATES = 500
"""The entries of indexes that one page reads at most: so it takes a bounded time, however rare the matching accounts are."""

_SEPARATORS = str.maketrans(dict.fromkeys("+ -./()\u00a0"))


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Accounts, at most as many as were asked for, also none, and the cursor of the next page; None after the last one."""

    accounts: Sequence[Account]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class _Position:
    """A position in a search: the number of the path, and the position on it, None at its beginning."""

    path: int = 0
    on_path: SearchPosition | None = None

    def is_on(self, paths: Sequence[SearchPath]) -> bool:
        """Returns whether it may be one of a search along these paths: times order those without a text."""
        if self.path >= len(paths) or self.on_path is None:
            return False
        return isinstance(self.on_path.key, str) is bool(paths[self.path].text)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindAccounts:
    """The accounts that match a query and all filters, page by page.

    `query` is the beginning of a username, an email or mobile, an address for recovery, or of words of the name, without regard
    to case and accents. Accounts that it finds come in this order, each once; without a query the youngest come first, and with
    `logged_in_from` those that logged in last. The last login is known for 60 days. `verified` says whether an address was ever
    verified. Times are seconds since the epoch; each `until` is exclusive.

    A page has at most `limit` accounts, up to 100. It may have fewer, and even none, where many do not match: the search goes
    on with its `cursor` until that is None. Accounts that come or go meanwhile neither repeat nor hide others.
    Raises `InvalidInput`, `NotPermitted`, `Unavailable`.
    """

    database: Database
    identifiers: Identifiers
    operators: Operators
    clock: Clock

    def __call__(
        self,
        *,
        operator: Operator,
        query: str | None = None,
        state: AccountState | str | None = None,
        staff: bool | None = None,
        verified: bool | None = None,
        created_from: float | None = None,
        created_until: float | None = None,
        logged_in_from: float | None = None,
        logged_in_until: float | None = None,
        cursor: str | None = None,
        limit: int = 50,
        caller: Caller = TRUSTED_CALLER,
    ) -> AccountPage:
        self.operators.admit(operator, self, None, caller)
        validator = Validator()
        filters = AccountFilters(
            state=validator.text("state", state, _state, required=False),
            staff=None if staff is None else validator.flag("staff", staff),
            verified=None if verified is None else validator.flag("verified", verified),
            created_from=validator.time("created_from", created_from),
            created_until=validator.time("created_until", created_until),
            logged_in_from=validator.time("logged_in_from", logged_in_from),
            logged_in_until=validator.time("logged_in_until", logged_in_until),
        )
        text = validator.text("query", query, _query, required=False)
        position = validator.text("cursor", cursor, _read_cursor, required=False)
        size = validator.number("limit", limit, 1, MAX_PAGE)
        validator.raise_if_invalid()
        paths = list(self._paths(text)) if text else [_unsearched(filters)]
        if position is not None and not position.is_on(paths):
            raise InvalidInput({"cursor": [FieldError(ErrorCode.MALFORMED, _NO_CURSOR)]})
        return self._page(paths, replace(filters, now=self.clock()), position or _Position(), size)

    def _paths(self, text: str) -> Iterator[SearchPath]:
        login = self.identifiers.login(text)
        address = login.address
        yield SearchPath(SearchOrder.USERNAME, login.canonical_username)
        email = address.canonical if address and address.kind is AddressKind.EMAIL else text.lower()
        yield SearchPath(SearchOrder.EMAIL, email)
        mobiles = [address.canonical] if address and address.kind is AddressKind.MOBILE else _mobiles(text)
        yield from (SearchPath(SearchOrder.MOBILE, mobile) for mobile in mobiles)
        yield SearchPath(SearchOrder.RECOVERY_EMAIL, email)
        yield from (SearchPath(SearchOrder.RECOVERY_MOBILE, mobile) for mobile in mobiles)
        if "@" not in text and (words := search_words(text)):
            yield SearchPath(SearchOrder.WORD, " ".join(words))

    def _page(self, paths: Sequence[SearchPath], filters: AccountFilters, position: _Position, size: int) -> AccountPage:
        """Goes through the paths until the page is full, or has read as many candidates as a page may.

        Batches grow: mostly the first has enough, and where few match the whole budget takes a few queries.
        """
        found: list[_Position] = []
        budget, batch_size, after = CANDIDATES, size + 1, position.on_path
        for number in range(position.path, len(paths)):
            while True:
                wanted = min(budget, batch_size)
                batch = self.database.accounts.search(
                    paths[number], filters, after=after, excluding=paths[:number], limit=wanted
                )
                for candidate in batch:
                    if candidate.matches and len(found) == size:
                        return self._page_of(found, found[-1])
                    if candidate.matches:
                        found.append(_Position(number, candidate.position))
                if len(batch) < wanted:
                    break
                after, budget, batch_size = batch[-1].position, budget - wanted, 2 * batch_size
                if not budget:
                    return self._page_of(found, _Position(number, after))
            budget, after = budget - len(batch), None
        return self._page_of(found, None)

    def _page_of(self, found: Sequence[_Position], last: _Position | None) -> AccountPage:
        ids = [position.on_path.account_id for position in found if position.on_path is not None]
        accounts = self.database.accounts.many(list(dict.fromkeys(ids)))
        return AccountPage(accounts, None if last is None else _write_cursor(last))


def account_state(account: Account, now: float) -> AccountState:
    """The state that explains why the account cannot log in; of a deletion that a login would cancel, the deletion."""
    if account.suspension is not None and not account.suspension.is_over(now):
        return AccountState.SUSPENDED
    if not account.may_log_in(now):
        return AccountState.DEACTIVATED
    return AccountState.ACTIVE if account.deletion_due_at is None else AccountState.DELETION_SCHEDULED


def _unsearched(filters: AccountFilters) -> SearchPath:
    return SearchPath(SearchOrder.CREATED if filters.logged_in_from is None else SearchOrder.LAST_LOGIN)


def _mobiles(text: str) -> list[str]:
    """The canonical mobiles that the text may be the beginning of: with a country code, or without any region just digits."""
    written = with_ascii_digits(text)
    digits = written.translate(_SEPARATORS)
    if not (digits.isascii() and digits.isdigit()):
        return []
    if written.startswith("+") or digits.startswith("00"):
        return [f"+{digits.removeprefix('00')}"]
    return [digits, f"+{digits}"]


def _query(text: str) -> str:
    text = trimmed(text)
    if len(text) > MAX_QUERY:
        raise InvalidText(f"This has more than {MAX_QUERY} characters.", ErrorCode.TOO_LONG)
    return text


def _state(text: str) -> AccountState:
    try:
        return AccountState(text)
    except ValueError:
        raise InvalidText(f"This must be one of {', '.join(AccountState)}.") from None


def _write_cursor(position: _Position) -> str:
    assert position.on_path is not None  # noqa: S101 — pages end behind an account
    text = json.dumps([position.path, position.on_path.key, position.on_path.account_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(text: str) -> _Position:
    """Raises `InvalidText` for anything but a cursor of an earlier page."""
    try:
        decoded = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        path, key, account_id = decoded
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise InvalidText(_NO_CURSOR) from None
    is_key = is_storable(key) if isinstance(key, str) else isinstance(key, float) and isfinite(key)
    if type(path) is not int or type(account_id) is not int or not is_key or path < 0:
        raise InvalidText(_NO_CURSOR)
    return _Position(path, SearchPosition(key, account_id))


_NO_CURSOR = "This must be the cursor of an earlier page."
