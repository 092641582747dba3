"""The dependency injection container: every adapter and use case, each built once."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from time import time
from typing import Any

from dependency_injector import containers, providers

from ...adapters.database import SqlDatabase
from ...adapters.identifiers import LibraryIdentifiers
from ...adapters.ids import new_id
from ...adapters.images import PillowImages
from ...adapters.keys import HmacCodes, JwtTokens, ReloadingKeys
from ...adapters.notifier import ChannelNotifier, Templates
from ...application.account import AccountChanger
from ...application.code_checks import CodeLogin, CodeVerifier
from ...application.code_requests import CodeIssuer
from ...application.event_consumer import ReadEvents
from ...application.notifications import Notices
from ...application.tokens import SessionIssuer
from ...application.validation import AccountRules
from ...domain.password import PasswordPolicy
from ..common_passwords import common_passwords
from ..facade import USE_CASES, Vestibule
from ..observability import instrumentation_for
from ..settings import Settings
from ..workers.subscriptions import Subscriptions
from .factories import (
    Echo,
    argon2,
    at_rate,
    blocks,
    channels,
    commit_scope,
    email_notifier,
    enqueue_webhooks,
    jwks_of,
    key_store,
    observed_database,
    observed_images,
    rate_limiter,
    send_quota,
    sms_notifier,
    storage,
    webhook_notifier,
)


def wired(
    kind: Callable[..., Any], namespace: Mapping[str, Any], *, defaults: Collection[str] = ()
) -> providers.Singleton[Any]:
    """Provides a dataclass, filling each field from the provider of its name. Raises `KeyError` for a field without one.

    The fields in `defaults` keep their default values.
    """
    names = [one.name for one in fields(kind) if one.name not in defaults]  # type: ignore[arg-type]  # a class of dataclasses
    return providers.Singleton(kind, **{name: namespace[name] for name in names})


def wired_use_cases(namespace: Mapping[str, Any]) -> providers.Dict:
    return providers.Dict({name: wired(declared.use_case, namespace) for name, declared in USE_CASES.items()})


class Container(containers.DeclarativeContainer):
    """The caller gives `settings` and may override any provider; `overrides` are the names of the ports that an importer fills.

    A provider has the name of the fields that it fills.
    """

    settings = providers.Dependency(instance_of=Settings)
    on_message: providers.Provider[Callable[[], object]] = providers.Object(lambda: None)
    subscriptions = providers.Singleton(Subscriptions)
    echo: providers.Provider[Echo | None] = providers.Object(None)
    overrides: providers.Provider[Collection[str]] = providers.Object(frozenset())

    clock = providers.Object(time)
    new_id = providers.Object(new_id)
    instrumentation = providers.Singleton(instrumentation_for, settings)
    sql_database = providers.Singleton(  # the port `database`, which an importer may fill
        SqlDatabase, settings.provided.accounts_url, on_message=on_message, on_event=subscriptions.provided.notify
    )
    database = providers.Singleton(observed_database, instrumentation, sql_database)
    keys = providers.Singleton(ReloadingKeys, providers.Singleton(key_store, settings, sql_database))
    tokens = providers.Singleton(JwtTokens, keys, issuer=settings.provided.url, audience=settings.provided.url, clock=clock)
    codes = providers.Singleton(HmacCodes, keys, digits=settings.provided.otp_length, clock=clock)
    hasher = providers.Singleton(argon2, settings.provided.password_hash, instrumentation)
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
        email=providers.Singleton(at_rate, instrumentation, email, settings.provided.email_rate),
        mobile=providers.Singleton(at_rate, instrumentation, sms, settings.provided.sms_rate),
    )
    webhook = providers.Singleton(webhook_notifier, settings, instrumentation)
    notifier = providers.Singleton(ChannelNotifier, email=message_notifier, mobile=message_notifier, webhook=webhook)
    pillow = providers.Singleton(PillowImages)
    images = providers.Singleton(observed_images, instrumentation, pillow)
    storage = providers.Singleton(storage, settings)
    rate_limiter = providers.Singleton(rate_limiter, settings)

    cooldown = settings.provided.otp_cooldown
    email_validation = settings.provided.email_validation
    limits_by_network = settings.provided.rate_limits
    mobile_required = settings.provided.mobile_required
    mobile_validation = settings.provided.mobile_validation
    service = settings.provided.service_name
    channels = providers.Singleton(channels, settings)
    send_quota = providers.Singleton(send_quota, settings, rate_limiter, overrides)
    policy = providers.Singleton(
        PasswordPolicy,
        common=providers.Callable(common_passwords),
        service=service,
        min_length=settings.provided.password_min_length,
    )
    rules = wired(AccountRules, locals())
    notices = wired(Notices, locals())
    session_issuer = wired(SessionIssuer, locals())
    code_issuer = wired(CodeIssuer, locals(), defaults={"lifetime"})
    code_verifier = wired(CodeVerifier, locals())
    code_login = wired(CodeLogin, locals())
    account_changer = wired(AccountChanger, locals())

    read_events = wired(ReadEvents, locals())
    enqueue_webhooks = providers.Singleton(enqueue_webhooks, settings, database, read_events, clock)

    vestibule = providers.Singleton(
        Vestibule,
        settings=settings,
        use_cases=wired_use_cases(locals()),
        rate_limiter=rate_limiter,
        clock=clock,
        jwks=providers.Callable(jwks_of, tokens),
        check=database.provided.check,
        database_blocks=providers.Callable(blocks, sql_database),
        commit_scope=providers.Callable(commit_scope, sql_database, rate_limiter, overrides),
        subscriptions=subscriptions,
    )
