"""Ports: the interfaces that the use cases need filled by adapters, each with its promise.

Times are seconds since the epoch, UTC. An adapter that cannot keep a promise raises `Unavailable` (a dependency is down) or
`Overloaded` (its queue is full), and has then changed nothing. The exception is an `Unavailable` with `is_open`: the connection
to the database was lost between a commit and its acknowledgement.
"""

from .credentials import AccessClaims, Codes, Hasher, Tokens
from .database import (
    AccountReads,
    Accounts,
    AuditLog,
    AuditLogReads,
    AuditQuery,
    Challenges,
    Cursor,
    CursorReads,
    Cursors,
    Database,
    Outbox,
    OutboxReads,
    Proofs,
    SessionReads,
    Sessions,
    Transaction,
)
from .identifiers import Identifiers, InvalidText, LoginIdentifier
from .images import Images, PresignedUrl, Storage, UnreadableImage
from .messages import Channel, Message, Notifier, OutboxEntry, OutgoingMessage, PermanentFailure, TemporaryFailure
from .rate_limits import RateLimiter, SlidingWindowReads, SlidingWindows
from .sources import Clock, NewId

__all__ = [
    "AccessClaims",
    "AccountReads",
    "Accounts",
    "AuditLog",
    "AuditLogReads",
    "AuditQuery",
    "Challenges",
    "Channel",
    "Clock",
    "Codes",
    "Cursor",
    "CursorReads",
    "Cursors",
    "Database",
    "Hasher",
    "Identifiers",
    "Images",
    "InvalidText",
    "LoginIdentifier",
    "Message",
    "NewId",
    "Notifier",
    "Outbox",
    "OutboxEntry",
    "OutboxReads",
    "OutgoingMessage",
    "PermanentFailure",
    "PresignedUrl",
    "Proofs",
    "RateLimiter",
    "SessionReads",
    "Sessions",
    "SlidingWindowReads",
    "SlidingWindows",
    "Storage",
    "TemporaryFailure",
    "Tokens",
    "Transaction",
    "UnreadableImage",
]
