"""The composition of a Vestibule: every adapter and use case, each built once."""

from collections.abc import Callable, Collection
from dataclasses import fields
from functools import cached_property, partial
from operator import attrgetter
from time import time
from typing import Any

from ...adapters import ids
from ...adapters.admission import ConfiguredAdmission, EmailDomains
from ...adapters.database import SqlDatabase
from ...adapters.devices import UaParserDevices
from ...adapters.identifiers import LibraryIdentifiers
from ...adapters.images import PillowImages
from ...adapters.keys import HmacCodes, JwtTokens, KeyManager, KeyStore, ReloadingKeys
from ...adapters.notifier import ChannelNotifier, Templates
from ...application.account_limits import AccountLimits
from ...application.code_checks import CodeVerifier, ProofIssuer
from ...application.code_requests import CodeIssuer
from ...application.deletion import DeleteDueAccounts
from ...application.event_consumer import ReadEvents
from ...application.login import FreshLogin
from ...application.notifications import Notices
from ...application.operators import Operators
from ...application.ownership import AccountOpener, AddressReleaser
from ...application.password_attempts import PasswordAttempts
from ...application.ports import (
    Admission,
    Clock,
    Codes,
    Database,
    Devices,
    Hasher,
    Identifiers,
    Images,
    KeyRotation,
    NewId,
    Notifier,
    RateLimiter,
    Storage,
    Tokens,
)
from ...application.send_quota import SendQuota
from ...application.tokens import SessionIssuer
from ...application.validation import AccountRules
from ...application.webhooks import EnqueueWebhooks
from ...domain.password import PasswordPolicy
from ..common_passwords import common_passwords
from ..facade import USE_CASES, Vestibule
from ..observability import Instrumentation, instrumentation_for
from ..settings import Settings
from ..workers.subscriptions import Subscriptions
from . import factories
from .operator import is_token


def build_from_attributes(kind: Callable[..., Any], container: "Container") -> Any:
    """Makes an object of a dataclass; each field takes the value of the container's attribute of its name.

    Raises `AttributeError` for a field without an attribute.
    """
    return kind(**{field.name: getattr(container, field.name) for field in fields(kind)})  # type: ignore[arg-type]  # a dataclass


class Container:
    """Builds each attribute when it is first read, and keeps it.

    `given` are values of attributes that are not to be built: the adapters of the host application, whose ports
    `overrides` names. A use case gets the attributes that are named like its fields (`build_from_attributes`).
    """

    clock: Clock = time
    new_id: NewId = staticmethod(ids.new_id)
    echo: factories.Echo | None = None
    overrides: Collection[str] = frozenset()

    def __init__(self, settings: Settings, **given: Any) -> None:
        if unknown := [name for name in given if not hasattr(type(self), name)]:
            raise TypeError(f"A container has no {unknown[0]!r}.")
        self.settings = settings
        vars(self).update(given)  # a cached property takes the value that is there

    @staticmethod
    def on_message() -> None:
        """Called after each commit that added a message."""

    @cached_property
    def subscriptions(self) -> Subscriptions:
        return Subscriptions()

    @cached_property
    def instrumentation(self) -> Instrumentation:
        return instrumentation_for(self.settings)

    @cached_property
    def sql_database(self) -> SqlDatabase:  # the port `database`, whose adapter the host application may provide
        return SqlDatabase(self.settings.resolved_database_url, on_message=self.on_message, on_event=self.subscriptions.notify)

    @cached_property
    def database(self) -> Database:  # observed; for the use cases
        return self.instrumentation.database(self.sql_database)

    @cached_property
    def key_store(self) -> KeyStore:
        return factories.key_store(self.settings, self.sql_database)

    @cached_property
    def keys(self) -> ReloadingKeys:
        before_first = partial(factories.refuse_first_keys, self.settings, self.sql_database)
        return ReloadingKeys(self.key_store, before_first=before_first, algorithm=self.settings.token_algorithm)

    @cached_property
    def key_rotation(self) -> KeyRotation | None:
        if not factories.rotates_keys(self.settings, self.overrides):
            return None
        days = factories.rotation_days(self.settings, self.overrides)
        return KeyManager(self.key_store, self.clock, algorithm=self.settings.token_algorithm, rotation_days=days)

    @cached_property
    def tokens(self) -> Tokens:
        url, seconds = self.settings.url, self.settings.access_seconds
        return JwtTokens(self.keys, issuer=url, audience=url, clock=self.clock, access_seconds=seconds)

    @cached_property
    def codes(self) -> Codes:
        return HmacCodes(self.keys, digits=self.settings.otp_length, clock=self.clock)

    @cached_property
    def hasher(self) -> Hasher:
        return factories.argon2(self.settings.password_hash, self.instrumentation)

    @cached_property
    def identifiers(self) -> Identifiers:
        return LibraryIdentifiers(
            self.settings.default_region,
            special_use_domains=self.settings.accepts_test_domains,
            mobile_regions=self.settings.mobile_regions,
        )

    @cached_property
    def admission(self) -> Admission:
        domains = EmailDomains(self.settings.email_domains, refuses_disposable=not self.settings.disposable_domains)
        return ConfiguredAdmission(self.settings.registration, domains)

    @cached_property
    def devices(self) -> Devices:
        return UaParserDevices()

    @cached_property
    def templates(self) -> Templates:
        return Templates(self.settings.templates_dir)

    @cached_property
    def email_notifier(self) -> Notifier:
        return factories.email_notifier(self.settings, self.templates, self.echo)

    @cached_property
    def sms_notifier(self) -> Notifier:
        return factories.sms_notifier(self.settings, self.templates, self.echo)

    @cached_property
    def mail_and_sms_notifier(self) -> Notifier:  # the port `notifier`, whose adapter the host application may provide
        return ChannelNotifier(
            email=factories.at_rate(self.instrumentation, self.email_notifier, self.settings.email_rate),
            mobile=factories.at_rate(self.instrumentation, self.sms_notifier, self.settings.sms_rate),
        )

    @cached_property
    def webhook_notifier(self) -> Notifier | None:
        return factories.webhook_notifier(self.settings, self.instrumentation)

    @cached_property
    def notifier(self) -> Notifier:  # for the use cases; adds the webhooks
        both = self.mail_and_sms_notifier
        return ChannelNotifier(email=both, mobile=both, webhook=self.webhook_notifier)

    @cached_property
    def pillow(self) -> Images:
        return PillowImages()

    @cached_property
    def images(self) -> Images:
        return self.instrumentation.images(self.pillow)

    @cached_property
    def storage(self) -> Storage:
        return factories.storage(self.settings)

    @cached_property
    def rate_limiter(self) -> RateLimiter:
        return factories.rate_limiter(self.settings)

    @cached_property
    def send_quota(self) -> SendQuota | None:
        return factories.send_quota(self.settings, self.rate_limiter, self.clock, self.overrides)

    @cached_property
    def policy(self) -> PasswordPolicy:
        return PasswordPolicy(common=common_passwords(), service=self.service, min_length=self.settings.password_min_length)

    @cached_property
    def enqueue_webhooks(self) -> EnqueueWebhooks | None:
        return factories.enqueue_webhooks(self.settings, self.database, self.read_events, self.clock)

    records = property(attrgetter("sql_database.records"))
    code_lifetime = property(attrgetter("settings.otp_seconds"))
    cooldown = property(attrgetter("settings.code_cooldown"))
    limits = property(attrgetter("settings.effective_limits"))
    fresh_login_seconds = property(attrgetter("settings.fresh_login"))
    deletion_seconds = property(attrgetter("settings.deletion_seconds"))
    recovery_seconds = property(attrgetter("settings.recovery_seconds"))
    email_verification_required = property(attrgetter("settings.email_validation"))
    limits_by_ip_address = property(attrgetter("settings.rate_limits"))  # off lifts these; limits by identifier remain
    mobile_required = property(attrgetter("settings.mobile_required"))
    mobile_verification_required = property(attrgetter("settings.mobile_validation"))
    service = property(attrgetter("settings.service_name"))
    token_claims = property(attrgetter("settings.token_claims"))
    session_lifetime = property(attrgetter("settings.session_lifetime"))
    max_sessions = property(attrgetter("settings.max_sessions"))
    channels = cached_property(lambda self: factories.channels(self.settings))

    rules = cached_property(partial(build_from_attributes, AccountRules))
    notices = cached_property(partial(build_from_attributes, Notices))
    password_attempts = cached_property(partial(build_from_attributes, PasswordAttempts))
    fresh_login = cached_property(partial(build_from_attributes, FreshLogin))
    operators = cached_property(partial(build_from_attributes, Operators))
    account_limits = cached_property(partial(build_from_attributes, AccountLimits))
    delete_due_accounts = cached_property(partial(build_from_attributes, DeleteDueAccounts))
    session_issuer = cached_property(partial(build_from_attributes, SessionIssuer))
    account_opener = cached_property(partial(build_from_attributes, AccountOpener))
    address_releaser = cached_property(partial(build_from_attributes, AddressReleaser))
    proof_issuer = cached_property(partial(build_from_attributes, ProofIssuer))
    code_issuer = cached_property(partial(build_from_attributes, CodeIssuer))
    code_verifier = cached_property(partial(build_from_attributes, CodeVerifier))
    read_events = cached_property(partial(build_from_attributes, ReadEvents))

    @cached_property
    def vestibule(self) -> Vestibule:
        return Vestibule(
            settings=self.settings,
            use_cases={name: build_from_attributes(declared.use_case, self) for name, declared in USE_CASES.items()},
            rate_limiter=self.rate_limiter,
            admission=self.admission,
            clock=self.clock,
            jwks=factories.jwks_of(self.tokens),
            check=self.database.check,
            is_operator=partial(is_token, self.codes, self.clock),
            database_may_block=self.sql_database.may_block,
            group_commit=factories.group_commit(self.sql_database, self.rate_limiter, self.admission, self.overrides),
            hashing_share=factories.hashing_share(self.settings, self.hasher),
            subscriptions=self.subscriptions,
            read_outbox_files=factories.outbox_files(self.settings),
        )
