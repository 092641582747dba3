"""The use cases, each declared once, and `Vestibule`: all of them on given settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import vestibule.application as application  # noqa: PLR0402 — an import from the root is a cycle to type checkers

from ..application.ports import Clock, RateLimiter
from .concurrency.executors import CommitScope
from .settings import Settings
from .use_case import ContextManagerUseCase, StreamingUseCase, UseCase, UseCaseDescriptor
from .workers.subscriptions import Handler, Subscriptions


class UseCases:
    """Every use case with the lane of its awaited calls. The container builds each from the providers of its fields' names."""

    register = UseCase(application.Register, "hashing")
    create_superuser = UseCase(application.CreateSuperuser, "hashing")
    check_unique = UseCase(application.CheckUnique, "limited_point_reads")
    log_in = UseCase(application.LogIn, "hashing")
    authenticate = UseCase(application.Authenticate, "point_reads", batch="authenticate_many")  # 98 µs a call, not 122
    authenticate_many = UseCase(application.AuthenticateMany, "point_reads")
    refresh = UseCase(application.Refresh, "writes")
    change_account = UseCase(application.ChangeAccount, "writes", hashes="password")
    replace_account = UseCase(application.ReplaceAccount, "hashing")
    request_code = UseCase(application.RequestCode, "writes")
    verify_code = UseCase(application.VerifyCode, "writes")
    log_in_by_code = UseCase(application.LogInByCode, "writes")
    request_registration_code = UseCase(application.RequestRegistrationCode, "writes")
    register_or_log_in = UseCase(application.RegisterOrLogIn, "writes")
    reset_password = UseCase(application.ResetPassword, "hashing")
    list_sessions = UseCase(application.ListSessions, "reads")
    revoke_session = UseCase(application.RevokeSession, "writes")
    revoke_other_sessions = UseCase(application.RevokeOtherSessions, "writes")
    list_revoked_sessions = UseCase(application.ListRevokedSessions, "reads")
    set_active = UseCase(application.SetActive, "writes")
    upload_image = UseCase(application.UploadImage, "images")
    read_image = UseCase(application.ReadImage, "images")
    get_image_url = UseCase(application.GetImageUrl, "images")
    sweep_images = UseCase(application.SweepImages, "background")
    deliver_messages = UseCase(application.DeliverMessages, "background")
    list_messages = StreamingUseCase(application.ListMessages, "background")
    retry_messages = UseCase(application.RetryMessages, "background")
    drop_messages = UseCase(application.DropMessages, "background")
    read_audit_log = StreamingUseCase(application.ReadAuditLog, "background")
    read_events = ContextManagerUseCase(application.ReadEvents, "background")
    purge = UseCase(application.Purge, "background")

    def refuse_calls(self) -> None:
        """Makes every later call raise `RuntimeError`, instead of an error of a closed adapter."""
        vars(self).update(dict.fromkeys((*USE_CASES, "check", "jwks"), _raise_closed))


def _raise_closed(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("This Vestibule is closed.")


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
    clock: Clock
    jwks: Callable[[], dict[str, object]]
    check: Callable[[], None]
    """Raises `Unavailable` unless the database is reachable and has the schema that this program needs."""
    database_blocks: bool = False
    """Returns whether a database call may wait for another machine, and so does not belong in an event loop."""
    commit_scope: CommitScope | None = None
    """Commits the transactions of one thread together, if no call within it waits for another machine."""
    subscriptions: Subscriptions = field(default_factory=Subscriptions)

    def __post_init__(self) -> None:
        vars(self).update(self.use_cases)

    def subscribe(self, name: str, handler: Handler) -> None:
        """Calls `handler(position, event)`, in a thread of its own, for each event that no handler of that name has handled.

        Events come one by one, in order, at least once each, until the `Vestibule` is closed, which waits for the current
        event. If the handler raises, the error is logged and the same event comes again after 1, 2, 4 … at most 60 seconds.
        Of several handlers of one name, in any processes, one is called at a time; another may be called as well if it takes
        more than a minute.
        """
        self.subscriptions.add(self.read_events, name, handler)
