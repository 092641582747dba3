"""The public Python API: use cases, refusals, and the values that they take and return.

A use case is called with keyword arguments; it returns its result or raises a refusal. `vestibule.build` creates all of them
from settings.
"""

from ..domain import errors as _errors
from ..domain.account import Account, Address, AddressKind, Username
from ..domain.errors import *  # noqa: F403
from ..domain.events import TRUSTED_CALLER, Caller, Event, EventType
from ..domain.session import Session
from .account import ChangeAccount, ReplaceAccount
from .addresses import ReleaseAddress, SetAddress
from .alarms import WatchFailures
from .audit import ReadAuditLog
from .code_checks import IssuedProof, LogInByCode, VerifyCode
from .code_requests import RequestCode, RequestedCode
from .deletion import DeleteAccount, DeleteDueAccounts, ScheduledDeletion
from .delivery import DeliverMessages
from .event_consumer import Batch, ReadEvents
from .export import ExportAccount
from .image import GetImageUrl, ReadImage, RemoveImage, UploadImage
from .login import LogIn
from .maintenance import Purge, SetActive, SweepImages, SweepReport
from .outbox import DropMessages, ListMessages, RetryMessages
from .password import ResetPassword
from .ports import AuditQuery, Channel, Cursor, OutboxEntry, PresignedUrl
from .register_or_login import RegisterOrLogIn, RequestRegistrationCode
from .registration import CheckUnique, CreateSuperuser, Register
from .sessions import ListRevokedSessions, ListSessions, LogOut, RevokedSessions, RevokeOtherSessions, RevokeSession
from .tokens import Authenticate, AuthenticateMany, CodeEffects, Identity, Refresh, TokenSet
from .validation import MISSING

__all__ = [
    "MISSING",
    "TRUSTED_CALLER",
    "Account",
    "Address",
    "AddressKind",
    "AuditQuery",
    "Authenticate",
    "AuthenticateMany",
    "Batch",
    "Caller",
    "ChangeAccount",
    "Channel",
    "CheckUnique",
    "CodeEffects",
    "CreateSuperuser",
    "Cursor",
    "DeleteAccount",
    "DeleteDueAccounts",
    "DeliverMessages",
    "DropMessages",
    "Event",
    "EventType",
    "ExportAccount",
    "GetImageUrl",
    "Identity",
    "IssuedProof",
    "ListMessages",
    "ListRevokedSessions",
    "ListSessions",
    "LogIn",
    "LogInByCode",
    "LogOut",
    "OutboxEntry",
    "PresignedUrl",
    "Purge",
    "ReadAuditLog",
    "ReadEvents",
    "ReadImage",
    "Refresh",
    "Register",
    "RegisterOrLogIn",
    "ReleaseAddress",
    "RemoveImage",
    "ReplaceAccount",
    "RequestCode",
    "RequestRegistrationCode",
    "RequestedCode",
    "ResetPassword",
    "RetryMessages",
    "RevokeOtherSessions",
    "RevokeSession",
    "RevokedSessions",
    "ScheduledDeletion",
    "Session",
    "SetActive",
    "SetAddress",
    "SweepImages",
    "SweepReport",
    "TokenSet",
    "UploadImage",
    "Username",
    "VerifyCode",
    "WatchFailures",
]
__all__ += _errors.__all__
