"""Adapters that each break one promise, under the contracts of their ports. Not collected here: `test_contracts` runs it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import count
from time import sleep
from typing import Any
from unicodedata import normalize

import pytest

from vestibule.adapters.database import MemoryDatabase
from vestibule.adapters.database.database import SqlTransaction
from vestibule.adapters.hasher import InsecureHasher
from vestibule.adapters.identifiers import LibraryIdentifiers
from vestibule.adapters.images import PassThroughImages
from vestibule.adapters.keys import HmacCodes, JwtTokens, KeySet
from vestibule.adapters.notifier import MemoryNotifier
from vestibule.adapters.rate_limiter import MemoryRateLimiter
from vestibule.adapters.storage import MemoryStorage
from vestibule.application.ports import AccessClaims, OutgoingMessage
from vestibule.domain.account import Username
from vestibule.domain.rate_limits import RateLimit, SlidingWindow
from vestibule.testing import contracts
from vestibule.testing.contracts.notifier import NotifierHarness, mail_message


class Forgiving(MemoryDatabase):
    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        failed = None
        with super().begin() as tx:
            try:
                yield tx
            except Exception as failure:  # noqa: BLE001 — any failure keeps the change
                failed = failure
        if failed:
            raise failed


class TestRollbackThatDoesNothing(contracts.DatabaseContract):
    @pytest.fixture
    def database(self) -> MemoryDatabase:
        return Forgiving()


class Unlocking(MemoryDatabase):
    """A database whose locks end at once: each call within a transaction is a transaction of its own."""

    @contextmanager
    def begin(self) -> Iterator[Any]:
        yield UnlockedTransaction(super().begin)


class UnlockedTransaction:
    def __init__(self, begin: Callable[[], AbstractContextManager[SqlTransaction]]) -> None:
        self._begin = begin
        self._locks: list[Callable[[SqlTransaction], Any]] = []

    def __getattr__(self, part: str) -> Any:
        return UnlockedPart(self, part)

    def call(self, part: str, method: str, *args: Any, **kwargs: Any) -> Any:
        def apply(tx: SqlTransaction) -> Any:
            return getattr(getattr(tx, part), method)(*args, **kwargs)

        with self._begin() as tx:
            for lock in self._locks:  # so that `save` is allowed
                lock(tx)
            if method.startswith("lock"):
                self._locks.append(apply)
            return apply(tx)


class UnlockedPart:
    def __init__(self, transaction: UnlockedTransaction, part: str) -> None:
        self._transaction = transaction
        self._part = part

    def __getattr__(self, method: str) -> Any:
        return partial(self._transaction.call, self._part, method)


class TestLockThatDoesNotWait(contracts.DatabaseContract):
    @pytest.fixture
    def database(self) -> MemoryDatabase:
        return Unlocking()


class Forgetful(MemoryStorage):
    def put(self, data: bytes) -> str:
        name = super().put(data)
        self.delete(name)
        return name


class TestStorageThatForgets(contracts.StorageContract):
    @pytest.fixture
    def storage(self) -> MemoryStorage:
        return Forgetful()


class Numbering(MemoryStorage):
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.numbers = count(1)

    def put(self, data: bytes) -> str:
        name = str(next(self.numbers))
        self.kept[name] = data
        return name

    def get(self, name: str) -> bytes | None:
        return self.kept.get(name)

    def delete(self, name: str) -> None:
        self.kept.pop(name, None)


class TestStorageWhoseNamesAreGuessed(contracts.StorageContract):
    @pytest.fixture
    def storage(self) -> MemoryStorage:
        return Numbering()


class Hurried(MemoryStorage):
    def names(self, *, older_than: float) -> Iterator[str]:
        return super().names(older_than=0)


class TestStorageThatListsNewImages(contracts.StorageContract):
    @pytest.fixture
    def storage(self) -> MemoryStorage:
        return Hurried()


class Trusting(InsecureHasher):
    def verify(self, password_hash: str | None, password: str) -> bool:
        return True


class TestHasherThatVerifiesEverything(contracts.HasherContract):
    @pytest.fixture
    def hasher(self) -> InsecureHasher:
        return Trusting()


class Truncating(InsecureHasher):
    """Truncates passwords, as bcrypt does."""

    def hash(self, password: str) -> str:
        return super().hash(normalize("NFKC", password)[:72])

    def verify(self, password_hash: str | None, password: str) -> bool:
        return super().verify(password_hash, normalize("NFKC", password)[:72])


class TestHasherThatTruncates(contracts.HasherContract):
    @pytest.fixture
    def hasher(self) -> InsecureHasher:
        return Truncating()


class Impatient(MemoryRateLimiter):
    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        return 0


class TestRateLimiterThatNeverWaits(contracts.RateLimiterContract):
    @pytest.fixture
    def rate_limiter(self) -> MemoryRateLimiter:
        return Impatient()


class Unlocked:
    may_block = False

    def __init__(self) -> None:
        self.windows: dict[str, SlidingWindow] = {}

    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        window = self.windows.get(key, SlidingWindow(key))
        wait = window.retry_after(limits, now)
        sleep(0)  # so that another thread runs in between on every machine
        if wait == 0:
            self.windows[key] = window.with_hit(limits, now)
        return wait


class TestRateLimiterWithoutALock(contracts.RateLimiterContract):
    @pytest.fixture
    def rate_limiter(self) -> Unlocked:
        return Unlocked()


class Pretentious(MemoryNotifier):
    def send_decoy(self, message: OutgoingMessage) -> None:
        self.send(message)


class TestNotifierThatSendsDecoys(contracts.NotifierContract):
    @pytest.fixture
    def harness(self) -> NotifierHarness:
        notifier = Pretentious()

        def arrived() -> list[tuple[str, str]]:
            return [(message.recipient, " ".join(message.values.values())) for message in notifier.messages]

        return NotifierHarness(notifier, mail_message, arrived, lambda: notifier.fail_next(OSError("down")))


class Undying(JwtTokens):
    def verify_access(self, text: str, now: float) -> AccessClaims | None:
        return super().verify_access(text, min(now, 1_700_000_000.0))


class TestTokensThatNeverEnd(contracts.TokensContract):
    @pytest.fixture
    def tokens(self) -> JwtTokens:
        return Undying(KeySet.generate(), issuer="https://accounts.example", audience="https://api.example")


class TestCodesThatAnotherProcessDoesNotKnow(contracts.CodesContract):
    @pytest.fixture
    def codes(self) -> HmacCodes:
        return random_codes()

    same_codes = codes


def random_codes() -> HmacCodes:
    return HmacCodes(KeySet.generate())


class TestImagesThatAreNotDecoded(contracts.ImagesContract):
    @pytest.fixture
    def images(self) -> PassThroughImages:
        return PassThroughImages()


class Repeating:
    def name(self, user_agent: str | None) -> str | None:
        return user_agent or None


class TestDevicesThatRepeatTheUserAgent(contracts.DevicesContract):
    @pytest.fixture
    def devices(self) -> Repeating:
        return Repeating()


class CaseSensitive(LibraryIdentifiers):
    def username(self, text: str, *, reserved: bool = False) -> Username:
        read = super().username(text, reserved=reserved)
        return Username(read.text, read.text)


class TestUsernamesThatDifferByCase(contracts.IdentifiersContract):
    @pytest.fixture
    def identifiers(self) -> LibraryIdentifiers:
        return CaseSensitive()


class TestNothingIsBroken(contracts.DatabaseContract):
    @pytest.fixture
    def database(self) -> MemoryDatabase:
        return MemoryDatabase()
