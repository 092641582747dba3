"""The database: committed rows outside of transactions, and locked rows inside them."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from ...domain.account import Account, Address, AddressKind, Username
from ...domain.code import Challenge, CodePurpose, Proof
from ...domain.events import Event, EventType
from ...domain.invitation import Invitation
from ...domain.ownership import AddressState, state_of
from ...domain.rate_limits import SlidingWindow
from ...domain.session import DEFAULT_LIFETIME, Session
from .identifiers import LoginIdentifier
from .imports import ImportReads, Imports
from .messages import Backlog, Channel, Message, OutboxEntry
from .rate_limits import SlidingWindowReads, SlidingWindows
from .search import AccountFilters, Candidate, SearchPath, SearchPosition
from .sources import Clock

__all__ = [
    "TURN_SECONDS",
    "AccountNames",
    "AccountReads",
    "Accounts",
    "AddedSession",
    "AuditLog",
    "AuditLogReads",
    "AuditQuery",
    "Challenges",
    "Cursor",
    "CursorReads",
    "Cursors",
    "Database",
    "Holder",
    "InvitationReads",
    "Invitations",
    "KeyOfHolder",
    "Outbox",
    "OutboxReads",
    "Proofs",
    "SessionReads",
    "Sessions",
    "Transaction",
]


@dataclass(frozen=True, slots=True)
class Holder:
    """The account that has an address or identifier, if there is one.

    `knows_network` is true if a session of it began in the caller's network within `KNOWN_NETWORK_SECONDS` and that was not
    forgotten since. `decoy_hash` is the password hash of another account, to be verified in vain where
    there is no account or it has none.
    """

    account: Account | None
    knows_network: bool = False
    decoy_hash: str | None = field(default=None, repr=False, compare=False)

    def knower_of(self, address: Address, now: float) -> int | None:
        """The id of the account, if it knows the caller's network and has the address verified, or for its recovery.

        An address that is unverified may be another person's, and grants its maker nothing.
        """
        if self.account is None or not self.knows_network:
            return None
        is_own = state_of(self.account, address, now) in (AddressState.VERIFIED, AddressState.RECOVERY)
        return self.account.id if is_own else None


class KeyOfHolder(NamedTuple):
    """The key of a window of each account: `prefix` and the account's id; without an account, `prefix` and `otherwise`."""

    prefix: str
    otherwise: str

    def of(self, account_id: int | None) -> str:
        return f"{self.prefix}{self.otherwise if account_id is None else account_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountNames:
    """Canonical forms of names of accounts, for a look-up of many at once."""

    usernames: Collection[str] = ()
    addresses: Collection[tuple[AddressKind, str]] = ()


class AccountReads(Protocol):
    """Committed accounts; queries wait for no writer."""

    def get(self, account_id: int) -> Account | None: ...

    def by_address(self, address: Address, now: float) -> Account | None:
        """The account whose email or mobile has that canonical form, else the one whose recovery address it is."""

    def by_login(self, login: LoginIdentifier) -> Account | None:
        """The account with the address, else the one with the username."""

    def holder(self, address: Address, network: str | None, now: float) -> Holder:
        """The holder of the address, as `by_address` finds it; the same work for known and unknown addresses."""

    def holder_by_login(
        self,
        login: LoginIdentifier,
        network: str | None,
        now: float,
        keys: Sequence[str],
        key_of_holder: KeyOfHolder,
        decoy: int = 0,
    ) -> tuple[Holder, Sequence[SlidingWindow]]:
        """The holder of the identifier, as `by_login` finds it, and the windows of `keys` and of the holder, in this order.

        One query, and the same work for known and unknown identifiers. The number `decoy`, from 0 to 2^62, chooses the account
        of the decoy hash: each alike over all numbers, and for one number always the same, as long as that account exists and
        the number of accounts does not double.
        """

    def by_active_session(self, account_id: int, session_id: str, now: float) -> tuple[Account, float] | None:
        """The account and the time at which that session of it began, if both are active."""

    def by_active_sessions(
        self, identities: Sequence[tuple[int, str]], /, now: float
    ) -> Sequence[tuple[Account, float] | None]:
        """Returns `by_active_session` for many pairs of account id and session id, in their order, by one query."""

    def taken_fields(
        self,
        username: Username | None,
        addresses: Iterable[Address],
        now: float,
        *,
        proved: Collection[Address] = (),
        excluding: int = 0,
    ) -> frozenset[str]:
        """Returns those of `username`, `email`, `mobile` that an account other than `excluding` has.

        A recovery address counts, and a username that an address equals. An address of `proved` does not count where it is
        unverified.
        """

    def with_images(self, after: int, *, limit: int) -> Sequence[tuple[int, str]]:
        """Ids of accounts with a profile image and the image's name, in the order of ids, from the first id above `after`."""

    def due_for_deletion(self, now: float, *, after: int, limit: int) -> Sequence[Account]:
        """Accounts whose `deletion_due_at` has come, in the order of ids, from the first id above `after`."""

    def due_for_reinstatement(self, now: float, *, after: int, limit: int) -> Sequence[int]:
        """Ids of accounts whose suspension is over, in order, from the first id above `after`."""

    def search(
        self,
        path: SearchPath,
        filters: AccountFilters,
        *,
        after: SearchPosition | None,
        excluding: Sequence[SearchPath],
        limit: int,
    ) -> Sequence[Candidate]:
        """The next candidates on the path, at most `limit`, in its order; those that do not match are among them.

        A candidate on a path of `excluding` does not match; these are paths by a text, but for that by a word of the name.
        """

    def many(self, ids: Sequence[int]) -> Sequence[Account]:
        """The accounts with these ids, in their order, without those that do not exist."""

    def having(self, names: AccountNames) -> Sequence[Account]:
        """Each account with one of the names: as its username, its address, or its recovery address, expired ones included."""

    def after(self, account_id: int, *, limit: int) -> Sequence[Account]:
        """Accounts in the order of ids, from the first id above `account_id`."""

    def count(self) -> int: ...

    def count_created(self, since: float, until: float) -> int:
        """The number of accounts created from `since` on, before `until`, which were not deleted."""


class Accounts(AccountReads, Protocol):
    """Accounts inside a transaction, whose reads also see its own changes.

    Lock, then save: another transaction that locks the same account waits.
    """

    def lock(self, account_id: int) -> Account | None: ...

    def lock_by_address(self, address: Address, now: float) -> Account | None:
        """The locked account that `by_address` finds."""

    def lock_by_active_session(self, account_id: int, session_id: str, clock: Clock) -> Account | None:
        """The locked account, if it and this session of it are active.

        The session is checked, and the clock read, after the lock is held: a session that expired or was revoked by another
        transaction meanwhile is not active.
        """

    def add(self, account: Account) -> Account:
        """Stores a new account and returns it with its `id`. Raises `AlreadyTaken`, naming at least one field."""

    def add_many(self, accounts: Sequence[Account]) -> Sequence[Account]:
        """Stores new accounts and returns them, in their order; each keeps its `id`, or gets a new one if that is 0.

        Later accounts get higher ids. Raises `Conflict` if an account has such an id or name, one of another transaction that
        was committed meanwhile included: this transaction must end then.
        """

    def lock_many(self, ids: Collection[int]) -> Sequence[Account]:
        """Locks the accounts with these ids, and returns those that exist, in the order of ids."""

    def save(self, account: Account) -> None:
        """Stores a locked account. Raises `AlreadyTaken`, and `LookupError` if this transaction has not locked it."""

    def delete(self, account_id: int) -> None:
        """Deletes a locked account without sessions; its id is never used again.

        Raises `LookupError` if this transaction has not locked it.
        """

    def lock_superusers(self) -> Sequence[int]:
        """Locks the active superusers whose deletion is not scheduled, in one order, and returns their ids.

        None of them can cease to be one until the transaction ends.
        """


class Challenges(Protocol):
    """The open and past codes; for each purpose and address one from networks that its account knows, and one from others.

    Locks are taken in one order, whatever the order of the addresses.
    """

    def lock(
        self, purpose: CodePurpose, addresses: Iterable[Address], *, on_behalf_of: str | None = None
    ) -> Sequence[Challenge]:
        """Challenges sent to any of the addresses, and that of the companion mail for the mobile `on_behalf_of`."""

    def put(self, challenges: Sequence[Challenge]) -> None:
        """Stores challenges in place of older ones of the same purpose and kind of network to the same address.

        Those with `on_behalf_of`, at most two, replace all older ones of their kind of network on behalf of that mobile.
        """

    def save(self, challenges: Sequence[Challenge]) -> None:
        """Stores locked challenges, and decoys. Raises `LookupError` if this transaction has not locked one of the others."""

    def revoke(self, addresses: Iterable[Address]) -> None:
        """Revokes every open code to these addresses, or on behalf of them, for every purpose."""

    def revoke_asked_from(self, network: str | None, addresses: Iterable[Address]) -> None:
        """Revokes every open code to these addresses that was asked for from that network."""

    def is_current(self, challenge_id: str, now: float) -> bool:
        """Returns whether the code with this id is still worth sending: not replaced, used or expired."""


class Proofs(Protocol):
    """Addresses that were verified recently, each with the digest of its bearer's proof."""

    def add(self, proof: Proof) -> None: ...

    def find(self, digest: str, since: float) -> Proof | None: ...

    def spend(self, digest: str, since: float) -> bool:
        """Deletes the proof; returns whether it was there."""

    def is_verified(self, address: Address, since: float, network: str | None) -> bool:
        """Returns whether the address was verified from that network."""

    def delete_of(self, addresses: Iterable[Address]) -> None:
        """Deletes every proof of these addresses."""


class InvitationReads(Protocol):
    """Committed invitations."""

    def find(self, after: Address | None, now: float, *, limit: int) -> Sequence[Invitation]:
        """Invitations that are open, in the order of the kinds and canonical forms of their addresses, beyond `after`."""


class Invitations(Protocol):
    """Invitations inside a transaction, one for each address. An open one is neither used nor expired."""

    def add(self, invitation: Invitation) -> None:
        """Stores it in place of an earlier one of its address."""

    def find(self, digest: str, now: float) -> Invitation | None:
        """The open invitation with that digest."""

    def of(self, address: Address, now: float) -> Invitation | None:
        """The open invitation of the address."""

    def use(self, address: Address, now: float) -> Invitation | None:
        """Deletes the open invitation of the address and returns it; of several transactions one gets it."""

    def is_open(self, invitation_id: str, now: float) -> bool: ...

    def delete_of(self, account_id: int, addresses: Iterable[Address]) -> None:
        """Deletes the invitations that the account sent, and those of these addresses."""


class SessionReads(Protocol):
    """Committed sessions."""

    def active(self, account_id: int, now: float) -> Sequence[Session]:
        """The account's active sessions, the newest first."""

    def latest(self, account_id: int, *, limit: int) -> Sequence[Session]:
        """The account's sessions, ended ones included, the newest first."""

    def count_started(self, since: float, until: float) -> int:
        """The number of sessions on record that began from `since` on, before `until`."""

    def revoked(self, after: tuple[float, str], *, limit: int) -> Sequence[tuple[float, str]]:
        """Times and ids of revoked sessions beyond `after`, ordered by both; expired sessions are not among them.

        A late commit may appear before pairs that were returned already, so a reader starts some time before its position.
        """


@dataclass(frozen=True, slots=True)
class AddedSession:
    """The effects of a new session: the ids of the sessions that it revoked, and whether its device is new to the account.

    A device is new if the account had sessions on record, ended ones included, and none of the latest was of it.
    """

    revoked: Sequence[str]
    is_new_device: bool


class Sessions(Protocol):
    """Sessions inside a transaction. Lock, then save."""

    def lock(self, session_id: str) -> Session | None: ...

    def lock_with_account(self, session_id: str) -> tuple[Session, Account] | None:
        """The locked session and its account, which is not locked; None if either does not exist."""

    def add(self, session: Session, *, keep: int) -> AddedSession:
        """Stores a new session, and revokes the account's oldest ones beyond `keep`.

        Deletes the oldest ended sessions beyond `MAX_ENDED_SESSIONS`. Raises `LookupError` if the account does not exist.
        """

    def save(self, session: Session) -> None:
        """Stores a locked session; a revoked one stays revoked, with the values that it had before.

        Raises `LookupError` if this transaction has not locked it.
        """

    def revoke_all(self, account_id: int, now: float, *, except_id: str | None = None) -> int:
        """Revokes the account's active sessions except one, and returns how many."""

    def delete_of(self, account_id: int) -> None:
        """Deletes every session of the account, ended ones included."""

    def forget_networks(self, account_id: int, *, except_network: str | None) -> None:
        """Makes every network but that one unknown to the account."""


class OutboxReads(Protocol):
    """The committed outbox."""

    def find(self, *, failed: bool, after: int, limit: int) -> Sequence[OutboxEntry]:
        """Entries beyond the position `after`, in order: all of them, or only those that failed permanently."""

    def backlog(self, now: float) -> Sequence[Backlog]:
        """The backlog of every channel. Leased messages and those that wait for a retry are not due."""


TURN_SECONDS = 60.0
"""The time between the turns of an account in the outbox: other accounts' messages of that time go before its next one."""


class Outbox(Protocol):
    """The outbox inside a transaction: messages are sent at least once, under a lease."""

    def add(self, message: Message) -> None:
        """Gives it its turn: at its `not_before`, or `TURN_SECONDS` after the last turn of its account, whichever is later.

        Turns count by channel, and urgent messages apart from the others.
        """

    def lease(self, now: float, *, seconds: float, limit: int, channel: Channel | None = None) -> Sequence[Message]:
        """Due messages (of that channel) that are not leased; they are due again when the lease expires.

        Urgent messages come first, then those with the earliest turn. A row that cannot be read is logged and marked as failed
        instead; the others are leased.
        """

    def delete(self, message_id: str) -> None:
        """Deletes a message that was sent, has expired, or was dropped by the operator."""

    def count_failure(self, message_id: str, retry_at: float) -> None:
        """Counts a failed attempt; the next is due at `retry_at`."""

    def delete_of(self, account_id: int, addresses: Iterable[Address]) -> None:
        """Deletes the messages about the account, and those to its addresses, whatever their state."""

    def release_lease(self, message_id: str) -> None:
        """Ends a lease without an attempt; the message is due again at its `not_before`."""

    def mark_failed(self, message_id: str, reason: str) -> None:
        """Marks a message as failed permanently; it is kept for the operator."""

    def lock(self, message_id: str) -> OutboxEntry | None: ...

    def requeue(self, message_id: str, now: float) -> None:
        """Makes a message due now with no failed attempts, even if it failed permanently."""


class AuditLog(Protocol):
    """The audit log; events are committed with the change that they record."""

    def add(self, event: Event) -> None: ...

    def anonymise(self, account_id: int, *, after: int, limit: int) -> int:
        """Removes session, caller and detail from the first events of the account beyond the position `after`.

        Returns the position of the last of them; 0 if there was none.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Filters for events, all of which must match. `since` is inclusive, `until` exclusive, `after` a position."""

    account_id: int | None = None
    type: EventType | None = None
    ip_address: str | None = None
    since: float | None = None
    until: float | None = None
    after: int = 0


class AuditLogReads(Protocol):
    """The committed audit log."""

    def last_position(self) -> int:
        """The position of the newest event; 0 if there is none."""

    def find(self, query: AuditQuery, *, limit: int) -> Sequence[tuple[int, Event]]:
        """Events with their positions, which grow, the oldest first."""

    def find_latest(self, query: AuditQuery, *, before: int, limit: int) -> Sequence[tuple[int, Event]]:
        """Events with their positions, between `after` of the query and `before`, the newest first."""

    def count_failed_logins(self, since: float, until: float) -> int:
        """The number of failed logins from `since` on, before `until`."""

    def deleted_accounts(self, ids: Collection[int]) -> frozenset[int]:
        """The ids among these whose accounts were deleted, as far back as events are kept."""

    def read_stable_after(self, after: int, now: float, *, limit: int) -> Sequence[tuple[int, Event]]:
        """Events beyond the position `after`, the oldest first, up to where an earlier one could still appear.

        Transactions may commit in another order than they took their positions in. A reader that continues behind the last
        returned event misses none.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A named reader's position in the audit log: events up to `position` are done, since `moved_at`.

    Until `leased_until` one consumer of that name holds the next events.
    """

    name: str
    position: int = 0
    moved_at: float = 0.0
    leased_until: float = 0.0


class CursorReads(Protocol):
    """Committed cursors."""

    def get(self, name: str) -> Cursor:
        """The cursor of that name; at the beginning if there is none."""


class Cursors(CursorReads, Protocol):
    """Cursors inside a transaction. Lock, then save."""

    def lock(self, name: str) -> Cursor:
        """The locked cursor of that name; another transaction that locks it waits."""

    def save(self, cursor: Cursor) -> None:
        """Stores a locked cursor. Raises `LookupError` if this transaction has not locked it."""


class Transaction(Protocol):
    """One unit of work: committed as a whole or not at all. Its locks are held until it ends."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def challenges(self) -> Challenges: ...
    @property
    def proofs(self) -> Proofs: ...
    @property
    def invitations(self) -> Invitations: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def rate_limits(self) -> SlidingWindows: ...  # windows; `RateLimiter` is another port
    @property
    def outbox(self) -> Outbox: ...
    @property
    def audit_log(self) -> AuditLog: ...
    @property
    def cursors(self) -> Cursors: ...
    @property
    def imports(self) -> Imports: ...


class Database(Protocol):
    """The database. If `may_block`, a call may wait for another machine, and so must not run in an event loop."""

    @property
    def may_block(self) -> bool: ...
    @property
    def accounts(self) -> AccountReads: ...
    @property
    def invitations(self) -> InvitationReads: ...
    @property
    def sessions(self) -> SessionReads: ...
    @property
    def rate_limits(self) -> SlidingWindowReads: ...
    @property
    def outbox(self) -> OutboxReads: ...
    @property
    def audit_log(self) -> AuditLogReads: ...
    @property
    def cursors(self) -> CursorReads: ...
    @property
    def imports(self) -> ImportReads: ...

    def begin(self) -> AbstractContextManager[Transaction]:
        """A transaction: committed durably when the block is left, rolled back when an exception leaves it.

        A second one inside the block in the same thread raises `RuntimeError`, as does any use of a finished one.
        """

    def group_commit(self) -> AbstractContextManager[object]:
        """A block whose transactions, begun in this thread, are committed together at its end, or each at its own end.

        The caller reports no outcome before the end. Leaving the block raises `Unavailable` if they were not stored.
        """

    def check(self) -> None:
        """Raises `Unavailable` unless the database answers with the schema that this program needs."""

    def purge(self, now: float, *, limit: int, session_lifetime: float = DEFAULT_LIFETIME.longest) -> int:
        """Deletes up to `limit` rows of each kind whose time of retention is over, and returns how many; 0 if none is left.

        No session lives longer than `session_lifetime` seconds.
        """
