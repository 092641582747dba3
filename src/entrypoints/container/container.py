"""The dependency injection container: every adapter and use case, each built once."""

from collections.abc import Callable, Collection
from dataclasses import fields
from functools import partial
from time import time
from typing import Any

from dependency_injector import containers, providers

from ...adapters import ids
from ...adapters.database import SqlDatabase
from ...adapters.devices import UaParserDevices
from ...adapters.identifiers import LibraryIdentifiers
from ...adapters.images import PillowImages
from ...adapters.keys import HmacCodes, JwtTokens, ReloadingKeys
from ...adapters.notifier import ChannelNotifier, Templates
from ...application.code_checks import CodeVerifier, ProofIssuer
from ...application.code_requests import CodeIssuer
from ...application.deletion import DeleteDueAccounts
from ...application.event_consumer import ReadEvents
from ...application.login import FreshLogin
from ...application.notifications import Notices
from ...application.ownership import AccountOpener, AddressReleaser
from ...application.password_attempts import PasswordAttempts
from ...application.tokens import SessionIssuer
from ...application.validation import AccountRules
from ...domain.password import PasswordPolicy
from ..common_passwords import common_passwords
from ..facade import USE_CASES, Vestibule
from ..observability import Instrumentation, instrumentation_for
from ..settings import Settings
from ..workers.subscriptions import Subscriptions
from . import factories


def build_from_providers(
    kind: Callable[..., Any], container: containers.Container, *, keep_defaults: Collection[str] = ()
) -> Any:
    """Makes an object of a dataclass; each field takes the value of the container's provider of its name.

    Fields in `keep_defaults` keep their default values. Raises `AttributeError` for any other field without a provider.
    """
    names = [field.name for field in fields(kind) if field.name not in keep_defaults]  # type: ignore[arg-type]  # a dataclass
    return kind(**{name: getattr(container, name)() for name in names})


def use_cases(container: containers.Container) -> dict[str, object]:
    return {name: build_from_providers(declared.use_case, container) for name, declared in USE_CASES.items()}


class Container(containers.DeclarativeContainer):
    """The caller gives `settings` and may override any provider.

    `overrides` names the ports whose adapters the host application provides. `build_from_providers` gives each
    field of a use case the value of the provider of that name, so a provider is named like the fields that take its value.
    """

    container: providers.Provider[containers.Container] = providers.Self()
    settings = providers.Dependency(instance_of=Settings)
    on_message: providers.Provider[Callable[[], object]] = providers.Object(lambda: None)
    subscriptions = providers.Singleton(Subscriptions)
    echo: providers.Provider[factories.Echo | None] = providers.Object(None)
    overrides: providers.Provider[Collection[str]] = providers.Object(frozenset())

    clock = providers.Object(time)
    new_id = providers.Object(ids.new_id)
    instrumentation = providers.Singleton(instrumentation_for, settings)
    sql_database = providers.Singleton(  # the port `database`, whose adapter the host application may provide
        SqlDatabase, settings.provided.resolved_database_url, on_message=on_message, on_event=subscriptions.provided.notify
    )
    database = providers.Singleton(Instrumentation.database, instrumentation, sql_database)  # observed; for the use cases
    keys = providers.Singleton(
        ReloadingKeys,
        providers.Singleton(factories.key_store, settings, sql_database),
        before_first=providers.Callable(partial, factories.refuse_first_keys, settings, sql_database),
    )
    tokens = providers.Singleton(
        JwtTokens,
        keys,
        issuer=settings.provided.url,
        audience=settings.provided.url,
        clock=clock,
        access_seconds=settings.provided.access_seconds,
    )
    codes = providers.Singleton(HmacCodes, keys, digits=settings.provided.otp_length, clock=clock)
    hasher = providers.Singleton(factories.argon2, settings.provided.password_hash, instrumentation)
    identifiers = providers.Singleton(
        LibraryIdentifiers,
        settings.provided.default_region,
        special_use_domains=settings.provided.accepts_test_domains,
        mobile_regions=settings.provided.mobile_regions,
    )
    devices = providers.Singleton(UaParserDevices)
    records = sql_database.provided.records
    templates = providers.Singleton(Templates, settings.provided.templates_dir)
    email_notifier = providers.Singleton(factories.email_notifier, settings, templates, echo)
    sms_notifier = providers.Singleton(factories.sms_notifier, settings, templates, echo)
    mail_and_sms_notifier = providers.Singleton(  # the port `notifier`, whose adapter the host application may provide
        ChannelNotifier,
        email=providers.Singleton(factories.at_rate, instrumentation, email_notifier, settings.provided.email_rate),
        mobile=providers.Singleton(factories.at_rate, instrumentation, sms_notifier, settings.provided.sms_rate),
    )
    webhook_notifier = providers.Singleton(factories.webhook_notifier, settings, instrumentation)
    notifier = providers.Singleton(  # for the use cases; adds the webhooks
        ChannelNotifier, email=mail_and_sms_notifier, mobile=mail_and_sms_notifier, webhook=webhook_notifier
    )
    pillow = providers.Singleton(PillowImages)
    images = providers.Singleton(Instrumentation.images, instrumentation, pillow)
    storage = providers.Singleton(factories.storage, settings)
    rate_limiter = providers.Singleton(factories.rate_limiter, settings)

    code_lifetime = settings.provided.otp_seconds
    cooldown = settings.provided.code_cooldown
    limits = settings.provided.effective_limits
    fresh_login_seconds = settings.provided.fresh_login
    deletion_seconds = settings.provided.deletion_seconds
    recovery_seconds = settings.provided.recovery_seconds
    email_verification_required = settings.provided.email_validation
    limits_by_ip_address = settings.provided.rate_limits  # off lifts these; limits by identifier remain
    mobile_required = settings.provided.mobile_required
    mobile_verification_required = settings.provided.mobile_validation
    service = settings.provided.service_name
    token_claims = settings.provided.token_claims
    session_lifetime = settings.provided.session_lifetime
    max_sessions = settings.provided.max_sessions
    channels = providers.Singleton(factories.channels, settings)
    send_quota = providers.Singleton(factories.send_quota, settings, rate_limiter, clock, overrides)
    policy = providers.Singleton(
        PasswordPolicy,
        common=providers.Callable(common_passwords),
        service=service,
        min_length=settings.provided.password_min_length,
    )
    rules = providers.Singleton(build_from_providers, AccountRules, container)
    notices = providers.Singleton(build_from_providers, Notices, container)
    password_attempts = providers.Singleton(build_from_providers, PasswordAttempts, container)
    fresh_login = providers.Singleton(build_from_providers, FreshLogin, container)
    delete_due_accounts = providers.Singleton(build_from_providers, DeleteDueAccounts, container)
    session_issuer = providers.Singleton(build_from_providers, SessionIssuer, container)
    account_opener = providers.Singleton(build_from_providers, AccountOpener, container)
    address_releaser = providers.Singleton(build_from_providers, AddressReleaser, container)
    proof_issuer = providers.Singleton(build_from_providers, ProofIssuer, container)
    code_issuer = providers.Singleton(build_from_providers, CodeIssuer, container)
    code_verifier = providers.Singleton(build_from_providers, CodeVerifier, container)

    read_events = providers.Singleton(build_from_providers, ReadEvents, container)
    enqueue_webhooks = providers.Singleton(factories.enqueue_webhooks, settings, database, read_events, clock)

    vestibule = providers.Singleton(
        Vestibule,
        settings=settings,
        use_cases=providers.Callable(use_cases, container),
        rate_limiter=rate_limiter,
        clock=clock,
        jwks=providers.Callable(factories.jwks_of, tokens),
        check=database.provided.check,
        database_may_block=sql_database.provided.may_block,
        group_commit=providers.Callable(factories.group_commit, sql_database, rate_limiter, overrides),
        hashing_share=providers.Callable(factories.hashing_share, settings, hasher),
        subscriptions=subscriptions,
        read_outbox_files=providers.Callable(factories.outbox_files, settings),
    )
