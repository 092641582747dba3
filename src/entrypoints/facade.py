"""The use cases, each declared once, and `Vestibule`: all of them on given settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn
from weakref import WeakSet

from ..application import (
    account,
    addresses,
    administration,
    alarms,
    audit,
    changes,
    code_checks,
    code_requests,
    deletion,
    delivery,
    event_consumer,
    event_pages,
    export,
    identification,
    image,
    imports,
    invitations,
    login,
    maintenance,
    outbox,
    password,
    register_or_login,
    registration,
    search,
    sessions,
    summary,
    tokens,
)
from ..application.ports import Admission, Clock, RateLimiter
from .concurrency.executors import GroupCommit
from .settings import Settings
from .use_case import ContextManagerUseCase, PiecewiseUseCase, PlainUseCase, StreamingUseCase, UseCaseDescriptor
from .workers.subscriptions import Handler, Subscriptions


class UseCases:
    """Every use case with the lane of its awaited calls. The container builds each from the providers of its fields' names."""

    register = PlainUseCase(registration.Register, "hashing")
    create_superuser = PlainUseCase(registration.CreateSuperuser, "hashing")
    check_unique = PlainUseCase(registration.CheckUnique, "limited_point_reads")
    invite = PlainUseCase(invitations.Invite, "writes")
    list_invitations = StreamingUseCase(invitations.ListInvitations, "background")
    revoke_invitation = PlainUseCase(invitations.RevokeInvitation, "writes")
    log_in = PlainUseCase(login.LogIn, "hashing")
    authenticate = PlainUseCase(tokens.Authenticate, "point_reads", batch="authenticate_many")  # 98 µs a call; 122 unbatched
    authenticate_many = PlainUseCase(tokens.AuthenticateMany, "point_reads")
    refresh = PlainUseCase(tokens.Refresh, "writes")
    change_account = PlainUseCase(account.ChangeAccount, "writes", hashed_arguments=("password", "current_password"))
    replace_account = PlainUseCase(account.ReplaceAccount, "hashing")
    delete_account = PlainUseCase(deletion.DeleteAccount, "images", hashed_arguments=("current_password",))  # may delete one
    delete_due_accounts = PlainUseCase(deletion.DeleteDueAccounts, "background")
    request_code = PlainUseCase(code_requests.RequestCode, "writes")
    verify_code = PlainUseCase(code_checks.VerifyCode, "writes")
    log_in_by_code = PlainUseCase(code_checks.LogInByCode, "writes")
    request_registration_code = PlainUseCase(register_or_login.RequestRegistrationCode, "writes")
    register_or_log_in = PlainUseCase(register_or_login.RegisterOrLogIn, "writes")
    reset_password = PlainUseCase(password.ResetPassword, "hashing")
    log_out = PlainUseCase(sessions.LogOut, "writes")
    list_sessions = PlainUseCase(sessions.ListSessions, "reads")
    revoke_session = PlainUseCase(sessions.RevokeSession, "writes")
    revoke_other_sessions = PlainUseCase(sessions.RevokeOtherSessions, "writes")
    list_revoked_sessions = PlainUseCase(sessions.ListRevokedSessions, "reads")
    set_active = PlainUseCase(maintenance.SetActive, "writes")
    release_address = PlainUseCase(addresses.ReleaseAddress, "writes")
    set_address = PlainUseCase(addresses.SetAddress, "writes")
    find_accounts = PlainUseCase(search.FindAccounts, "reads")
    identify_account = PlainUseCase(identification.IdentifyAccount, "reads")
    read_account = PlainUseCase(administration.ReadAccount, "reads")
    edit_account = PlainUseCase(administration.EditAccount, "writes", hashed_arguments=("current_password",))
    suspend_account = PlainUseCase(administration.SuspendAccount, "writes", hashed_arguments=("current_password",))
    reinstate = PlainUseCase(administration.Reinstate, "writes", hashed_arguments=("current_password",))
    unlock_account = PlainUseCase(administration.UnlockAccount, "writes", hashed_arguments=("current_password",))
    sign_out = PlainUseCase(administration.SignOut, "writes", hashed_arguments=("current_password",))
    set_roles = PlainUseCase(administration.SetRoles, "writes", hashed_arguments=("current_password",))
    send_reset = PlainUseCase(administration.SendReset, "writes", hashed_arguments=("current_password",))
    remove_account = PlainUseCase(administration.RemoveAccount, "images", hashed_arguments=("current_password",))
    find_events = PlainUseCase(event_pages.FindEvents, "reads")
    find_messages = PlainUseCase(outbox.FindMessages, "reads")
    summarize = PlainUseCase(summary.Summarize, "background")
    import_accounts = StreamingUseCase(imports.ImportAccounts, "background")
    import_images = StreamingUseCase(imports.ImportImages, "background")
    export_any_account = PiecewiseUseCase(export.ExportAnyAccount, "background")
    export_account = PiecewiseUseCase(export.ExportAccount, "background")
    upload_image = PlainUseCase(image.UploadImage, "images")
    remove_image = PlainUseCase(image.RemoveImage, "images")
    read_image = PlainUseCase(image.ReadImage, "images")
    get_image_url = PlainUseCase(image.GetImageUrl, "images")
    sweep_images = PlainUseCase(maintenance.SweepImages, "background")
    deliver_messages = PlainUseCase(delivery.DeliverMessages, "background")
    list_messages = StreamingUseCase(outbox.ListMessages, "background")
    retry_messages = PlainUseCase(outbox.RetryMessages, "background")
    drop_messages = PlainUseCase(outbox.DropMessages, "background")
    read_audit_log = StreamingUseCase(audit.ReadAuditLog, "background")
    read_changes = StreamingUseCase(changes.ReadChanges, "background")
    read_events = ContextManagerUseCase(event_consumer.ReadEvents, "background")
    purge = PlainUseCase(maintenance.Purge, "background")
    watch_failures = PlainUseCase(alarms.WatchFailures, "background")
    rotate_keys = PlainUseCase(maintenance.RotateKeys, "background")

    def refuse_calls(self) -> None:
        """Makes every later call raise `RuntimeError`, instead of an error of a closed adapter."""
        vars(self).update(dict.fromkeys((*USE_CASES, "check", "jwks"), _raise_closed))


class Closed(RuntimeError):
    """A call after the build was closed."""


def _raise_closed(*_: object, **__: object) -> NoReturn:
    raise Closed("This Vestibule is closed.")


USE_CASES: Mapping[str, UseCaseDescriptor[Any]] = {
    name: declared for name, declared in vars(UseCases).items() if isinstance(declared, UseCaseDescriptor)
}


@dataclass(frozen=True, kw_only=True)
class Vestibule(UseCases):
    """The use cases on given settings, and the collaborators that the other entrypoints need."""

    settings: Settings
    use_cases: Mapping[str, object] = field(repr=False)
    """Those of `USE_CASES`, by name; each is an attribute of its own too."""
    rate_limiter: RateLimiter
    admission: Admission
    clock: Clock
    jwks: Callable[[], dict[str, object]]
    check: Callable[[], None]
    """Raises `Unavailable` unless the database is reachable and has the schema that this program needs."""
    is_operator: Callable[[str], bool]
    """Returns whether the bearer of this token has the keys, as `vestibule doctor` does."""
    database_may_block: bool = False
    """Returns whether a database call may wait for another machine, and so does not belong in an event loop."""
    group_commit: GroupCommit | None = None
    """Commits the transactions of one thread together, if no call within it waits for another machine."""
    hashing_share: int | None = None
    """The number of awaited calls with a password hash that one network may have at once; None does not limit them."""
    subscriptions: Subscriptions = field(default_factory=Subscriptions)
    read_outbox_files: Callable[[], Sequence[Any]] = field(default=tuple)
    """Reads the latest messages that became files, the newest first."""

    def __post_init__(self) -> None:
        vars(self).update(self.use_cases, awaited=WeakSet[UseCases]())

    def refuse_calls(self) -> None:
        """Refuses those of the awaited facades as well."""
        super().refuse_calls()
        for facade in vars(self)["awaited"]:
            facade.refuse_calls()

    def subscribe(self, name: str, handler: Handler) -> None:
        """Calls `handler(position, event)`, in a thread of its own, for each event that no handler of that name has handled.

        Events come one by one, in order, at least once each, until the `Vestibule` is closed, which waits for the current
        event. If the handler raises, the error is logged and the same event comes again after 1, 2, 4 … at most 60 seconds.
        Of several handlers of one name, in any processes, one is called at a time; another may be called as well if it takes
        more than a minute.
        """
        self.subscriptions.add(self.read_events, name, handler)
