"""Wiring: the only place that names adapters."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from secrets import randbits
from threading import Thread
from time import time
from typing import Any, Unpack

from dependency_injector import containers, providers

from ..adapters.codes import CodeSecrets, HmacCodes
from ..adapters.database import (
    ACCOUNTS,
    AccountsTable,
    Backlog,
    Contents,
    Copied,
    SchemaTooNew,
    SchemaTooOld,
    SqlDatabase,
    back_up,
    copy,
    look_at,
    migrate,
    prepare,
    url_of_file,
)
from ..adapters.hasher import Argon2Hasher, pool_for
from ..adapters.identifiers import LibraryIdentifiers
from ..adapters.imaging import PillowImages
from ..adapters.notifier import (
    AppriseNotifier,
    ChannelNotifier,
    OutboxNotifier,
    RateNotifier,
    SmtpNotifier,
    Templates,
    WebhookNotifier,
    read_secrets,
    read_sender,
)
from ..adapters.storage import FileStorage, S3Storage
from ..adapters.throttle import MemoryThrottle, RedisThrottle
from ..adapters.token import (
    DirectoryShelf,
    JwtTokens,
    KeyKeeper,
    Seal,
    SealedShelf,
    Shelf,
    WatchedKeys,
    in_use,
    open_keys,
    read_keys,
)
from ..application import (
    Authenticate,
    ChangeAccount,
    CheckUnique,
    DeliverMessages,
    DropMessages,
    EndSession,
    ListEndedSessions,
    ListMessages,
    ListSessions,
    LogIn,
    LogInByCode,
    Purge,
    ReadEvents,
    ReadImage,
    ReadJournal,
    Refresh,
    Register,
    RegisterOrLogIn,
    RequestCode,
    RequestRegistrationCode,
    ResetPassword,
    RetryMessages,
    SetActive,
    UploadImage,
    VerifyCode,
)
from ..application.codes import CodeCheck, CodeSender, EnterByCode
from ..application.fields import AccountRules
from ..application.notices import Notices
from ..application.ports import Channel, Clock, Database, Images, NewId, Notifier, Storage, Throttle
from ..application.spending import Spending
from ..application.tokens import SignIn
from ..application.webhooks import Announce, AnnouncingDatabase
from ..domain.account import Kind
from ..domain.errors import Unavailable
from ..domain.events import CHANGES, Event, What
from ..domain.limits import Limit
from ..domain.password import PasswordPolicy
from .building import Adapters, Building
from .courier import CourierThread
from .passwords import common_passwords
from .settings import Settings, SettingsError
from .subscriptions import Subscriptions
from .values import HashCost, secret_bytes
from .vestibule import Vestibule
from .watching import Watch, check_extra, watch

_SEALED = "the keys are in the database, sealed under it, and it is not set."
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id() -> str:
    """26 characters of Crockford's base 32: 130 random bits."""
    bits = randbits(130)
    return "".join(_ALPHABET[bits >> shift & 31] for shift in range(0, 130, 5))


class Unlimited:
    """The throttle of a load test."""

    blocks = False

    def take(self, key: str, limits: tuple[Limit, ...], now: float) -> int:  # noqa: ARG002 — the port's names
        return 0


def keys_in(settings: Settings) -> Path:
    return settings.data_dir / "keys"


def images_in(settings: Settings) -> Path | None:
    """The directory of the images; None where they are kept on S3."""
    return settings.data_dir / "images" if settings.images_url == "file:" else None


def key_shelf(settings: Settings, database: SqlDatabase) -> Shelf:
    """Files, unless there is a secret to seal rows under."""
    return sealed_shelf(settings, database) if settings.secret else DirectoryShelf(keys_in(settings))


def sealed_shelf(settings: Settings, database: SqlDatabase) -> SealedShelf:
    if not hasattr(database, "keys"):
        raise SettingsError("VESTIBULE_SECRET: a database of your own keeps no keys; leave it out.")
    return SealedShelf(database.keys, Seal([*map(secret_bytes, settings.secret)]), earlier=DirectoryShelf(keys_in(settings)))


def code_secrets(source: WatchedKeys, clock: Clock) -> CodeSecrets:
    keys = source.current()
    return CodeSecrets(
        by_number={secret.number: secret.key for secret in keys.codes},
        newest=in_use(keys.codes, clock()).number,
        blinding=keys.blinding[-1].key,
    )


def argon2(cost: HashCost, watch: Watch | None = None) -> Argon2Hasher:
    """Raises `ValueError` for a cost that is too low to be safe, or too high to be borne."""
    pool = None if watch is None else watch.hashing(pool_for(cost.time_cost, cost.memory_kib))
    return Argon2Hasher(cost.time_cost, cost.memory_kib, cost.parallelism, pool=pool)


Echo = Callable[[str], None]


def email_notifier(settings: Settings, templates: Templates, echo: Echo | None) -> Notifier:
    if settings.email_url.startswith("outbox:"):
        return OutboxNotifier(settings.data_dir / "outbox", templates, settings.email_from, echo=echo)
    return SmtpNotifier(settings.email_url, settings.email_from, templates)


def sms_notifier(settings: Settings, templates: Templates, echo: Echo | None) -> Notifier:
    if settings.sms_url.startswith("outbox:"):
        return OutboxNotifier(settings.data_dir / "outbox", templates, settings.email_from, echo=echo)
    return AppriseNotifier(settings.sms_url, templates)


def webhook_notifier(settings: Settings, watch: Watch) -> Notifier | None:
    if settings.webhook_url is None:
        return None
    return watch.notifier(WebhookNotifier(settings.webhook_url, settings.webhook_secret))


def channels(settings: Settings) -> tuple[Channel, ...]:
    """Those that have a courier each."""
    letters = (Channel.EMAIL, Channel.MOBILE)
    return letters if settings.webhook_url is None else (*letters, Channel.WEBHOOK)


def announcing(settings: Settings, database: Database, new_id: NewId) -> Database:
    """The database itself where nobody is to be told."""
    if settings.webhook_url is None:
        return database
    return AnnouncingDatabase(database, Announce(new_id=new_id, kinds=frozenset(settings.webhook_events) or CHANGES))


def watched_database(watch: Watch, database: Database) -> Database:
    return watch.database(database)


def watched_images(watch: Watch, images: Images) -> Images:
    return watch.images(images)


def at_rate(watch: Watch, notifier: Notifier, per_second: float | None) -> Notifier:
    watched = watch.notifier(notifier)
    return watched if per_second is None else RateNotifier(watched, per_second)


def throttle(settings: Settings) -> Throttle:
    if not settings.rate_limits:
        return Unlimited()
    if settings.redis_url is None:
        return MemoryThrottle()
    return RedisThrottle(settings.redis_url, fallback=MemoryThrottle())


def spending(settings: Settings, throttle: Throttle, own: Collection[str] = ()) -> Spending | None:
    """Files in an outbox cost nothing. Without Redis each worker has its part of the whole."""
    if not settings.rate_limits:
        return None
    workers = settings.workers if settings.redis_url is None else 1
    ways = ((Kind.EMAIL, settings.email_url, settings.emails_per_hour), (Kind.MOBILE, settings.sms_url, settings.sms_per_hour))
    per_hour = {kind: max(1, most // workers) for kind, url, most in ways if "notifier" in own or not url.startswith("outbox:")}
    return Spending(throttle=throttle, per_hour=per_hour) if per_hour else None


def storage(settings: Settings) -> Storage:
    if settings.images_url.startswith("s3:"):
        return S3Storage(settings.images_url)
    return FileStorage(settings.data_dir / "images")


def jwks_of(tokens: Any) -> Callable[[], dict[str, object]]:
    """Tokens of an importer's own need not have public keys."""
    found: Callable[[], dict[str, object]] = getattr(tokens, "jwks", lambda: {"keys": []})
    return found


def blocks(database: Any) -> bool:
    """A database of an importer's own does, unless it says that it does not."""
    return bool(getattr(database, "blocks", True))


class Container(containers.DeclarativeContainer):
    """Everything, each once. `settings`, `on_message`, `subscriptions`, `echo` and the names of an importer's `own` ports are
    given."""

    settings = providers.Dependency(instance_of=Settings)
    on_message: providers.Dependency[Callable[[], None]] = providers.Dependency()
    subscriptions = providers.Dependency(instance_of=Subscriptions)
    echo: providers.Dependency[Echo | None] = providers.Dependency()
    own: providers.Dependency[Collection[str]] = providers.Dependency()
    accounts = providers.Object(ACCOUNTS)

    clock = providers.Object(time)
    new_id = providers.Object(new_id)
    watch = providers.Singleton(watch, settings)
    kept = providers.Singleton(  # the port `database`, which an importer may fill
        SqlDatabase,
        settings.provided.accounts_url,
        on_message=on_message,
        on_event=subscriptions.provided.wake,
        accounts=accounts,
    )
    database = providers.Singleton(watched_database, watch, providers.Singleton(announcing, settings, kept, new_id))
    keys = providers.Singleton(WatchedKeys, providers.Singleton(key_shelf, settings, kept))
    tokens = providers.Singleton(JwtTokens, keys, issuer=settings.provided.url, audience=settings.provided.url, clock=clock)
    codes = providers.Singleton(
        HmacCodes, providers.Factory(partial, code_secrets, keys, clock), digits=settings.provided.otp_length
    )
    hasher = providers.Singleton(argon2, settings.provided.password_hash, watch)
    identifiers = providers.Singleton(
        LibraryIdentifiers,
        settings.provided.default_region,
        special_use_domains=settings.provided.test_domains,
        mobile_regions=settings.provided.mobile_regions,
    )
    templates = providers.Singleton(Templates, settings.provided.templates_dir)
    email = providers.Singleton(email_notifier, settings, templates, echo)
    sms = providers.Singleton(sms_notifier, settings, templates, echo)
    notifier = providers.Singleton(
        ChannelNotifier,
        email=providers.Singleton(at_rate, watch, email, settings.provided.email_rate),
        mobile=providers.Singleton(at_rate, watch, sms, settings.provided.sms_rate),
    )
    carriers = providers.Singleton(
        ChannelNotifier, email=notifier, mobile=notifier, webhook=providers.Singleton(webhook_notifier, settings, watch)
    )
    pillow = providers.Singleton(PillowImages)
    images = providers.Singleton(watched_images, watch, pillow)
    storage = providers.Singleton(storage, settings)
    throttle = providers.Singleton(throttle, settings)

    policy = providers.Singleton(
        PasswordPolicy,
        common=providers.Callable(common_passwords),
        service=settings.provided.service_name,
        min_length=settings.provided.password_min_length,
    )
    rules = providers.Singleton(
        AccountRules,
        identifiers=identifiers,
        policy=policy,
        codes=codes,
        clock=clock,
        mobile_required=settings.provided.mobile_required,
        email_validation=settings.provided.email_validation,
        mobile_validation=settings.provided.mobile_validation,
    )
    notices = providers.Singleton(Notices, codes=codes, new_id=new_id)
    sign_in = providers.Singleton(SignIn, tokens=tokens, clock=clock, new_id=new_id, notices=notices)
    sender = providers.Singleton(
        CodeSender,
        database=database,
        codes=codes,
        clock=clock,
        new_id=new_id,
        cooldown=settings.provided.otp_cooldown,
        spending=providers.Singleton(spending, settings, throttle, own),
    )
    check = providers.Singleton(CodeCheck, codes=codes, clock=clock, limits_by_address=settings.provided.rate_limits)
    enter = providers.Singleton(EnterByCode, sign_in=sign_in)

    vestibule = providers.Singleton(
        Vestibule,
        settings=settings,
        register=providers.Singleton(Register, database=database, hasher=hasher, throttle=throttle, rules=rules, clock=clock),
        check_unique=providers.Singleton(CheckUnique, database=database, throttle=throttle, rules=rules, clock=clock),
        log_in=providers.Singleton(
            LogIn,
            database=database,
            hasher=hasher,
            identifiers=identifiers,
            codes=codes,
            sign_in=sign_in,
            clock=clock,
            limits_by_address=settings.provided.rate_limits,
        ),
        authenticate=providers.Singleton(Authenticate, database=database, tokens=tokens, clock=clock),
        refresh=providers.Singleton(Refresh, database=database, tokens=tokens, sign_in=sign_in, clock=clock),
        change_account=providers.Singleton(
            ChangeAccount, database=database, hasher=hasher, rules=rules, clock=clock, notices=notices
        ),
        request_code=providers.Singleton(RequestCode, database=database, identifiers=identifiers, sender=sender),
        verify_code=providers.Singleton(
            VerifyCode, database=database, identifiers=identifiers, check=check, codes=codes, new_id=new_id
        ),
        log_in_by_code=providers.Singleton(LogInByCode, database=database, identifiers=identifiers, check=check, enter=enter),
        request_registration_code=providers.Singleton(RequestRegistrationCode, identifiers=identifiers, sender=sender),
        register_or_log_in=providers.Singleton(
            RegisterOrLogIn, database=database, identifiers=identifiers, check=check, enter=enter
        ),
        reset_password=providers.Singleton(
            ResetPassword, database=database, hasher=hasher, check=check, rules=rules, notices=notices
        ),
        list_sessions=providers.Singleton(ListSessions, database=database, clock=clock),
        end_session=providers.Singleton(EndSession, database=database, clock=clock),
        list_ended_sessions=providers.Singleton(ListEndedSessions, database=database, tokens=tokens, clock=clock),
        set_active=providers.Singleton(SetActive, database=database, identifiers=identifiers, clock=clock),
        upload_image=providers.Singleton(UploadImage, database=database, images=images, storage=storage, clock=clock),
        read_image=providers.Singleton(ReadImage, storage=storage),
        deliver_messages=providers.Singleton(
            DeliverMessages,
            database=database,
            notifier=carriers,
            codes=codes,
            clock=clock,
            service=settings.provided.service_name,
            channels=providers.Singleton(channels, settings),
        ),
        list_messages=providers.Singleton(ListMessages, database=database),
        retry_messages=providers.Singleton(RetryMessages, database=database, clock=clock),
        drop_messages=providers.Singleton(DropMessages, database=database, clock=clock),
        read_journal=providers.Singleton(ReadJournal, database=database),
        read_events=providers.Singleton(ReadEvents, database=database, clock=clock),
        purge=providers.Singleton(Purge, database=database, clock=clock),
        throttle=throttle,
        clock=clock,
        jwks=providers.Callable(jwks_of, tokens),
        check=database.provided.check,
        database_blocks=providers.Callable(blocks, kept),
        subscriptions=subscriptions,
    )


def build(
    settings: Settings | None = None,
    *,
    deliver: bool = True,
    echo: Echo | None = None,
    accounts: AccountsTable = ACCOUNTS,
    **own: Unpack[Adapters],
) -> Building:
    """The use cases on these settings (the defaults where none are given): `with` gives them blocking, `async with` awaited.

    The embedded database is brought to the schema of this program first. With `deliver` threads clear away what has ended, and
    carry messages out as they come unless the setting `courier` is off; without, `deliver_messages` and `purge` wait to be
    called. `echo` is told of each message put in the outbox directory. `accounts` is a table of the importer's
    own, in the database that the settings name; `own` fills ports by adapters of the importer's own.
    Entering the block raises `SettingsError` where these settings cannot work, `TypeError` for a port that there is not, and
    for accounts in a table beside a database of the importer's own.
    """
    settings = settings or Settings()
    return Building(settings, partial(_ready, settings, own, accounts, deliver=deliver, echo=echo))


@contextmanager
def _ready(
    settings: Settings, own: Adapters, accounts: AccountsTable, *, deliver: bool, echo: Echo | None
) -> Iterator[Vestibule]:
    _check_names(own, accounts)
    courier, subscriptions = CourierThread(), Subscriptions()
    check_settings(settings, own=own)
    container = Container(
        settings=settings,
        on_message=courier.wake,
        subscriptions=subscriptions,
        echo=providers.Object(echo),
        own=providers.Object(frozenset(own)),
        accounts=providers.Object(accounts),
    )
    for port, adapter in own.items():
        getattr(container, "kept" if port == "database" else port).override(providers.Object(adapter))
    with ExitStack() as closing_time:
        vestibule = container.vestibule()
        ours = (("database", container.kept), ("throttle", container.throttle), ("hasher", container.hasher))
        for port, made in (*ours, ("images", container.pillow), ("notifier", container.email)):
            if port not in own:
                closing_time.callback(_close, made())
        if isinstance(vestibule.throttle, RedisThrottle) and "throttle" not in own:
            vestibule.throttle.probe()
        closing_time.callback(courier.stop)
        closing_time.callback(subscriptions.stop)
        if deliver:
            courier.start(vestibule.deliver_messages if settings.courier else None, vestibule.purge)
            if "storage" not in own:
                _look_at(container.storage())
        yield vestibule


def _check_names(own: Adapters, accounts: AccountsTable) -> None:
    if "database" in own and accounts is not ACCOUNTS:
        raise TypeError("build() takes a table of accounts or a database of your own, not both.")
    if strange := sorted(own.keys() - Adapters.__annotations__.keys()):
        raise TypeError(f"build() takes no {strange[0]!r}; the ports are {', '.join(Adapters.__annotations__)}.")


def _close(adapter: object) -> None:
    if hasattr(adapter, "close"):
        adapter.close()


def _look_at(storage: Storage) -> None:
    """Beside the start, which a bucket that is slow or away does not hold up."""
    if isinstance(storage, S3Storage):
        Thread(target=storage.probe, name="images").start()


def check_settings(settings: Settings, *, migrating: bool = False, own: Collection[str] = ()) -> None:
    """Makes the data directory, for its owner alone, and brings the embedded database to the schema of this program.

    A server's database is brought there with `migrating` only, and else has to be there already. The first keys are made, but
    with `migrating` none in the database, which may be there to be copied into. What only fills a port of the importer's `own`
    is not looked at. Raises `SettingsError`, one line that names the setting, where these settings cannot work.
    """
    if not {"database", "tokens", "codes", "notifier", "storage"} <= set(own):
        with _naming("DATA_DIR"):
            settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    needs_keys = not {"tokens", "codes"} <= set(own)
    if needs_keys and not settings.secret:
        with _naming("DATA_DIR"):
            open_keys(DirectoryShelf(keys_in(settings)))
    checks = {
        "hasher": _check_hasher,
        "notifier": _check_notifier,
        "throttle": _check_throttle,
        "storage": _check_storage,
        "identifiers": _check_identifiers,
    }
    for port, check in checks.items():
        if port not in own:
            check(settings)
    _check_watching(settings)
    _check_webhook(settings)
    if "database" not in own:
        with _naming("DATABASE_URL"):
            (migrate if migrating else prepare)(settings.accounts_url)
        if needs_keys and not migrating:
            _check_shared_keys(settings)


def _check_hasher(settings: Settings) -> None:
    with _naming("PASSWORD_HASH"):
        argon2(settings.password_hash).close()


def _check_notifier(settings: Settings) -> None:
    with _naming("TEMPLATES_DIR"):
        templates = Templates(settings.templates_dir)
    with _naming("EMAIL_FROM"):
        read_sender(settings.email_from)
    with _naming("EMAIL_URL"):
        email_notifier(settings, templates, None)
    with _naming("SMS_URL"):
        sms_notifier(settings, templates, None)


def _check_throttle(settings: Settings) -> None:
    with _naming("REDIS_URL"):
        throttle(settings)


def _check_storage(settings: Settings) -> None:
    with _naming("IMAGES_URL"):
        may_link = isinstance(storage(settings), S3Storage)
    if settings.images_redirect and not may_link:
        raise SettingsError("VESTIBULE_IMAGES_REDIRECT: there is nowhere to send to, unless VESTIBULE_IMAGES_URL names S3.")


def _check_identifiers(settings: Settings) -> None:
    with _naming("DEFAULT_REGION"):
        LibraryIdentifiers(settings.default_region)
    with _naming("MOBILE_REGIONS"):
        LibraryIdentifiers(mobile_regions=settings.mobile_regions)


def _check_watching(settings: Settings) -> None:
    if settings.metrics_port is not None:
        with _naming("METRICS_PORT"):
            check_extra("metrics", "prometheus_client")
        if settings.metrics_port == settings.port:
            raise SettingsError("VESTIBULE_METRICS_PORT: it is VESTIBULE_PORT; metrics need a port of their own.")
    if settings.traces:
        with _naming("TRACES"):
            check_extra("traces", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def _check_webhook(settings: Settings) -> None:
    with _naming("WEBHOOK_SECRET"):
        read_secrets(settings.webhook_secret)
    with _naming("WEBHOOK_URL"):
        webhook_notifier(settings, Watch())
    if (settings.webhook_url is None) is not (settings.webhook_secret == ()):
        raise SettingsError("VESTIBULE_WEBHOOK_SECRET: it and VESTIBULE_WEBHOOK_URL are set both, or neither.")


def backlog(settings: Settings) -> Sequence[Backlog]:
    """What waits in the outbox now. Raises `Unavailable`."""
    with closing(SqlDatabase(settings.accounts_url)) as database:
        return database.backlog(time())


def _check_shared_keys(settings: Settings) -> None:
    with _naming("SECRET"), closing(SqlDatabase(settings.accounts_url)) as database:
        if settings.secret:
            open_keys(sealed_shelf(settings, database))
        elif database.keys.all():  # a server with other keys would make tokens that are good nowhere else
            raise ValueError(_SEALED)


@contextmanager
def key_keeper(settings: Settings) -> Iterator[KeyKeeper]:
    """For the command line: changes the keys that servers find changed within seconds. Raises `SettingsError`."""
    if not settings.secret:
        yield KeyKeeper(DirectoryShelf(keys_in(settings)))
        return
    with _sealed_shelf_at(settings) as shelf:
        yield KeyKeeper(shelf)


def reseal_keys(settings: Settings) -> int:
    """Seals under the first secret what is under another one; answers how many keys. Raises `SettingsError`."""
    if not settings.secret:
        raise SettingsError("VESTIBULE_SECRET: it is not set, so no keys are sealed under it.")
    with _sealed_shelf_at(settings) as shelf:
        return shelf.reseal()


@contextmanager
def _sealed_shelf_at(settings: Settings) -> Iterator[SealedShelf]:
    """With every kind of key on it."""
    with _naming("DATABASE_URL"):
        prepare(settings.accounts_url)
    with closing(SqlDatabase(settings.accounts_url)) as database:
        shelf = sealed_shelf(settings, database)
        with _naming("SECRET"):
            open_keys(shelf)
        yield shelf


def journal_keys(settings: Settings, note: str) -> None:
    """Writes down that the keys were changed, and how. Raises `SettingsError` where the database cannot take it now."""
    with _naming("DATABASE_URL"):
        prepare(settings.accounts_url)
        with closing(SqlDatabase(settings.accounts_url)) as database, database.begin() as tx:
            tx.journal.add(Event(what=What.KEYS_CHANGED, at=time(), note=note))


def copy_accounts(source: str, target: str, tell: Callable[[str, str, int, int], None]) -> list[Copied]:
    """Copies all that one database holds into an empty one; `tell` hears of "copied" or "compared", table, rows, of how many.

    Raises `ValueError`, one line, and the target is as it was then; `ImportError` where a driver is not installed.
    """
    return copy(source, target, tell)


def back_up_accounts(settings: Settings, file: Path, see: Callable[[frozenset[str]], None]) -> None:
    """The embedded database as of one moment, at which `see` is told what images accounts have. Raises `ValueError`."""
    back_up(settings.accounts_url, file, see)


def look_at_accounts(file: Path) -> Contents:
    """Raises `ValueError`, one line, where the copy of a database is not whole."""
    return look_at(file)


def take_up_accounts(file: Path) -> None:
    """Brings the copy of an embedded database to the schema of this program. Raises `ValueError`, one line."""
    try:
        migrate(url_of_file(file))
    except (SchemaTooNew, Unavailable) as fault:
        raise ValueError(str(fault) or f"{file.name} cannot be used.") from fault


def check_keys(directory: Path) -> None:
    """Makes none. Raises `ValueError`, one line, where a key is no good or a kind has none, and `OSError`."""
    try:
        read_keys(DirectoryShelf(directory))
    except FileNotFoundError:
        raise ValueError(f"There are no keys at {directory}.") from None


def has_sealed_keys(settings: Settings, file: Path) -> bool:
    """Whether the copy of a database has the keys in it. Raises `SettingsError` where the secret does not open them all."""
    with _naming("SECRET"), closing(SqlDatabase(url_of_file(file))) as database:
        if not database.keys.all():
            return False
        if not settings.secret:
            raise ValueError(_SEALED)
        read_keys(sealed_shelf(settings, database))
        return True


@contextmanager
def _naming(setting: str) -> Iterator[None]:
    try:
        yield
    except Unavailable as error:
        why = str(error.__cause__ or "no answer").partition("\n")[0]
        raise SettingsError(f"VESTIBULE_DATABASE_URL: it cannot be used now ({why}).") from error
    except (ValueError, OSError, ImportError, SchemaTooNew, SchemaTooOld) as error:
        raise SettingsError(f"VESTIBULE_{setting}: {error}") from error
