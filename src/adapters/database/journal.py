"""The journal in SQL: rows are only ever added, until they are old enough to go."""

from sqlalchemy import insert

from ...domain.events import Event
from .schema import journal
from .statements import Unit, binds

_ADD = insert(journal).values(binds([column for column in journal.columns if not column.primary_key]))


class SqlJournal:
    """The journal inside a transaction."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, event: Event) -> None:
        self._unit.run(
            _ADD,
            at=event.at,
            what=event.what.value,
            account_id=event.account_id,
            session_id=event.session_id,
            caller_address=_storable(event.caller.address),
            caller_agent=_storable(event.caller.agent),
            request_id=_storable(event.caller.request_id),
            note=_storable(event.note),
        )


def _storable(text: str | None) -> str | None:
    """What a caller sent along must not stop the change that is written down here."""
    return None if text is None else text.replace("\0", "?").encode("utf-8", "replace").decode()
