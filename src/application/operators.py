"""Operators: who may call which of the use cases that concern the accounts of others."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from ..domain.account import Account
from ..domain.errors import Conflict, ErrorCode, InvalidToken, LastSuperuser, NotPermitted
from ..domain.events import Caller, EventType
from ..domain.texts import has_control, trimmed
from .audit import record
from .fresh_login import FreshLogin
from .ports import Clock, InvalidText, Transaction
from .tokens import Identity
from .validation import Validator

MAX_REASON = 500


class Role(IntEnum):
    """The roles of operators; a higher one includes the lower ones. They are the flags of their accounts."""

    STAFF = 1
    SUPERUSER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """The role that a use case needs, and whether it changes something: then it wants a fresh login."""

    role: Role
    changes: bool = True


PERMISSIONS: Mapping[str, Permission] = {
    "CreateSuperuser": Permission(role=Role.SUPERUSER),
    "FindAccounts": Permission(role=Role.STAFF, changes=False),
    "IdentifyAccount": Permission(role=Role.STAFF, changes=False),
    "ReadAccount": Permission(role=Role.STAFF, changes=False),
    "FindEvents": Permission(role=Role.STAFF, changes=False),
    "FindMessages": Permission(role=Role.STAFF, changes=False),
    "Summarize": Permission(role=Role.STAFF, changes=False),
    "SuspendAccount": Permission(role=Role.STAFF),
    "Reinstate": Permission(role=Role.STAFF),
    "UnlockAccount": Permission(role=Role.STAFF),
    "SignOut": Permission(role=Role.STAFF),
    "EditAccount": Permission(role=Role.SUPERUSER),
    "SetRoles": Permission(role=Role.SUPERUSER),
    "SendReset": Permission(role=Role.SUPERUSER),
    "SetActive": Permission(role=Role.SUPERUSER),
    "SetAddress": Permission(role=Role.SUPERUSER),
    "ReleaseAddress": Permission(role=Role.SUPERUSER),
    "ExportAnyAccount": Permission(role=Role.SUPERUSER),
    "RemoveAccount": Permission(role=Role.SUPERUSER),
    "RetryMessages": Permission(role=Role.SUPERUSER),
    "DropMessages": Permission(role=Role.SUPERUSER),
    "ImportAccounts": Permission(role=Role.SUPERUSER),
    "ImportImages": Permission(role=Role.SUPERUSER),
}
"""The permission that each use case of operators needs, by the name of its class; both interfaces read it here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The caller of an operator's use case: a person, by the `identity` of their account, or else a trusted program.

    `name` says in the audit log which program it was: `command line (ada)`. A program may do everything.
    """

    identity: Identity | None = None
    name: str = "program"

    @property
    def actor(self) -> str:
        """The operator's name in the audit log."""
        return self.name if self.identity is None else f"account {self.identity.account.id}"

    def may(self, use_case: str) -> bool:
        """Returns whether the operator's role suffices for the use case of that class name."""
        return self.identity is None or role_of(self.identity.account) >= PERMISSIONS[use_case].role


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A change by an operator, as its events say it: the actor, the reason, and the caller."""

    actor: str
    reason: str | None
    caller: Caller

    def record(self, tx: Transaction, event: EventType, now: float, account: Account, detail: str = "") -> None:
        record(tx, event, now, self.caller, account_id=account.id, detail=detail, actor=self.actor, reason=self.reason)


PROGRAM = Operator()
"""A program that imports Vestibule, and calls on its own behalf."""


def role_of(account: Account) -> int:
    """The role of the account; 0 for one that is no operator."""
    if account.is_superuser:
        return Role.SUPERUSER
    return Role.STAFF if account.is_staff else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operators:
    """Admits operators to use cases, by `PERMISSIONS`.

    Staff change accounts that are neither staff nor superusers. No operator changes the own account by these use cases.
    """

    fresh_login: FreshLogin
    clock: Clock

    def admit(self, operator: Operator, use_case: object, current_password: str | None, caller: Caller) -> None:
        """Raises `NotPermitted`; for a change `LoginNotFresh`, for a wrong password `InvalidCredentials` or `RateLimited`."""
        name = type(use_case).__name__
        if not operator.may(name):
            raise NotPermitted(f"It needs the role {PERMISSIONS[name].role.name.lower()}.")
        if operator.identity is not None and PERMISSIONS[name].changes:
            self.fresh_login.require(operator.identity, current_password, caller)

    def admit_change(
        self,
        operator: Operator,
        use_case: object,
        validator: Validator,
        reason: str | None,
        current_password: str | None,
        caller: Caller,
        *,
        reason_required: bool = False,
    ) -> Action:
        """Reads the last arguments of a change, raises `InvalidInput` for any that is invalid, and admits the operator."""
        read = validator.text("reason", reason, _reason, required=reason_required)
        password = validator.password("current_password", current_password, required=False)
        validator.raise_if_invalid()
        self.admit(operator, use_case, password, caller)
        return Action(actor=operator.actor, reason=read, caller=caller)

    def check(self, tx: Transaction, operator: Operator, use_case: object) -> Account | None:
        """Checks the operator again, as they are now, and returns their account; None for a program.

        Raises `NotPermitted`, `InvalidToken` if the operator's session was revoked meanwhile.
        """
        identity = operator.identity
        if identity is None:
            return None
        found = tx.accounts.by_active_session(identity.account.id, identity.session_id, self.clock())
        if found is None:
            raise InvalidToken
        account, _ = found
        if role_of(account) < PERMISSIONS[type(use_case).__name__].role:
            raise NotPermitted
        return account

    def check_target(self, tx: Transaction, operator: Operator, use_case: object, target: Account) -> None:
        """Checks the operator as `check` does, and whether they may change the locked `target`. Raises the same."""
        account = self.check(tx, operator, use_case)
        if account is None:
            return
        if target.id == account.id:
            raise NotPermitted("An operator does not change the own account this way.")
        if role_of(account) < Role.SUPERUSER and role_of(target):
            raise NotPermitted("Only a superuser changes accounts of staff and of superusers.")


def lock_keeping_a_superuser(tx: Transaction, known: Account) -> Account | None:
    """Locks an account that is about to lose its access, or its role, and returns it; None if it does not exist.

    All superusers are locked before one of them, so that of two such changes the second one sees the first. Raises
    `LastSuperuser` if no other superuser can log in.
    """
    require_another_superuser(tx, known)
    account = tx.accounts.lock(known.id)
    if account is not None and account.is_superuser and not known.is_superuser:  # it became one meanwhile
        raise Conflict
    return account


def require_another_superuser(tx: Transaction, known: Account) -> None:
    """Locks all superusers before `known`, if it is one of them. Raises `LastSuperuser` if no other one can log in."""
    if known.is_superuser and list(tx.accounts.lock_superusers()) == [known.id]:
        raise LastSuperuser


def _reason(text: str) -> str:
    text = trimmed(text)
    if has_control(text):
        raise InvalidText("This has a character that is not allowed in text.", ErrorCode.FORBIDDEN_CHARACTER)
    if len(text) > MAX_REASON:
        raise InvalidText(f"This has more than {MAX_REASON} characters.", ErrorCode.TOO_LONG)
    return text
