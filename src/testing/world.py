"""All of Vestibule with nothing around it: for tests of programs that use it."""

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any

from dependency_injector import providers

from ..adapters.database import MemoryDatabase
from ..adapters.hasher import InsecureHasher
from ..adapters.images import PassThroughImages
from ..adapters.keys import CodeSecrets, HmacCodes, JwtTokens, Keys
from ..adapters.notifier import MemoryNotifier
from ..adapters.storage import MemoryStorage
from ..application import Account, AuditQuery, Event, EventType, Identity, TokenSet
from ..application.ports import Codes, Database, Hasher, Images, NewId, OutgoingMessage, RateLimiter, Storage
from ..entrypoints.container import Container
from ..entrypoints.facade import Vestibule
from ..entrypoints.settings import Settings
from ..entrypoints.workers.subscriptions import Subscriptions
from .clock import ManualClock

PASSWORD = "a sea of green glass"  # noqa: S105 — of people who do not exist
"""Of everybody whom `World.person` makes."""

_CODE_SECRETS = CodeSecrets.single(b"a secret that every test may know")


class World(Vestibule):
    """Every use case, as `build` would make them, but on adapters in memory, at once, and with a clock that is moved by hand.

    It is a `Vestibule`, so whatever takes one takes a world. Domain, use cases, limits, journal and outbox are the real ones.
    Passwords are hashed in microseconds, pictures are taken as they come, and letters stay in memory; nothing is delivered
    until somebody looks. The ports can be filled by adapters of one's own. `settings` are those of `Settings`, by name:
    `World(otp_length=8)`; a name that is none raises `TypeError`. Nothing has to be closed but what was given.
    """

    clock: ManualClock
    database: Database
    notifier: MemoryNotifier

    def __init__(
        self,
        *,
        database: Database | None = None,
        hasher: Hasher | None = None,
        images: Images | None = None,
        storage: Storage | None = None,
        rate_limiter: RateLimiter | None = None,
        codes: Codes | None = None,
        notifier: MemoryNotifier | None = None,
        new_id: NewId | None = None,
        **settings: Any,
    ) -> None:
        known, clock = Settings(**settings), ManualClock()
        ports: dict[str, Any] = {
            "clock": clock,
            "database": MemoryDatabase() if database is None else database,
            "hasher": hasher or InsecureHasher(),
            "images": images or PassThroughImages(),
            "storage": storage or MemoryStorage(clock),
            "codes": codes or HmacCodes(lambda: _CODE_SECRETS, known.otp_length),
            "notifier": notifier or MemoryNotifier(),
        }
        ports |= {name: port for name, port in (("rate_limiter", rate_limiter), ("new_id", new_id)) if port is not None}
        tokens = JwtTokens(_keys(), issuer=known.url, audience=known.url, clock=clock)
        container = Container(
            settings=known,
            echo=providers.Object(None),
            on_message=_nobody_waits,
            subscriptions=Subscriptions(),
            overrides=providers.Object(frozenset[str]()),
            tokens=tokens,
            sql_database=ports["database"],
            message_notifier=ports["notifier"],
            **{name: port for name, port in ports.items() if name != "database"},
        )
        built = container.vestibule()
        super().__init__(**{one.name: getattr(built, one.name) for one in fields(Vestibule)})
        for name in ("database", "notifier"):
            object.__setattr__(self, name, ports[name])

    # --- what was sent ------------------------------------------------------------------------------------------------

    def messages_to(self, address: str) -> Sequence[OutgoingMessage]:
        """What has arrived there, the oldest first, after all that waits in the outbox was delivered.

        An email is meant as it is written; a mobile in any spelling.
        """
        sent_to = address if "@" in address else self.log_in.identifiers.mobile(address).canonical
        while self.deliver_messages():
            pass
        return [letter for letter in self.notifier.messages if letter.recipient == sent_to]

    def codes_at(self, address: str) -> list[str]:
        """The codes that have arrived there, the oldest first."""
        return [letter.values["code"] for letter in self.messages_to(address) if "code" in letter.values]

    def code_for(self, address: str) -> str:
        """The code that arrived there last. Raises `LookupError` where none has."""
        codes = self.codes_at(address)
        if not codes:
            raise LookupError(f"no code has gone to {address}")
        return codes[-1]

    # --- people -------------------------------------------------------------------------------------------------------

    def create_account(self, username: str = "ann", /, **fields: Any) -> Account:
        """A new account, called and addressed after its username, with the password `PASSWORD`; `fields` say it otherwise.

        Raises what `register` raises.
        """
        given = {"name": f"{username.title()} Somebody", "email": f"{username}@mail.example.com", "password": PASSWORD}
        return self.register(**({"username": username} | given | fields))

    def sign_in(self, username: str = "ann", password: str = PASSWORD) -> Identity:
        """Somebody's own login, as use cases take it. Raises what `log_in` raises."""
        return self.identity(self.log_in(username=username, password=password))

    def identity(self, tokens: TokenSet) -> Identity:
        """Whose tokens they are. Raises what `authenticate` raises."""
        return self.authenticate(tokens.token)

    def prove(self, destination: str, identity: Identity | None = None) -> str:
        """Proves an address by a code, after the cool-down of the one before it; answers the proof.

        With the `identity` of the account that has the address all that was set there stays.
        """
        self.clock.advance(self.settings.otp_cooldown)
        self.request_code(destination=destination)
        code = self.code_for(destination)
        return self.verify_code(destination=destination, verify_otp=code, identity=identity).proof

    def log_in_with_code(self, destination: str) -> TokenSet:
        """Logs in by a code, after the cool-down of the one before it."""
        self.clock.advance(self.settings.otp_cooldown)
        self.request_code(destination=destination, is_login=True)
        return self.log_in_by_code(destination=destination, verify_otp=self.code_for(destination))

    # --- what happened ------------------------------------------------------------------------------------------------

    def events(self, *kinds: EventType) -> list[Event]:
        """What the journal holds, the oldest first: all, or what is of these kinds."""
        return [event for _, event in self.read_audit_log(AuditQuery()) if not kinds or event.type in kinds]


def wrong(code: str) -> str:
    """Another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


@cache
def _keys() -> Keys:
    return Keys.generate()


def _nobody_waits() -> None:
    """There is no courier to wake: letters are delivered when somebody looks."""
