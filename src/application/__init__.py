"""What may be asked: the use cases and the refusals, the public Python API.

A use case is called with keyword arguments; it returns the answer, or raises a refusal. `vestibule.entrypoints.build` makes
them all on given settings.
"""

from ..domain.account import Account, Address, AddressKind, Username
from ..domain.errors import (
    AccountMismatch,
    AlreadyTaken,
    Conflict,
    ImageTooLarge,
    InvalidCode,
    InvalidCredentials,
    InvalidInput,
    InvalidRefreshToken,
    InvalidToken,
    NoSuchAccount,
    NoSuchMessage,
    NoSuchSession,
    NotAuthenticated,
    NotRetryable,
    Overloaded,
    RateLimited,
    Refusal,
    Unavailable,
)
from ..domain.events import TRUSTED_CALLER, Caller, Event, EventType
from ..domain.session import Session
from .account import ChangeAccount, ReplaceAccount
from .administration import SetActive
from .codes import CodeSent, CodeVerified, LogInByCode, RequestCode, VerifyCode
from .delivery import DeliverMessages
from .event_consumer import Batch, ReadEvents
from .image import GetImageUrl, ReadImage, SweepImages, SweepReport, UploadImage
from .login import LogIn
from .maintenance import Purge, ReadAuditLog
from .outbox import DropMessages, ListMessages, RetryMessages
from .password import ResetPassword
from .ports import AuditQuery, Channel, Cursor, OutboxEntry
from .register_or_login import RegisterOrLogIn, RequestRegistrationCode
from .registration import CheckUnique, CreateSuperuser, Register
from .sessions import EndedSessions, EndOtherSessions, EndSession, ListEndedSessions, ListSessions
from .tokens import Authenticate, AuthenticateMany, Identity, Refresh, TokenSet
from .validation import MISSING

__all__ = [
    "MISSING",
    "TRUSTED_CALLER",
    "Account",
    "AccountMismatch",
    "Address",
    "AddressKind",
    "AlreadyTaken",
    "AuditQuery",
    "Authenticate",
    "AuthenticateMany",
    "Batch",
    "Caller",
    "ChangeAccount",
    "Channel",
    "CheckUnique",
    "CodeSent",
    "CodeVerified",
    "Conflict",
    "CreateSuperuser",
    "Cursor",
    "DeliverMessages",
    "DropMessages",
    "EndOtherSessions",
    "EndSession",
    "EndedSessions",
    "Event",
    "EventType",
    "GetImageUrl",
    "Identity",
    "ImageTooLarge",
    "InvalidCode",
    "InvalidCredentials",
    "InvalidInput",
    "InvalidRefreshToken",
    "InvalidToken",
    "ListEndedSessions",
    "ListMessages",
    "ListSessions",
    "LogIn",
    "LogInByCode",
    "NoSuchAccount",
    "NoSuchMessage",
    "NoSuchSession",
    "NotAuthenticated",
    "NotRetryable",
    "OutboxEntry",
    "Overloaded",
    "Purge",
    "RateLimited",
    "ReadAuditLog",
    "ReadEvents",
    "ReadImage",
    "Refresh",
    "Refusal",
    "Register",
    "RegisterOrLogIn",
    "ReplaceAccount",
    "RequestCode",
    "RequestRegistrationCode",
    "ResetPassword",
    "RetryMessages",
    "Session",
    "SetActive",
    "SweepImages",
    "SweepReport",
    "TokenSet",
    "Unavailable",
    "UploadImage",
    "Username",
    "VerifyCode",
]
