"""The dependency injection container: every adapter and use case, each built once."""

from collections.abc import Callable, Collection
from dataclasses import fields
from functools import partial
from time import time
from typing import Any

from dependency_injector import providers  # `containers` would import every web framework that is installed

from ...adapters import ids
from ...adapters.database import SqlDatabase, rehearsal_database
from ...adapters.devices import UaParserDevices
from ...adapters.identifiers import LibraryIdentifiers
from ...adapters.images import PillowImages
from ...adapters.keys import HmacCodes, JwtTokens, ReloadingKeys
from ...adapters.notifier import ChannelNotifier, Templates
from ...application.account_limits import AccountLimits
from ...application.code_checks import CodeVerifier, ProofIssuer
from ...application.code_requests import CodeIssuer
from ...application.deletion import DeleteDueAccounts
from ...application.event_consumer import ReadEvents
from ...application.fresh_login import FreshLogin
from ...application.legacy_login import LegacyLogin
from ...application.notifications import Notices
from ...application.operators import Operators
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
from .operator import is_token


def build_from_providers(kind: Callable[..., Any], container: "Container") -> Any:
    """Makes an object of a dataclass; each field takes the value of the container's provider of its name.

    Raises `AttributeError` for a field without a provider.
    """
    return kind(**{field.name: getattr(container, field.name)() for field in fields(kind)})  # type: ignore[arg-type]  # a dataclass


class Container:
    """The providers of adapters and use cases. Each builds its object when it is first called, and keeps it.

    `given` are objects in place of those that a provider would build: the adapters of the host application, whose ports
    `overrides` names. `build_from_providers` gives each field of a use case the value of the provider of that name, so a
    provider is named like the fields that take its value.
    """

    def __init__(self, settings: Settings, **given: Any) -> None:  # noqa: PLR0915 — a list
        self.settings = providers.Object(settings)
        provided = self.settings.provided
        self.on_message: providers.Provider[Callable[[], object]] = providers.Object(lambda: None)
        self.subscriptions = providers.Singleton(Subscriptions)
        self.echo: providers.Provider[factories.Echo | None] = providers.Object(None)
        self.overrides: providers.Provider[Collection[str]] = providers.Object(frozenset())

        self.clock = providers.Object(time)
        self.new_id = providers.Object(ids.new_id)
        self.instrumentation = providers.Singleton(instrumentation_for, self.settings)
        self.sql_database = providers.Singleton(  # the port `database`, whose adapter the host application may provide
            SqlDatabase,
            provided.resolved_database_url,
            on_message=self.on_message,
            on_event=self.subscriptions.provided.notify,
            mobile_region=providers.Callable(factories.mobile_region, self.settings, self.overrides),
        )
        # Observed, for the use cases:
        self.database = providers.Singleton(Instrumentation.database, self.instrumentation, self.sql_database)
        self.key_store = providers.Singleton(factories.key_store, self.settings, self.sql_database)
        self.keys = providers.Singleton(
            ReloadingKeys,
            self.key_store,
            before_first=providers.Callable(partial, factories.refuse_first_keys, self.settings, self.sql_database),
            algorithm=provided.token_algorithm,
        )
        self.key_rotation = providers.Singleton(
            factories.key_rotation, self.settings, self.overrides, self.key_store, self.clock
        )
        self.tokens = providers.Singleton(
            JwtTokens,
            self.keys,
            issuer=provided.url,
            audience=provided.url,
            clock=self.clock,
            access_seconds=provided.access_seconds,
        )
        self.codes = providers.Singleton(HmacCodes, self.keys, digits=provided.code_length, clock=self.clock)
        self.hasher = providers.Singleton(
            factories.argon2,
            provided.password_hash,
            self.instrumentation,
            workers=provided.workers,
            firebase_signer_key=provided.firebase_signer_key,
        )
        self.identifiers = providers.Singleton(
            LibraryIdentifiers,
            provided.default_region,
            special_use_domains=provided.accepts_test_domains,
            mobile_regions=provided.mobile_regions,
        )
        self.admission = providers.Singleton(factories.admission, self.settings)
        self.password_rules = providers.Singleton(factories.password_rules, self.settings, self.instrumentation)
        self.configured_legacy_directory = providers.Singleton(  # the port `legacy_directory`, which may be overridden
            factories.legacy_directory, self.settings
        )
        self.legacy_directory = providers.Singleton(  # observed and bounded, for the use cases; None without one
            factories.bounded_directory, self.instrumentation, self.configured_legacy_directory
        )
        self.devices = providers.Singleton(UaParserDevices)
        self.templates = providers.Singleton(Templates, provided.templates_dir)
        self.email_notifier = providers.Singleton(factories.email_notifier, self.settings, self.templates, self.echo)
        self.sms_notifier = providers.Singleton(factories.sms_notifier, self.settings, self.templates, self.echo)
        self.mail_and_sms_notifier = providers.Singleton(  # the port `notifier`, whose adapter the host application may provide
            ChannelNotifier,
            email=providers.Singleton(factories.at_rate, self.instrumentation, self.email_notifier, provided.email_rate),
            mobile=providers.Singleton(factories.at_rate, self.instrumentation, self.sms_notifier, provided.sms_rate),
        )
        self.webhook_notifier = providers.Singleton(factories.webhook_notifier, self.settings, self.instrumentation)
        self.notifier = providers.Singleton(  # for the use cases; adds the webhooks
            ChannelNotifier, email=self.mail_and_sms_notifier, mobile=self.mail_and_sms_notifier, webhook=self.webhook_notifier
        )
        self.pillow = providers.Singleton(PillowImages)
        self.images = providers.Singleton(Instrumentation.images, self.instrumentation, self.pillow)
        self.storage = providers.Singleton(factories.storage, self.settings)
        self.rate_limiter = providers.Singleton(factories.rate_limiter, self.settings)

        self.rehearsal_database = providers.Object(rehearsal_database)
        self.records = self.sql_database.provided.records
        self.code_lifetime = provided.otp_seconds
        self.cooldown = provided.code_cooldown
        self.limits = provided.effective_limits
        self.fresh_login_seconds = provided.fresh_login
        self.deletion_seconds = provided.deletion_seconds
        self.recovery_seconds = provided.recovery_seconds
        self.email_verification_required = provided.email_validation
        self.limits_by_ip_address = provided.rate_limits  # off lifts these; limits by identifier remain
        self.mobile_required = provided.mobile_required
        self.mobile_verification_required = provided.mobile_validation
        self.service = provided.service_name
        self.invitation_url = provided.invitation_url
        self.token_claims = provided.access_claims
        self.rotates_refresh_tokens = provided.rotates_refresh_tokens
        self.session_lifetime = provided.session_lifetime
        self.max_sessions = provided.max_sessions
        self.channels = providers.Singleton(factories.channels, self.settings)
        self.send_quota = providers.Singleton(
            factories.send_quota, self.settings, self.rate_limiter, self.clock, self.overrides
        )
        self.policy = providers.Singleton(
            PasswordPolicy,
            common=providers.Callable(common_passwords),
            service=self.service,
            min_length=provided.password_min_length,
        )
        self.rules = self._singleton(AccountRules)
        self.notices = self._singleton(Notices)
        self.password_attempts = self._singleton(PasswordAttempts)
        self.fresh_login = self._singleton(FreshLogin)
        self.operators = self._singleton(Operators)
        self.account_limits = self._singleton(AccountLimits)
        self.delete_due_accounts = self._singleton(DeleteDueAccounts)
        self.session_issuer = self._singleton(SessionIssuer)
        self.legacy_login = self._singleton(LegacyLogin)
        self.account_opener = self._singleton(AccountOpener)
        self.address_releaser = self._singleton(AddressReleaser)
        self.proof_issuer = self._singleton(ProofIssuer)
        self.code_issuer = self._singleton(CodeIssuer)
        self.code_verifier = self._singleton(CodeVerifier)
        self.read_events = self._singleton(ReadEvents)
        self.enqueue_webhooks = providers.Singleton(
            factories.enqueue_webhooks, self.settings, self.database, self.read_events, self.clock
        )
        self.vestibule = providers.Singleton(
            Vestibule,
            settings=self.settings,
            use_cases=providers.Callable(self._use_cases),
            rate_limiter=self.rate_limiter,
            admission=self.admission,
            clock=self.clock,
            jwks=providers.Callable(factories.jwks_of, self.tokens),
            check=self.database.provided.check,
            is_operator=providers.Callable(partial, is_token, self.codes, self.clock),
            database_may_block=self.sql_database.provided.may_block,
            group_commit=providers.Callable(
                factories.group_commit, self.sql_database, self.rate_limiter, self.admission, self.overrides
            ),
            hashing_share=providers.Callable(factories.hashing_share, self.settings, self.hasher),
            subscriptions=self.subscriptions,
            read_outbox_files=providers.Callable(factories.outbox_files, self.settings),
        )
        for name, value in given.items():
            getattr(self, name).override(providers.Object(value))

    def _singleton(self, kind: Callable[..., Any]) -> providers.Singleton[Any]:
        return providers.Singleton(build_from_providers, kind, providers.Object(self))

    def _use_cases(self) -> dict[str, object]:
        return {name: build_from_providers(declared.use_case, self) for name, declared in USE_CASES.items()}
