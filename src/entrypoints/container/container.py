"""Everything, put together once."""

from collections.abc import Callable, Collection
from functools import partial
from time import time

from dependency_injector import containers, providers

from ...adapters.database import ACCOUNTS, SqlDatabase
from ...adapters.identifiers import LibraryIdentifiers
from ...adapters.ids import new_id
from ...adapters.images import PillowImages
from ...adapters.keys import HmacCodes, JwtTokens, ReloadingKeys
from ...adapters.notifier import ChannelNotifier, Templates
from ...application import (
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
from ...application.account import AccountChanger
from ...application.codes import CodeCheck, CodeSender, CodeSignIn
from ...application.notifications import Notices
from ...application.tokens import SessionIssuer
from ...application.validation import AccountRules
from ...domain.password import PasswordPolicy
from ..common_passwords import common_passwords
from ..facade import Vestibule
from ..observability import watch
from ..settings import Settings
from ..workers.subscriptions import Subscriptions
from .factories import (
    Echo,
    announcing,
    argon2,
    at_rate,
    blocks,
    channels,
    code_secrets,
    commit_scope,
    email_notifier,
    jwks_of,
    key_shelf,
    rate_limiter,
    send_quota,
    sms_notifier,
    storage,
    watched_database,
    watched_images,
    webhook_notifier,
)


class Container(containers.DeclarativeContainer):
    """Everything, each once. `settings`, `on_message`, `subscriptions`, `echo` and the names of an importer's `own` ports are
    given."""

    settings = providers.Dependency(instance_of=Settings)
    on_message: providers.Dependency[Callable[[], None]] = providers.Dependency()
    subscriptions = providers.Dependency(instance_of=Subscriptions)
    echo: providers.Dependency[Echo | None] = providers.Dependency()
    overrides: providers.Dependency[Collection[str]] = providers.Dependency()
    accounts = providers.Object(ACCOUNTS)

    clock = providers.Object(time)
    new_id = providers.Object(new_id)
    watch = providers.Singleton(watch, settings)
    sql_database = providers.Singleton(  # the port `database`, which an importer may fill
        SqlDatabase,
        settings.provided.accounts_url,
        on_message=on_message,
        on_event=subscriptions.provided.wake,
        accounts=accounts,
    )
    database = providers.Singleton(announcing, settings, providers.Singleton(watched_database, watch, sql_database), new_id)
    keys = providers.Singleton(ReloadingKeys, providers.Singleton(key_shelf, settings, sql_database))
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
    message_notifier = providers.Singleton(
        ChannelNotifier,
        email=providers.Singleton(at_rate, watch, email, settings.provided.email_rate),
        mobile=providers.Singleton(at_rate, watch, sms, settings.provided.sms_rate),
    )
    webhook = providers.Singleton(webhook_notifier, settings, watch)
    notifier = providers.Singleton(ChannelNotifier, email=message_notifier, mobile=message_notifier, webhook=webhook)
    pillow = providers.Singleton(PillowImages)
    images = providers.Singleton(watched_images, watch, pillow)
    storage = providers.Singleton(storage, settings)
    rate_limiter = providers.Singleton(rate_limiter, settings)

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
    session_issuer = providers.Singleton(SessionIssuer, tokens=tokens, clock=clock, new_id=new_id, notices=notices)
    code_sender = providers.Singleton(
        CodeSender,
        database=database,
        codes=codes,
        clock=clock,
        new_id=new_id,
        cooldown=settings.provided.otp_cooldown,
        send_quota=providers.Singleton(send_quota, settings, rate_limiter, overrides),
    )
    code_check = providers.Singleton(CodeCheck, codes=codes, clock=clock, limits_by_address=settings.provided.rate_limits)
    code_sign_in = providers.Singleton(CodeSignIn, session_issuer=session_issuer)
    account_changer = providers.Singleton(
        AccountChanger, database=database, hasher=hasher, rules=rules, clock=clock, notices=notices
    )

    vestibule = providers.Singleton(
        Vestibule,
        settings=settings,
        register=providers.Singleton(
            Register, database=database, hasher=hasher, rate_limiter=rate_limiter, rules=rules, clock=clock
        ),
        create_superuser=providers.Singleton(CreateSuperuser, database=database, hasher=hasher, rules=rules, clock=clock),
        check_unique=providers.Singleton(CheckUnique, database=database, rate_limiter=rate_limiter, rules=rules, clock=clock),
        log_in=providers.Singleton(
            LogIn,
            database=database,
            hasher=hasher,
            identifiers=identifiers,
            codes=codes,
            session_issuer=session_issuer,
            clock=clock,
            limits_by_address=settings.provided.rate_limits,
        ),
        authenticate=providers.Singleton(Authenticate, database=database, tokens=tokens, clock=clock),
        authenticate_many=providers.Singleton(AuthenticateMany, database=database, tokens=tokens, clock=clock),
        refresh=providers.Singleton(Refresh, database=database, tokens=tokens, session_issuer=session_issuer, clock=clock),
        change_account=providers.Singleton(ChangeAccount, account_changer=account_changer),
        replace_account=providers.Singleton(ReplaceAccount, account_changer=account_changer),
        request_code=providers.Singleton(RequestCode, database=database, identifiers=identifiers, code_sender=code_sender),
        verify_code=providers.Singleton(
            VerifyCode, database=database, identifiers=identifiers, code_check=code_check, codes=codes, new_id=new_id
        ),
        log_in_by_code=providers.Singleton(
            LogInByCode, database=database, identifiers=identifiers, code_check=code_check, code_sign_in=code_sign_in
        ),
        request_registration_code=providers.Singleton(
            RequestRegistrationCode, identifiers=identifiers, code_sender=code_sender
        ),
        register_or_log_in=providers.Singleton(
            RegisterOrLogIn, database=database, identifiers=identifiers, code_check=code_check, code_sign_in=code_sign_in
        ),
        reset_password=providers.Singleton(
            ResetPassword, database=database, hasher=hasher, code_check=code_check, rules=rules, notices=notices
        ),
        list_sessions=providers.Singleton(ListSessions, database=database, clock=clock),
        end_session=providers.Singleton(EndSession, database=database, clock=clock),
        end_other_sessions=providers.Singleton(EndOtherSessions, database=database, clock=clock),
        list_ended_sessions=providers.Singleton(ListEndedSessions, database=database, tokens=tokens, clock=clock),
        set_active=providers.Singleton(SetActive, database=database, identifiers=identifiers, clock=clock),
        upload_image=providers.Singleton(UploadImage, database=database, images=images, storage=storage, clock=clock),
        read_image=providers.Singleton(ReadImage, storage=storage),
        get_image_url=providers.Singleton(GetImageUrl, storage=storage),
        sweep_images=providers.Singleton(SweepImages, database=database, storage=storage),
        deliver_messages=providers.Singleton(
            DeliverMessages,
            database=database,
            notifier=notifier,
            codes=codes,
            clock=clock,
            service=settings.provided.service_name,
            channels=providers.Singleton(channels, settings),
        ),
        list_messages=providers.Singleton(ListMessages, database=database),
        retry_messages=providers.Singleton(RetryMessages, database=database, clock=clock),
        drop_messages=providers.Singleton(DropMessages, database=database, clock=clock),
        read_audit_log=providers.Singleton(ReadAuditLog, database=database),
        read_events=providers.Singleton(ReadEvents, database=database, clock=clock),
        purge=providers.Singleton(Purge, database=database, clock=clock),
        rate_limiter=rate_limiter,
        clock=clock,
        jwks=providers.Callable(jwks_of, tokens),
        check=database.provided.check,
        database_blocks=providers.Callable(blocks, sql_database),
        commit_scope=providers.Callable(commit_scope, sql_database, rate_limiter, overrides),
        subscriptions=subscriptions,
    )
