"""What the database in memory holds, and one transaction's own version of it."""

from dataclasses import dataclass, field

from ...application.ports import Cursor, OutboxEntry
from ...domain.account import Account, AddressKind
from ...domain.code import Challenge, CodePurpose, Proof
from ...domain.events import Event
from ...domain.rate_limits import SlidingWindow
from ...domain.session import Session
from .locked_rows import Claims


@dataclass(slots=True, kw_only=True)
class State:
    """All rows. What they are made of is frozen, so a copy of the mappings is a version of its own."""

    last_account_id: int = 0
    accounts: dict[int, Account] = field(default_factory=dict)
    owners: dict[tuple[str, str], int] = field(default_factory=dict)
    challenges: dict[tuple[CodePurpose, AddressKind, str], Challenge] = field(default_factory=dict)
    proofs: dict[str, Proof] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    tallies: dict[str, SlidingWindow] = field(default_factory=dict)
    last_position: int = 0
    outbox: dict[str, OutboxEntry] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    cursors: dict[str, Cursor] = field(default_factory=dict)

    def copy(self) -> "State":
        return State(
            last_account_id=self.last_account_id,
            accounts=dict(self.accounts),
            owners=dict(self.owners),
            challenges=dict(self.challenges),
            proofs=dict(self.proofs),
            sessions=dict(self.sessions),
            tallies=dict(self.tallies),
            last_position=self.last_position,
            outbox=dict(self.outbox),
            events=list(self.events),
            cursors=dict(self.cursors),
        )


class Unit:
    """One transaction: its version of the rows, which nobody else sees, and what it has claimed."""

    def __init__(self, state: State) -> None:
        self._state: State | None = state
        self.claims = Claims()
        self.has_messages = False
        self.has_events = False

    @property
    def state(self) -> State:
        if self._state is None:
            raise RuntimeError("The transaction is over.")
        return self._state

    def end(self) -> State:
        """Answers the last version; nothing can be read or changed through the transaction any more."""
        state, self._state = self.state, None
        return state
