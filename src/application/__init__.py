"""What may be asked: the use cases and the refusals, the public Python API.

A use case is called with keyword arguments; it returns the answer, or raises a refusal. `vestibule.entrypoints.build` makes
them all on given settings.
"""

from ..domain.account import Account, Address, Kind, Username
from ..domain.errors import (
    AlreadyTaken,
    CannotRetry,
    DifferentAccounts,
    ImageTooLarge,
    InvalidInput,
    InvalidRefreshToken,
    InvalidToken,
    NoSuchAccount,
    NoSuchMessage,
    NoSuchSession,
    NotAuthenticated,
    Overloaded,
    Refusal,
    TooManyTries,
    Unavailable,
    WrongCode,
    WrongCredentials,
)
from ..domain.events import VOUCHED, Caller, Event, What
from ..domain.session import Session
from .account import ChangeAccount
from .administration import SetActive
from .codes import LogInByCode, Proven, RequestCode, Sent, VerifyCode
from .delivery import DeliverMessages
from .event_consumer import Batch, ReadEvents
from .image import ReadImage, SweepImages, Swept, UploadImage
from .login import LogIn
from .maintenance import Purge, ReadJournal
from .outbox import DropMessages, ListMessages, RetryMessages
from .password import ResetPassword
from .ports import Channel, Cursor, Posted, Query
from .register_or_login import RegisterOrLogIn, RequestRegistrationCode
from .registration import CheckUnique, Register
from .sessions import EndedSessions, EndSession, ListEndedSessions, ListSessions
from .tokens import Authenticate, Identity, Refresh, TokenSet
from .validation import MISSING

__all__ = [
    "MISSING",
    "VOUCHED",
    "Account",
    "Address",
    "AlreadyTaken",
    "Authenticate",
    "Batch",
    "Caller",
    "CannotRetry",
    "ChangeAccount",
    "Channel",
    "CheckUnique",
    "Cursor",
    "DeliverMessages",
    "DifferentAccounts",
    "DropMessages",
    "EndSession",
    "EndedSessions",
    "Event",
    "Identity",
    "ImageTooLarge",
    "InvalidInput",
    "InvalidRefreshToken",
    "InvalidToken",
    "Kind",
    "ListEndedSessions",
    "ListMessages",
    "ListSessions",
    "LogIn",
    "LogInByCode",
    "NoSuchAccount",
    "NoSuchMessage",
    "NoSuchSession",
    "NotAuthenticated",
    "Overloaded",
    "Posted",
    "Proven",
    "Purge",
    "Query",
    "ReadEvents",
    "ReadImage",
    "ReadJournal",
    "Refresh",
    "Refusal",
    "Register",
    "RegisterOrLogIn",
    "RequestCode",
    "RequestRegistrationCode",
    "ResetPassword",
    "RetryMessages",
    "Sent",
    "Session",
    "SetActive",
    "SweepImages",
    "Swept",
    "TokenSet",
    "TooManyTries",
    "Unavailable",
    "UploadImage",
    "Username",
    "VerifyCode",
    "What",
    "WrongCode",
    "WrongCredentials",
]
