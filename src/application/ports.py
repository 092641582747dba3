"""Every port: what the use cases need from the world, each with its promise in words.

Times are seconds since the epoch, UTC. A port that cannot keep its promise at the moment raises `Unavailable`
(a dependency is down) or `Overloaded` (too much waits already), and has then changed nothing; but for an `Unavailable` that
`is_open`: a database that was lost between a commit and its answer.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from ..domain.account import Account, Address, Username
from ..domain.code import Challenge, CodePurpose, Proof
from ..domain.events import Event, EventType
from ..domain.rate_limits import RateLimit, SlidingWindow
from ..domain.session import Session

Clock = Callable[[], float]
"""The time now."""

NewId = Callable[[], str]
"""26 lower-case letters and digits (Crockford's base 32) that nobody can guess: 128 random bits or more."""


# --- identifiers ------------------------------------------------------------------------------------------------------


class InvalidText(ValueError):
    """What was typed cannot be what it should be; the text says why, in words for the one who typed it."""


class Identifiers(Protocol):
    """Reads what people type. Each raises `InvalidText`; the text may hold anything, NUL and lone surrogates too."""

    def username(self, text: str) -> Username:
        """A username by the rules for new ones (PRECIS UsernameCaseMapped, one script, not reserved)."""
        ...

    def email(self, text: str) -> Address: ...

    def mobile(self, text: str) -> Address: ...

    def name(self, text: str) -> str:
        """1–500 characters after NFC and trimming, without control, separator or bidi characters."""
        ...

    def destination(self, text: str) -> Address:
        """An email or a mobile, told apart by shape."""
        ...

    def login(self, text: str) -> "LoginIdentifier":
        """What somebody types to log in: never refuses."""
        ...

    def username_of_mobile(self, mobile: Address, attempt: int) -> Username:
        """The username of an account that came by its mobile: the mobile as written, and from the second attempt on a
        variant of it, for where an account that had the mobile before still has that username."""
        ...


@dataclass(frozen=True, slots=True)
class LoginIdentifier:
    """How an account may be meant: first by its address, then by a username of that key (which imports may look like)."""

    address: Address | None
    canonical_username: str


# --- database ---------------------------------------------------------------------------------------------------------


class Accounts(Protocol):
    """Questions about accounts as committed; they wait for no writer."""

    def get(self, account_id: int) -> Account | None: ...

    def by_address(self, address: Address) -> Account | None:
        """The account whose email or mobile has that key."""
        ...

    def by_login(self, login: LoginIdentifier) -> Account | None:
        """The account that has the address, else the one that has the username; the same work for known and unknown."""
        ...

    def by_active_session(self, account_id: int, session_id: str, now: float) -> Account | None:
        """The account, if it is active and that session of it is alive."""
        ...

    def by_active_sessions(self, asked: Sequence[tuple[int, str]], now: float) -> Sequence[Account | None]:
        """The same for any number of account ids and session ids, in their order: one question to a database that is far."""
        ...

    def taken_fields(self, username: Username | None, addresses: Iterable[Address], *, excluding: int = 0) -> frozenset[str]:
        """Which of `username`, `email`, `mobile` another account than `but` has."""
        ...

    def with_images(self, after: int, *, limit: int) -> Sequence[tuple[int, str]]:
        """The accounts beyond that id that have a profile image, in the order of their ids, each with its image's name."""
        ...


class LockedAccounts(Accounts, Protocol):
    """The same inside a transaction. Claim, then save: what was claimed is nobody else's until the transaction ends."""

    def lock(self, account_id: int) -> Account | None: ...

    def lock_by_address(self, address: Address) -> Account | None: ...

    def add(self, account: Account) -> Account:
        """Stores a new account and answers it with its `id`. Raises `AlreadyTaken`, naming at least one field."""
        ...

    def save(self, account: Account) -> None:
        """Stores a claimed account. Raises `AlreadyTaken`, and `LookupError` where it was not claimed here."""
        ...


class Challenges(Protocol):
    """The open and past codes; one to a purpose and address.

    Locks are taken in one order, whatever the order of the addresses.
    """

    def lock(self, flow: CodePurpose, addresses: Iterable[Address], *, beside: str | None = None) -> Sequence[Challenge]:
        """Those sent to any of the addresses, and those sent beside that destination."""
        ...

    def put(self, challenge: Challenge) -> None:
        """Stores it in place of an older one of its flow and address; an older one beside the same destination goes too."""
        ...

    def save(self, challenge: Challenge) -> None:
        """Stores a claimed one. Raises `LookupError` where it was not claimed here."""
        ...

    def revoke(self, addresses: Iterable[Address]) -> None:
        """Ends every open code to these addresses, or beside them, in every flow."""
        ...

    def is_current(self, challenge_id: str, now: float) -> bool:
        """Whether the code with this id is still worth sending: not replaced, used or expired."""
        ...


class Proofs(Protocol):
    """Which addresses were proven lately, and who holds the proof."""

    def add(self, proof: Proof) -> None: ...

    def find(self, digest: str, since: float) -> Proof | None: ...

    def is_verified(self, address: Address, since: float) -> bool: ...


class SessionReads(Protocol):
    """Questions about sessions as committed."""

    def active(self, account_id: int, now: float) -> Sequence[Session]:
        """The account's living sessions, the newest first."""
        ...

    def ended(self, after: tuple[float, str], *, limit: int) -> Sequence[tuple[float, str]]:
        """When which sessions were ended, beyond that moment and id, in this order; not those whose time ran out.

        What is committed late stands before what was answered already: who reads on begins some time earlier than where
        they were.
        """
        ...


class Sessions(Protocol):
    """Claim, then save."""

    def lock(self, session_id: str) -> Session | None: ...

    def lock_with_account(self, session_id: str) -> tuple[Session, Account] | None:
        """The session, claimed, and whose it is, which is not claimed; None where there is no such session or account."""
        ...

    def add(self, session: Session, *, keep: int) -> Sequence[str]:
        """Stores a new session; beyond `keep` living ones of the account the oldest end. Answers the ids of those that ended.

        Raises `LookupError` where there is no such account.
        """
        ...

    def save(self, session: Session) -> None:
        """Stores a claimed one; one that had ended stays so. Raises `LookupError` where it was not claimed here."""
        ...

    def end_all(self, account_id: int, now: float, *, except_id: str | None = None) -> int:
        """Ends the account's living sessions, but for one; answers how many ended."""
        ...

    def is_new_user_agent(self, account_id: int, user_agent: str) -> bool:
        """Whether the account has had sessions, ended ones too, and none that this user agent began, as far back as they are
        kept."""
        ...


class SlidingWindowReads(Protocol):
    """Questions about counters as committed."""

    def get(self, keys: Sequence[str]) -> Sequence[SlidingWindow]:
        """The tallies in the order of their keys, empty where there is none."""
        ...


class SlidingWindows(SlidingWindowReads, Protocol):
    """Counters that survive a restart. Claim, then save."""

    def lock(self, keys: Sequence[str]) -> Sequence[SlidingWindow]:
        """The tallies in the order of their keys, empty where there is none yet; a second claimant waits."""
        ...

    def save(self, tallies: Iterable[SlidingWindow], expires_at: float) -> None:
        """Stores claimed ones, to be kept until then at least."""
        ...


class Channel(StrEnum):
    """The ways that messages go, each with a courier of its own; the first two are kinds of addresses. Values are stored."""

    EMAIL = "email"
    MOBILE = "mobile"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What waits to be sent. It holds no code: that is derived from `challenge` (id, flow, address key) when it is sent.

    `sent_to` is None for a decoy, which keeps a send to nobody as long as one to somebody.
    """

    id: str
    channel: Channel
    recipient: str | None
    template: str
    challenge: tuple[str, CodePurpose, str] | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    not_before: float
    expires_at: float
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """A message as it lies in the outbox. Positions grow.

    `due_at` is when a courier may take it: its time, or the end of the lease that a courier has on it. It is None for one that
    was given up, `dead_because` of something.
    """

    position: int
    message: Message
    due_at: float | None
    failure_reason: str | None = None

    @property
    def has_failed(self) -> bool:
        return self.due_at is None

    def is_leased(self, now: float) -> bool:
        """Whether a courier has it."""
        return self.due_at is not None and self.due_at > max(now, self.message.not_before)


class OutboxReads(Protocol):
    """Questions about messages as committed."""

    def find(self, *, dead: bool, after: int, limit: int) -> Sequence[OutboxEntry]:
        """Those at positions beyond that one, in order: all, or with `dead` those that were given up."""
        ...


class Outbox(Protocol):
    """Messages under way: at least once each, under a lease."""

    def add(self, message: Message) -> None: ...

    def lease(self, now: float, *, seconds: float, limit: int, channel: Channel | None = None) -> Sequence[Message]:
        """Due messages (of that kind) that no other courier has, oldest first; they come back when the lease ends."""
        ...

    def delete(self, message_id: str) -> None:
        """It was sent, or is no longer to be."""
        ...

    def reschedule(self, message_id: str, not_before: float) -> None:
        """One attempt failed: again then."""
        ...

    def release(self, message_id: str) -> None:
        """It was leased and not tried: due again at its time."""
        ...

    def give_up(self, message_id: str, reason: str) -> None:
        """It is given up, and kept to be looked at."""
        ...

    def lock(self, message_id: str) -> OutboxEntry | None: ...

    def retry(self, message_id: str, now: float) -> None:
        """Due now and as if never tried, even where it was given up."""
        ...


class AuditLog(Protocol):
    """What happened, kept with the change itself."""

    def add(self, event: Event) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which events: those that fit everything given. `since` is included, `until` not; `after` is a position."""

    account_id: int | None = None
    type: EventType | None = None
    address: str | None = None
    since: float | None = None
    until: float | None = None
    after: int = 0


class AuditLogReads(Protocol):
    """Questions about what happened, as committed."""

    def find(self, query: AuditQuery, *, limit: int) -> Sequence[tuple[int, Event]]:
        """Events with their positions, which grow, the oldest first."""
        ...

    def read_stable_after(self, after: int, now: float, *, limit: int) -> Sequence[tuple[int, Event]]:
        """Those at positions beyond that one, the oldest first, up to where one could still appear before another.

        Transactions may be committed in another order than they took their positions in. Whoever has read what this
        answers can go on behind the last of them, and misses nothing.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a reader of the journal came: it has done with what stands up to `position`, since `moved_at`.

    Until `held_until` somebody who reads by that name has what comes next at hand.
    """

    name: str
    position: int = 0
    moved_at: float = 0.0
    leased_until: float = 0.0


class CursorReads(Protocol):
    """Questions about readers of the journal, as committed."""

    def get(self, name: str) -> Cursor:
        """At the beginning where nobody has read by that name."""
        ...


class Cursors(CursorReads, Protocol):
    """Claim, then save."""

    def lock(self, name: str) -> Cursor:
        """The same; a second claimant waits."""
        ...

    def save(self, cursor: Cursor) -> None:
        """Stores a claimed one. Raises `LookupError` where it was not claimed here."""
        ...


class Transaction(Protocol):
    """One unit of work: all of it happens, or none. What has been claimed in it nobody else can claim until it ends."""

    @property
    def accounts(self) -> LockedAccounts: ...
    @property
    def challenges(self) -> Challenges: ...
    @property
    def proofs(self) -> Proofs: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def rate_limits(self) -> SlidingWindows: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def audit_log(self) -> AuditLog: ...
    @property
    def cursors(self) -> Cursors: ...

    def lock_identity(self, account_id: int, session_id: str, now: float) -> Account | None:
        """Locks the account if it is active and this session of it is active at `now`; None otherwise.

        The session is checked after the lock is held, so a session that another transaction revoked meanwhile is not active.
        """
        ...


class Database(Protocol):
    """Where accounts are kept."""

    @property
    def accounts(self) -> Accounts: ...

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

    def begin(self) -> AbstractContextManager[Transaction]:
        """A transaction: committed, durably, when the block is left; rolled back when an exception leaves it.

        Another one inside the block in the same thread raises `RuntimeError`, as does whatever is asked of one that is over.
        """
        ...

    def check(self) -> None:
        """Raises `Unavailable` unless it answers, with the schema that this program needs."""
        ...

    def purge(self, now: float, *, limit: int) -> int:
        """Deletes what is too old to be of use, up to `most` rows of each kind; answers how many. Call it until it is 0."""
        ...


# --- secrets ----------------------------------------------------------------------------------------------------------


class Codes(Protocol):
    """Derives what is not stored, under a key that is not in the database."""

    def new_challenge_id(self, challenge_id: str) -> str:
        """The id that a new challenge is to have: it tells which key the code is under, so that a code outlives a rotation."""
        ...

    def code(self, challenge_id: str, flow: CodePurpose, address_key: str) -> str:
        """The decimal digits that were, or will be, sent: the same at each call."""
        ...

    def keyed_digest(self, text: str) -> str:
        """A short keyed digest: tells whether two texts are the same, and nothing else to who has not the key."""
        ...


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified access token says."""

    account_id: int
    session_id: str
    expires_at: float


class Tokens(Protocol):
    """Access tokens (JWT, RFC 9068) and refresh tokens (opaque)."""

    @property
    def access_seconds(self) -> int: ...

    def issue_access(self, account_id: int, session_id: str, now: float) -> str: ...

    def verify_access(self, text: str, now: float) -> AccessClaims | None:
        """What a good access token says; None for anything else, whatever the text."""
        ...

    def issue_refresh(self, session_id: str, generation: int) -> str: ...

    def verify_refresh(self, text: str) -> tuple[str, int] | None:
        """The session id and generation of a refresh token that was made here; None for anything else."""
        ...


class Hasher(Protocol):
    """Hashes passwords slowly (Argon2id, RFC 9106), a few at once; raises `Overloaded` beyond that.

    A password is the same in whichever Unicode form it was typed (NFKC).
    """

    def hash(self, password: str) -> str: ...

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether it is the password; False after the same time where there is no hash, or what can be none."""
        ...

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether it was made with other parameters than those of today."""
        ...


# --- messages and images ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message ready to be written: which template, its values, and where to. Secret values are not shown."""

    id: str
    channel: Channel
    recipient: str
    template: str
    values: Mapping[str, str] = field(repr=False)


class Undeliverable(Exception):
    """This message can never arrive: the address is refused for good. The text may be logged: no secret, nobody's address."""


class DeliveryFailed(Exception):
    """The next hop did not take it this time, and wants to be left alone for `retry_after` seconds.

    The text may be logged, as above; that of any other exception may not.
    """

    def __init__(self, text: str = "", *, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Notifier(Protocol):
    """Sends messages; returns when the next hop has taken it."""

    def send(self, letter: OutgoingMessage) -> None: ...

    def send_decoy(self, letter: OutgoingMessage) -> None:
        """Sends nothing, at the pace and the cost of a letter that is sent, and fails where that would fail.

        Else the calls that come next would feel whether a message was carried out.
        """
        ...


class UnreadableImage(ValueError):
    """It is no image of a kind that is taken; the text says why."""


class Images(Protocol):
    """Makes a picture out of whatever was uploaded."""

    def normalise(self, data: bytes) -> bytes:
        """The picture as WebP, upright, at most 1024 pixels a side, without metadata. Raises `UnreadableImage`."""
        ...


@dataclass(frozen=True, slots=True)
class PresignedUrl:
    """A URL that gives one file to whoever has it, for so many seconds."""

    url: str = field(repr=False)
    seconds: int


class Storage(Protocol):
    """Keeps files under names that nobody can guess."""

    def put(self, data: bytes) -> str:
        """Stores it durably and answers its new name, which stands in a URL as it is: letters, digits and `._~-`, 22 to 255."""
        ...

    def get(self, name: str) -> bytes | None:
        """None where there is none of that name, whatever the text."""
        ...

    def delete(self, name: str) -> None:
        """Gone afterwards, whether or not it was there."""
        ...

    def presigned_url(self, name: str) -> PresignedUrl | None:
        """Where whoever asks may fetch it without this program; None where there is no such way, or can be no such name."""
        ...

    def names(self, *, older_than: float) -> Iterator[str]:
        """Those of all that is stored since as many seconds at least, in any order."""
        ...


# --- limits -----------------------------------------------------------------------------------------------------------


class RateLimiter(Protocol):
    """Limits that need not survive a restart."""

    @property
    def may_block(self) -> bool:
        """Whether `take` may wait for another machine, and so does not belong in an event loop."""
        ...

    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        """Counts one if it fits and answers 0; else counts nothing and answers the whole seconds until one fits."""
        ...
