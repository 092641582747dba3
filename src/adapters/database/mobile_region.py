"""The region that the stored mobiles were read with: the same digits have another canonical form in another region."""

import logging
from typing import Self

from sqlalchemy import literal, select

from ...domain.errors import Unavailable
from .keys import LOCK
from .schema import accounts, mobile_region
from .sql import OpenTransaction, Query, upsert

MOBILE_REGION_ID = 1
REGION = select(mobile_region.c.region)
KEEP = upsert(mobile_region)
_ANY_MOBILE = tuple(
    select(literal(1)).select_from(accounts).where(column >= "").limit(1)  # by an index each
    for column in (accounts.c.canonical_mobile, accounts.c.recovery_mobile)
)

_log = logging.getLogger("vestibule.accounts")


class OtherRegion(ValueError):
    """The database has mobiles that were read with another region; the text is one line."""

    @classmethod
    def between(cls, kept: str, region: str) -> Self:
        return cls(
            f"the mobiles in the database were read with {region_name(kept)}, and the setting is {region_name(region)}. "
            "Put it back, or run `vestibule accounts rekey --dry-run`, which shows what another region changes"
        )


class MobileRegion:
    """The region of this process, kept with the first mobile that it stores. "" is no region."""

    def __init__(self, query: Query, region: str) -> None:
        self._query = query
        self._region = region
        self.is_kept = False
        """True once it need not be looked up again."""

    def check(self) -> None:
        """Raises `OtherRegion`. A region without mobiles is replaced by that of the first mobile."""
        kept = _get(self._query)
        if kept not in (None, self._region) and _has_mobiles(self._query):
            raise OtherRegion.between(str(kept), self._region)

    def keep(self, sql: OpenTransaction) -> None:
        """Keeps the region in the transaction. Raises `Unavailable` if another server has stored a mobile with another one."""
        if not sql.is_only_writer:
            sql.run(LOCK)
        kept = _get(sql.query)
        if kept == self._region:
            return
        if kept is not None and _has_mobiles(sql.query):
            _log.error("VESTIBULE_DEFAULT_REGION: %s", OtherRegion.between(kept, self._region))
            raise Unavailable
        sql.run(KEEP, id=MOBILE_REGION_ID, region=self._region)


def region_name(region: str) -> str:
    return region or "no region"


def _get(query: Query) -> str | None:
    rows = query(REGION)
    return str(rows[0][0]) if rows else None


def _has_mobiles(query: Query) -> bool:
    return any(query(statement) for statement in _ANY_MOBILE)
