"""Everything that may be asked, built and ready."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..application import (
    Authenticate,
    AuthenticateMany,
    ChangeAccount,
    CheckUnique,
    CreateSuperuser,
    DeliverMessages,
    DropMessages,
    EndOtherSessions,
    EndSession,
    GetImageUrl,
    ListEndedSessions,
    ListMessages,
    ListSessions,
    LogIn,
    LogInByCode,
    Purge,
    ReadAuditLog,
    ReadEvents,
    ReadImage,
    Refresh,
    Register,
    RegisterOrLogIn,
    ReplaceAccount,
    RequestCode,
    RequestRegistrationCode,
    ResetPassword,
    RetryMessages,
    SetActive,
    SweepImages,
    UploadImage,
    VerifyCode,
)
from ..application.ports import Clock, RateLimiter
from .concurrency.executors import CommitScope
from .settings import Settings
from .workers.subscriptions import Handler, Subscriptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Vestibule:
    """The use cases on given settings, with what the ways in need beside them."""

    settings: Settings
    register: Register
    create_superuser: CreateSuperuser
    check_unique: CheckUnique
    log_in: LogIn
    authenticate: Authenticate
    authenticate_many: AuthenticateMany
    refresh: Refresh
    change_account: ChangeAccount
    replace_account: ReplaceAccount
    request_code: RequestCode
    verify_code: VerifyCode
    log_in_by_code: LogInByCode
    request_registration_code: RequestRegistrationCode
    register_or_log_in: RegisterOrLogIn
    reset_password: ResetPassword
    list_sessions: ListSessions
    end_session: EndSession
    end_other_sessions: EndOtherSessions
    list_ended_sessions: ListEndedSessions
    set_active: SetActive
    upload_image: UploadImage
    read_image: ReadImage
    get_image_url: GetImageUrl
    sweep_images: SweepImages
    deliver_messages: DeliverMessages
    list_messages: ListMessages
    retry_messages: RetryMessages
    drop_messages: DropMessages
    read_audit_log: ReadAuditLog
    read_events: ReadEvents
    purge: Purge
    rate_limiter: RateLimiter
    clock: Clock
    jwks: Callable[[], dict[str, object]]
    check: Callable[[], None]
    """Raises `Unavailable` unless the database answers with the schema that this program needs."""
    database_blocks: bool = False
    """Whether a question to the database may wait for another machine, and so does not belong in an event loop."""
    commit_scope: CommitScope | None = None
    """A block whose transactions in one thread are committed together, where calls that meet gain by that and wait for nothing
    that is far."""
    subscriptions: Subscriptions = field(default_factory=Subscriptions)

    def subscribe(self, name: str, handler: Handler) -> None:
        """Calls `handler(position, event)`, in a thread of its own, for each event that nobody of that name has done with yet.

        One by one, in order, at least once each, until the block of `build` is left, which lets it finish the one at hand.
        Where it raises, that is logged, and the same event comes again after 1, 2, 4 … at most 60 seconds. Of several of one
        name, in whatever processes, one is called at a time; when it takes more than a minute, another may be, too.
        """
        self.subscriptions.begin(self.read_events, name, handler)
