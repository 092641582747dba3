"""Everything in memory, with a clock that is moved by hand: what the tests of the inside are told in."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from itertools import count
from threading import Barrier
from typing import Any

from vestibule.adapters.codes import CodeSecrets, HmacCodes
from vestibule.adapters.database import MemoryDatabase
from vestibule.adapters.hasher import QuickHasher
from vestibule.adapters.identifiers import LibraryIdentifiers
from vestibule.adapters.imaging import PassThroughImages
from vestibule.adapters.notifier import MemoryNotifier
from vestibule.adapters.storage import MemoryStorage
from vestibule.adapters.throttle import MemoryThrottle
from vestibule.adapters.token import JwtTokens, Keys
from vestibule.application import (
    Account,
    Address,
    Authenticate,
    Caller,
    ChangeAccount,
    CheckUnique,
    DeliverMessages,
    DropMessages,
    EndSession,
    Identity,
    InvalidToken,
    Kind,
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
    Refusal,
    Register,
    RegisterOrLogIn,
    RequestCode,
    RequestRegistrationCode,
    ResetPassword,
    RetryMessages,
    SetActive,
    TokenSet,
    UploadImage,
    VerifyCode,
)
from vestibule.application.codes import CodeCheck, CodeSender, EnterByCode
from vestibule.application.fields import AccountRules
from vestibule.application.notices import Notices
from vestibule.application.ports import Hasher, Letter, NewId, Storage
from vestibule.application.spending import Spending
from vestibule.application.tokens import SignIn
from vestibule.domain.events import Event, What
from vestibule.domain.password import PasswordPolicy

PASSWORD = "a sea of green glass"
OTHER_PASSWORD = "nine quiet orange boats"
COMMON = frozenset({"password", "12345678", "qwertyuiop"})
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
SOMEWHERE = Caller("198.51.100.7")

_KEYS = Keys.generate()
_CODE_SECRETS = CodeSecrets.single(b"a secret that the tests all know")


class Clock:
    """The time, which stands still until it is moved."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


class SlowHasher(QuickHasher):
    """A hasher that remembers which hashes it was asked about, and takes so long that something happens meanwhile."""

    def __init__(self, marker: str = "1") -> None:
        super().__init__(marker)
        self.asked: list[str | None] = []
        self.meanwhile: list[Callable[[], Any]] = []

    def hash(self, password: str) -> str:
        self._take_time()
        return super().hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        self.asked.append(password_hash)
        right = super().verify(password_hash, password)
        self._take_time()
        return right

    def _take_time(self) -> None:
        if self.meanwhile:
            self.meanwhile.pop(0)()


class World:
    """The use cases by the names that `Vestibule` has for them, on adapters in memory, and short words for common steps."""

    def __init__(
        self,
        *,
        cooldown: float = 60.0,
        digits: int = 6,
        default_region: str | None = None,
        mobile_regions: Iterable[str] = (),
        mobile_required: bool = False,
        email_validation: bool = False,
        mobile_validation: bool = False,
        limits_by_address: bool = True,
        codes_per_hour: Mapping[Kind, int] | None = None,
        hasher: Hasher | None = None,
        storage: Storage | None = None,
    ) -> None:
        numbers = count(1)
        self.new_id: NewId = lambda: sha256(f"id {next(numbers)}".encode()).hexdigest()[:26]
        self.clock = Clock()
        self.database = MemoryDatabase()
        self.hasher = hasher or QuickHasher()
        self.storage = storage or MemoryStorage()
        self.notifier = MemoryNotifier()
        self.throttle = MemoryThrottle()
        self.codes = HmacCodes(lambda: _CODE_SECRETS, digits)
        self.tokens = JwtTokens(_KEYS, issuer="https://vestibule.example", audience="https://vestibule.example")
        self.identifiers = LibraryIdentifiers(default_region, mobile_regions=mobile_regions)
        self.rules = AccountRules(
            identifiers=self.identifiers,
            policy=PasswordPolicy(COMMON),
            codes=self.codes,
            clock=self.clock,
            mobile_required=mobile_required,
            email_validation=email_validation,
            mobile_validation=mobile_validation,
        )
        self._build_accounts(limits_by_address)
        self._build_codes(cooldown, limits_by_address, Spending(throttle=self.throttle, per_hour=codes_per_hour or {}))

    def _build_accounts(self, limits_by_address: bool) -> None:
        self.notices = Notices(codes=self.codes, new_id=self.new_id)
        sign_in = SignIn(tokens=self.tokens, clock=self.clock, new_id=self.new_id, notices=self.notices)
        self.enter = EnterByCode(sign_in=sign_in)
        self.register = Register(
            database=self.database, hasher=self.hasher, throttle=self.throttle, rules=self.rules, clock=self.clock
        )
        self.check_unique = CheckUnique(database=self.database, throttle=self.throttle, rules=self.rules, clock=self.clock)
        self.log_in = LogIn(
            database=self.database,
            hasher=self.hasher,
            identifiers=self.identifiers,
            codes=self.codes,
            sign_in=sign_in,
            clock=self.clock,
            limits_by_address=limits_by_address,
        )
        self.authenticate = Authenticate(database=self.database, tokens=self.tokens, clock=self.clock)
        self.refresh = Refresh(database=self.database, tokens=self.tokens, sign_in=sign_in, clock=self.clock)
        self.change_account = ChangeAccount(
            database=self.database, hasher=self.hasher, rules=self.rules, clock=self.clock, notices=self.notices
        )
        self.list_sessions = ListSessions(database=self.database, clock=self.clock)
        self.end_session = EndSession(database=self.database, clock=self.clock)
        self.list_ended_sessions = ListEndedSessions(database=self.database, tokens=self.tokens, clock=self.clock)
        self.set_active = SetActive(database=self.database, identifiers=self.identifiers, clock=self.clock)
        self.list_messages = ListMessages(database=self.database)
        self.retry_messages = RetryMessages(database=self.database, clock=self.clock)
        self.drop_messages = DropMessages(database=self.database, clock=self.clock)
        self.read_journal = ReadJournal(database=self.database)
        self.read_events = ReadEvents(database=self.database, clock=self.clock)
        self.purge = Purge(database=self.database, clock=self.clock)
        self.upload_image = UploadImage(
            database=self.database, images=PassThroughImages(), storage=self.storage, clock=self.clock
        )
        self.read_image = ReadImage(storage=self.storage)

    def _build_codes(self, cooldown: float, limits_by_address: bool, spending: Spending) -> None:
        check = CodeCheck(codes=self.codes, clock=self.clock, limits_by_address=limits_by_address)
        sender = CodeSender(
            database=self.database,
            codes=self.codes,
            clock=self.clock,
            new_id=self.new_id,
            cooldown=cooldown,
            spending=spending if spending.per_hour else None,
        )
        self.request_code = RequestCode(database=self.database, identifiers=self.identifiers, sender=sender)
        self.verify_code = VerifyCode(
            database=self.database, identifiers=self.identifiers, check=check, codes=self.codes, new_id=self.new_id
        )
        self.log_in_by_code = LogInByCode(database=self.database, identifiers=self.identifiers, check=check, enter=self.enter)
        self.request_registration_code = RequestRegistrationCode(identifiers=self.identifiers, sender=sender)
        self.register_or_log_in = RegisterOrLogIn(
            database=self.database, identifiers=self.identifiers, check=check, enter=self.enter
        )
        self.reset_password = ResetPassword(
            database=self.database, hasher=self.hasher, check=check, rules=self.rules, notices=self.notices
        )
        self.build_courier()

    def build_courier(self) -> None:
        self.deliver_messages = DeliverMessages(
            database=self.database, notifier=self.notifier, codes=self.codes, clock=self.clock
        )

    # --- what was sent ------------------------------------------------------------------------------------------------

    def letters_to(self, address: str) -> list[Letter]:
        """What has arrived there, oldest first; the outbox is delivered first."""
        while self.deliver_messages():
            pass
        return [letter for letter in self.notifier.letters if letter.sent_to == address]

    def code_for(self, address: str) -> str:
        """The newest code there."""
        return self.codes_at(address)[-1]

    def codes_at(self, address: str) -> list[str]:
        """The codes that have arrived there, oldest first."""
        return [letter.values["code"] for letter in self.letters_to(address) if "code" in letter.values]

    def send(self, destination: str, **more: Any) -> str:
        """Asks for a code, and reads it where it was asked for."""
        self.request_code(destination=destination, **more)
        return self.code_for(destination)

    # --- people -------------------------------------------------------------------------------------------------------

    def person(self, username: str = "ann", /, **fields: Any) -> Account:
        """A new account, called and addressed after its username unless it is said otherwise."""
        given = {"name": f"{username.title()} Somebody", "email": f"{username}@mail.example.com", "password": PASSWORD}
        return self.register(**({"username": username} | given | fields))

    def prove(self, destination: str, identity: Identity | None = None) -> str:
        """Proves an address by a code, waiting for the cool-down to end first; answers the proof."""
        self.clock.move(61)
        code = self.send(destination)
        return self.verify_code(destination=destination, verify_otp=code, identity=identity).proof

    def enter_by_code(self, destination: str) -> TokenSet:
        self.clock.move(61)
        return self.log_in_by_code(destination=destination, verify_otp=self.send(destination))

    def sign_in(self, username: str = "ann", password: str = PASSWORD) -> Identity:
        return self.identity(self.log_in(username=username, password=password))

    def identity(self, tokens: TokenSet) -> Identity:
        return self.authenticate(tokens.token)

    def is_signed_in(self, tokens: TokenSet) -> bool:
        try:
            self.authenticate(tokens.token)
        except InvalidToken:
            return False
        return True

    def can_log_in(self, username: str = "ann", password: str = PASSWORD) -> bool:
        try:
            self.log_in(username=username, password=password)
        except Refusal:
            return False
        return True

    def now(self, account: Account) -> Account:
        """The account as it is stored now."""
        stored = self.database.accounts.get(account.id)
        assert stored is not None
        return stored

    def alter(self, account: Account, **fields: Any) -> Account:
        """Changes what no use case changes: as an operator would, or an import."""
        with self.database.begin() as tx:
            claimed = tx.accounts.claim(account.id)
            assert claimed is not None
            tx.accounts.save(replace(claimed, **fields))
        return self.now(account)

    def owner(self, address: str) -> Account | None:
        return self.database.accounts.having(self.address(address))

    def address(self, text: str) -> Address:
        return self.identifiers.destination(text)

    def events(self, *kinds: What) -> list[Event]:
        return [event for event in self.database.events if not kinds or event.what in kinds]


def wrong(code: str) -> str:
    """Another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


def outcome(call: Callable[[], Any]) -> Any:
    """What it answers, or the refusal that it raises."""
    try:
        return call()
    except Refusal as refusal:
        return refusal


def together(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """What each answers or refuses when all of them begin at once, each in a thread of its own."""
    every = list(calls)
    start = Barrier(len(every))

    def run(call: Callable[[], Any]) -> Any:
        start.wait(timeout=10)
        return outcome(call)

    with ThreadPoolExecutor(len(every)) as threads:
        return list(threads.map(run, every))
