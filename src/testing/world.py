"""A complete Vestibule in memory, for tests of programs that use it."""

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any

from ..adapters.database import MemoryDatabase
from ..adapters.hasher import InsecureHasher
from ..adapters.images import PassThroughImages
from ..adapters.keys import HmacCodes, JwtTokens, KeySet, SymmetricKey
from ..adapters.notifier import MemoryNotifier
from ..adapters.storage import MemoryStorage
from ..application import TRUSTED_CALLER, Account, AuditQuery, Caller, Event, EventType, Identity, TokenSet
from ..application.ports import (
    Admission,
    Codes,
    Devices,
    Hasher,
    Images,
    LegacyDirectory,
    NewId,
    OutgoingMessage,
    PasswordRules,
    RateLimiter,
    RecordedDatabase,
    Storage,
)
from ..entrypoints.container import Container
from ..entrypoints.facade import Vestibule
from ..entrypoints.settings import Settings
from .clock import ManualClock

PASSWORD = "a sea of green glass"  # noqa: S105 — of accounts that exist in tests only
"""The password of accounts that `World.create_account` creates."""

_SECRET = SymmetricKey(1, b"a secret that every test may know")
_token_keys = cache(KeySet.generate)
_CODE_KEYS = KeySet(codes=(_SECRET,), digests=(_SECRET,))


class World(Vestibule):
    """All use cases, wired as by `build`, but with in-memory adapters and a clock that the test sets.

    A world is a `Vestibule`. Domain, use cases, limits, audit log and outbox are those of production. Passwords are hashed in
    microseconds, images are not decoded, and messages stay in memory: reading them delivers the outbox.

    Each port accepts an adapter of your own. `settings` are fields of `Settings`: `World(otp_length=8)`. An unknown name raises
    `TypeError`. Only adapters that you pass need closing.
    """

    clock: ManualClock
    database: RecordedDatabase
    notifier: MemoryNotifier

    def __init__(
        self,
        *,
        database: RecordedDatabase | None = None,
        hasher: Hasher | None = None,
        images: Images | None = None,
        storage: Storage | None = None,
        rate_limiter: RateLimiter | None = None,
        codes: Codes | None = None,
        devices: Devices | None = None,
        admission: Admission | None = None,
        password_rules: PasswordRules | None = None,
        legacy_directory: LegacyDirectory | None = None,
        notifier: MemoryNotifier | None = None,
        new_id: NewId | None = None,
        **settings: Any,
    ) -> None:
        configured, clock = Settings(**settings), ManualClock()
        ports: dict[str, Any] = {
            "clock": clock,
            "sql_database": MemoryDatabase() if database is None else database,
            "hasher": hasher or InsecureHasher(),
            "images": images or PassThroughImages(),
            "storage": storage or MemoryStorage(clock),
            "codes": codes or HmacCodes(_CODE_KEYS, configured.code_length, clock),
            "notifier": notifier or MemoryNotifier(),
            "key_rotation": None,  # all worlds have the same keys
            "tokens": JwtTokens(
                _token_keys(algorithm=configured.token_algorithm),
                issuer=configured.url,
                audience=configured.url,
                clock=clock,
                access_seconds=configured.access_seconds,
            ),
        }
        optional = (
            ("rate_limiter", rate_limiter),
            ("devices", devices),
            ("admission", admission),
            ("password_rules", password_rules),
            ("configured_legacy_directory", legacy_directory),
            ("new_id", new_id),
        )
        ports |= {name: port for name, port in optional if port is not None}
        built = Container(configured, **ports).vestibule()
        super().__init__(**{one.name: getattr(built, one.name) for one in fields(Vestibule)})
        vars(self).update(database=ports["sql_database"], notifier=ports["notifier"])

    # --- messages -----------------------------------------------------------------------------------------------------

    def messages_to(self, address: str) -> Sequence[OutgoingMessage]:
        """Delivers the outbox and returns the messages to this address, the oldest first.

        An email must be spelled as in the account; a mobile may have any spelling.
        """
        recipient = address if "@" in address else self.log_in.identifiers.mobile(address).canonical
        while self.deliver_messages():
            pass
        return [message for message in self.notifier.messages if message.recipient == recipient]

    def codes_at(self, address: str) -> list[str]:
        """Returns the codes that were sent to this address, the oldest first."""
        return [message.values["code"] for message in self.messages_to(address) if "code" in message.values]

    def code_for(self, address: str) -> str:
        """Returns the latest code that was sent to this address. Raises `LookupError` if there is none."""
        codes = self.codes_at(address)
        if not codes:
            raise LookupError(f"no code was sent to {address}")
        return codes[-1]

    # --- accounts -----------------------------------------------------------------------------------------------------

    def create_account(self, username: str = "ann", /, **fields: Any) -> Account:
        """Registers an account with a name, an email and the password `PASSWORD`; `fields` override them.

        Raises the refusals of `register`.
        """
        given = {"name": f"{username.title()} Somebody", "email": f"{username}@mail.example.com", "password": PASSWORD}
        return self.register(**({"username": username} | given | fields))

    def log_in_as(self, username: str = "ann", password: str = PASSWORD, *, caller: Caller = TRUSTED_CALLER) -> Identity:
        """Logs in and returns the identity that use cases take. The account then knows the caller's network.

        Raises the refusals of `log_in`.
        """
        return self.identity(self.log_in(username=username, password=password, caller=caller))

    def identity(self, tokens: TokenSet) -> Identity:
        """Returns the identity of these tokens. Raises the refusals of `authenticate`."""
        return self.authenticate(tokens.access_token)

    def verify_address(self, destination: str, identity: Identity | None = None) -> str:
        """Verifies an address with a code and returns the proof. Advances the clock by the cooldown of codes first.

        With the `identity` of the account that has the address, its password and its sessions stay.
        """
        self.clock.advance(self.settings.otp_cooldown)
        self.request_code(destination=destination)
        code = self.code_for(destination)
        return self.verify_code(destination=destination, verify_otp=code, identity=identity).proof

    def log_in_with_code(self, destination: str) -> TokenSet:
        """Logs in with a code. Advances the clock by the cooldown of codes first."""
        self.clock.advance(self.settings.otp_cooldown)
        self.request_code(destination=destination, is_login=True)
        return self.log_in_by_code(destination=destination, verify_otp=self.code_for(destination))

    # --- audit log ----------------------------------------------------------------------------------------------------

    def events(self, *types: EventType) -> list[Event]:
        """Returns the events of the audit log, the oldest first; with `types` only those of these types."""
        return [event for _, event in self.read_audit_log(AuditQuery()) if not types or event.type in types]


def wrong(code: str) -> str:
    """Returns another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"
