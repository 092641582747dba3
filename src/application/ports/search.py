"""The search for accounts: ordered ways through them, each with an index, from which a page takes some."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["AccountFilters", "AccountState", "Candidate", "SearchOrder", "SearchPath", "SearchPosition"]


class AccountState(StrEnum):
    """The states of accounts that a search tells apart. A suspension that is over counts as active."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"
    DELETION_SCHEDULED = "deletion_scheduled"


class SearchOrder(StrEnum):
    """The ways through the accounts, by the value that orders them: texts upwards, times from the latest."""

    USERNAME = "username"
    EMAIL = "email"
    MOBILE = "mobile"
    RECOVERY_EMAIL = "recovery_email"
    RECOVERY_MOBILE = "recovery_mobile"
    WORD = "word"
    CREATED = "created"
    LAST_LOGIN = "last_login"


@dataclass(frozen=True, slots=True)
class SearchPath:
    """A way through the accounts. With a text it takes those whose canonical value begins with it.

    `text` of the order WORD holds words as `search_words` returns them, separated by blanks: a word of the name must begin with
    each of them.
    """

    order: SearchOrder
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFilters:
    """Filters for accounts, all of which must match. Times are seconds since the epoch; each `until` is exclusive.

    `verified` says whether an address of the account was ever verified. The last login is that of the youngest session on
    record; of accounts without one `logged_in_until` is met and `logged_in_from` is not.
    """

    state: AccountState | None = None
    staff: bool | None = None
    verified: bool | None = None
    created_from: float | None = None
    created_until: float | None = None
    logged_in_from: float | None = None
    logged_in_until: float | None = None
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class SearchPosition:
    """A position on a path: behind the account with that value and id."""

    key: str | float
    account_id: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """An account on a path, and whether it is one to return: it matches the filters, and is on no path before."""

    position: SearchPosition
    matches: bool
