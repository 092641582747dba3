"""The search for accounts in SQL: each statement reads a bounded number of entries of one index, in its order."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Double,
    Select,
    Text,
    and_,
    bindparam,
    exists,
    false,
    or_,
    select,
    true,
    tuple_,
)

from ...application.ports import AccountFilters, AccountState, Candidate, SearchOrder, SearchPath, SearchPosition
from ...domain.texts import search_words
from .schema import account_words, accounts, sessions
from .sql import HIGHEST, Query

_LAST = float("inf")

_columns = accounts.columns
_TEXTS: Mapping[SearchOrder, Column[Any]] = {
    SearchOrder.USERNAME: _columns.canonical_username,
    SearchOrder.EMAIL: _columns.canonical_email,
    SearchOrder.MOBILE: _columns.canonical_mobile,
    SearchOrder.RECOVERY_EMAIL: _columns.recovery_email,
    SearchOrder.RECOVERY_MOBILE: _columns.recovery_mobile,
}
_UNIQUE = frozenset({SearchOrder.USERNAME, SearchOrder.EMAIL, SearchOrder.MOBILE})


def _session_since(name: str) -> ColumnElement[bool]:
    return exists().where(sessions.c.account_id == _columns.id, sessions.c.created_at >= bindparam(name))


_later = sessions.alias()
_CONDITIONS: Mapping[str, ColumnElement[bool]] = {
    AccountState.ACTIVE: and_(
        or_(_columns.is_active, _columns.suspended_until <= bindparam("now")), _columns.deletion_due_at.is_(None)
    ),
    AccountState.SUSPENDED: and_(
        _columns.suspended_at.is_not(None), or_(_columns.suspended_until.is_(None), _columns.suspended_until > bindparam("now"))
    ),
    AccountState.DEACTIVATED: and_(~_columns.is_active, _columns.suspended_at.is_(None)),
    AccountState.DELETION_SCHEDULED: _columns.deletion_due_at.is_not(None),
    "staff": _columns.is_staff,
    "not staff": ~_columns.is_staff,
    "verified": _columns.ever_verified == true(),
    "unverified": _columns.ever_verified == false(),
    "created_from": _columns.created_at >= bindparam("created_from"),
    "created_until": _columns.created_at < bindparam("created_until"),
    "logged_in_from": _session_since("logged_in_from"),
    "logged_in_until": ~_session_since("logged_in_until"),
    "latest session": ~exists().where(
        _later.c.account_id == sessions.c.account_id, _later.c.created_at > sessions.c.created_at
    ),
}
_INDEXED: Mapping[str, ColumnElement[bool]] = {
    "staff": _columns.is_staff,
    AccountState.SUSPENDED: _columns.suspended_at.is_not(None),
    AccountState.DEACTIVATED: ~_columns.is_active,
    AccountState.DELETION_SCHEDULED: _columns.deletion_due_at.is_not(None),
    "unverified": _columns.ever_verified == false(),
    "verified": _columns.ever_verified == true(),
}
"""The conditions that have an index in the order CREATED, the rarest first."""


@cache
def candidates(order: SearchOrder, conditions: tuple[str, ...], excluded: tuple[SearchOrder, ...]) -> Select[Any]:
    """Reads the next candidates on a path: key, id, whether it matches, and the account's name.

    The conditions are tested on each candidate, and only one of them chooses the index: so a statement takes a bounded time,
    however rare the accounts are that match.
    """
    key, account_id, source = _source(order)
    matches = and_(
        true(), *(_CONDITIONS[name] for name in conditions), *(_excludes(one, number) for number, one in enumerate(excluded))
    )
    statement = select(key, account_id, matches.label("matches"), _columns.name).select_from(source)
    at = tuple_(bindparam("key", type_=Text if order in _UPWARDS else Double), bindparam("account_id", type_=BigInteger))
    if order in _UPWARDS:
        statement = statement.where(tuple_(key, account_id) > at, key < bindparam("end", type_=Text))
        statement = statement.order_by(key) if order in _UNIQUE else statement.order_by(key, account_id)
    else:
        statement = statement.where(tuple_(key, account_id) < at, key >= bindparam("end", type_=Double))
        statement = statement.order_by(key.desc(), account_id.desc())
    if order is SearchOrder.CREATED:
        statement = statement.where(*[_INDEXED[name] for name in _INDEXED if name in conditions][:1])
    return statement.limit(bindparam("limit"))


_UPWARDS = frozenset({*_TEXTS, SearchOrder.WORD})


def _source(order: SearchOrder) -> tuple[Column[Any], Column[Any], Any]:
    """The key that orders the candidates, their id, and the tables."""
    if order is SearchOrder.WORD:
        words = account_words.columns
        return words.word, words.account_id, account_words.join(accounts, _columns.id == words.account_id)
    if order is SearchOrder.LAST_LOGIN:
        begun = sessions.columns
        return begun.created_at, begun.account_id, sessions.join(accounts, _columns.id == begun.account_id)
    return _TEXTS.get(order, _columns.created_at), _columns.id, accounts


def _excludes(order: SearchOrder, number: int) -> ColumnElement[bool]:
    column, begin, end = _TEXTS[order], bindparam(f"begin{number}", type_=Text), bindparam(f"end{number}", type_=Text)
    return or_(column.is_(None), column < begin, column >= end)


def search(
    query: Query,
    path: SearchPath,
    filters: AccountFilters,
    after: SearchPosition | None,
    excluding: Sequence[SearchPath],
    limit: int,
) -> list[Candidate]:
    begin, end, conditions = _range(path, filters)
    position = after or begin
    values: dict[str, object] = {
        name: value
        for name in ("created_from", "created_until", "logged_in_from", "logged_in_until", "now")
        if (value := getattr(filters, name)) is not None
    }
    for number, one in enumerate(excluding):
        values |= {f"begin{number}": one.text, f"end{number}": one.text + HIGHEST}
    statement = candidates(path.order, conditions, tuple(one.order for one in excluding))
    rows = query(statement, key=position.key, account_id=position.account_id, end=end, limit=limit, **values)
    return [
        Candidate(SearchPosition(key, account_id), bool(matches) and _has_words(path, key, name))
        for key, account_id, matches, name in rows
    ]


def _range(path: SearchPath, filters: AccountFilters) -> tuple[SearchPosition, str | float, tuple[str, ...]]:
    """The position before the first candidate, the key that ends the path, and the conditions to test."""
    tests = {
        **({filters.state.value: True} if filters.state else {}),
        "staff": filters.staff is True,
        "not staff": filters.staff is False,
        "verified": filters.verified is True,
        "unverified": filters.verified is False,
        **{
            name: getattr(filters, name) is not None
            for name in ("created_from", "created_until", "logged_in_from", "logged_in_until")
        },
    }
    conditions = {name for name, is_tested in tests.items() if is_tested}
    if path.order in _UPWARDS:
        text = _longest_word(path) if path.order is SearchOrder.WORD else path.text
        return SearchPosition(text, 0), text + HIGHEST, tuple(sorted(conditions))
    if path.order is SearchOrder.CREATED:
        begin, end = filters.created_until, filters.created_from
        conditions -= {"created_from", "created_until"}
    else:
        begin, end = filters.logged_in_until, filters.logged_in_from
        conditions = conditions - {"logged_in_from", "logged_in_until"} | {"latest session"}
    return SearchPosition(_LAST if begin is None else begin, 0), end or 0.0, tuple(sorted(conditions))


def _longest_word(path: SearchPath) -> str:
    return max(path.text.split(), key=len)


def _has_words(path: SearchPath, word: str, name: str) -> bool:
    """Returns whether words of the name begin with all of the path, and `word` is the first that its longest finds."""
    if path.order is not SearchOrder.WORD:
        return True
    words, longest = search_words(name), _longest_word(path)
    found = all(any(word.startswith(wanted) for word in words) for wanted in path.text.split())
    return found and word == min((word for word in words if word.startswith(longest)), default=None)
