"""The public Python API: use cases, refusals, and the values that they take and return.

A use case is called with keyword arguments; it returns its result or raises a refusal. `vestibule.build` creates all of them
from settings.
"""

from ..domain import errors as _errors
from ..domain.account import Account, Address, AddressKind, Suspension, Username
from ..domain.errors import *  # noqa: F403
from ..domain.events import TRUSTED_CALLER, Caller, Event, EventType
from ..domain.invitation import Invitation
from ..domain.session import Session
from .account import ChangeAccount, ReplaceAccount
from .account_limits import LimitInForce
from .addresses import ReleaseAddress, SetAddress
from .administration import (
    AccountDetails,
    EditAccount,
    ReadAccount,
    Reinstate,
    RemoveAccount,
    SendReset,
    SetRoles,
    SignOut,
    SuspendAccount,
    UnlockAccount,
)
from .alarms import WatchFailures
from .audit import ReadAuditLog
from .changes import ChangedAccount, ReadChanges
from .code_checks import IssuedProof, LogInByCode, VerifyCode
from .code_requests import RequestCode, RequestedCode
from .deletion import DeleteAccount, DeleteDueAccounts, ScheduledDeletion
from .delivery import DeliverMessages
from .event_consumer import Batch, ReadEvents
from .event_pages import EventPage, FindEvents
from .export import ExportAccount, ExportAnyAccount
from .identification import IdentifyAccount
from .image import GetImageUrl, ReadImage, RemoveImage, UploadImage
from .import_batch import ImportOutcome, RowReport
from .import_records import ImportCode, ImportRemark
from .imports import ImportAccounts, ImportImages
from .invitations import Invite, ListInvitations, RevokeInvitation
from .login import LogIn
from .maintenance import Purge, RotateKeys, SetActive, SweepImages, SweepReport
from .operators import PERMISSIONS, PROGRAM, Operator, Permission, Role
from .outbox import DropMessages, FindMessages, ListMessages, MessagePage, RetryMessages
from .password import ResetPassword
from .ports import AccountState, AuditQuery, Backlog, Channel, Cursor, OutboxEntry, PresignedUrl, SourceError
from .register_or_login import RegisterOrLogIn, RequestRegistrationCode
from .registration import CheckUnique, CreateSuperuser, Register
from .search import AccountPage, FindAccounts
from .sessions import ListRevokedSessions, ListSessions, LogOut, RevokedSessions, RevokeOtherSessions, RevokeSession
from .summary import DayOfSummary, ServiceSummary, Summarize
from .tokens import Authenticate, AuthenticateMany, CodeEffects, Identity, Refresh, TokenSet
from .validation import MISSING

__all__ = [
    "MISSING",
    "PERMISSIONS",
    "PROGRAM",
    "TRUSTED_CALLER",
    "Account",
    "AccountDetails",
    "AccountPage",
    "AccountState",
    "Address",
    "AddressKind",
    "AuditQuery",
    "Authenticate",
    "AuthenticateMany",
    "Backlog",
    "Batch",
    "Caller",
    "ChangeAccount",
    "ChangedAccount",
    "Channel",
    "CheckUnique",
    "CodeEffects",
    "CreateSuperuser",
    "Cursor",
    "DayOfSummary",
    "DeleteAccount",
    "DeleteDueAccounts",
    "DeliverMessages",
    "DropMessages",
    "EditAccount",
    "Event",
    "EventPage",
    "EventType",
    "ExportAccount",
    "ExportAnyAccount",
    "FindAccounts",
    "FindEvents",
    "FindMessages",
    "GetImageUrl",
    "IdentifyAccount",
    "Identity",
    "ImportAccounts",
    "ImportCode",
    "ImportImages",
    "ImportOutcome",
    "ImportRemark",
    "Invitation",
    "Invite",
    "IssuedProof",
    "LimitInForce",
    "ListInvitations",
    "ListMessages",
    "ListRevokedSessions",
    "ListSessions",
    "LogIn",
    "LogInByCode",
    "LogOut",
    "MessagePage",
    "Operator",
    "OutboxEntry",
    "Permission",
    "PresignedUrl",
    "Purge",
    "ReadAccount",
    "ReadAuditLog",
    "ReadChanges",
    "ReadEvents",
    "ReadImage",
    "Refresh",
    "Register",
    "RegisterOrLogIn",
    "Reinstate",
    "ReleaseAddress",
    "RemoveAccount",
    "RemoveImage",
    "ReplaceAccount",
    "RequestCode",
    "RequestRegistrationCode",
    "RequestedCode",
    "ResetPassword",
    "RetryMessages",
    "RevokeInvitation",
    "RevokeOtherSessions",
    "RevokeSession",
    "RevokedSessions",
    "Role",
    "RotateKeys",
    "RowReport",
    "ScheduledDeletion",
    "SendReset",
    "ServiceSummary",
    "Session",
    "SetActive",
    "SetAddress",
    "SetRoles",
    "SignOut",
    "SourceError",
    "Summarize",
    "SuspendAccount",
    "Suspension",
    "SweepImages",
    "SweepReport",
    "TokenSet",
    "UnlockAccount",
    "UploadImage",
    "Username",
    "VerifyCode",
    "WatchFailures",
]
__all__ += _errors.__all__
