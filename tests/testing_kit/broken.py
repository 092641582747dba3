"""Adapters that each break one promise, under the contracts of their ports. Not collected here: `test_contracts` runs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from secrets import token_hex
from time import sleep
from unicodedata import normalize

import pytest

from vestibule.adapters.database import MemoryDatabase
from vestibule.adapters.database.memory import MemoryTransaction
from vestibule.adapters.hasher import QuickHasher
from vestibule.adapters.identifiers import LibraryIdentifiers
from vestibule.adapters.images import PassThroughImages
from vestibule.adapters.keys import CodeSecrets, HmacCodes, JwtTokens, Keys
from vestibule.adapters.notifier import MemoryNotifier
from vestibule.adapters.rate_limiter import MemoryThrottle
from vestibule.adapters.storage import MemoryStorage
from vestibule.application.ports import Claims, Letter
from vestibule.domain.account import Username
from vestibule.domain.rate_limits import Limit, Tally
from vestibule.testing import contracts
from vestibule.testing.contracts.notifier import Post, mail_letter


class Forgiving(MemoryDatabase):
    @contextmanager
    def begin(self) -> Iterator[MemoryTransaction]:
        failed = None
        with super().begin() as tx:
            try:
                yield tx
            except Exception as failure:  # noqa: BLE001 — whatever it was, the change stays
                failed = failure
        if failed:
            raise failed


class TestRollbackThatDoesNothing(contracts.DatabaseContract):
    @pytest.fixture
    def database(self) -> MemoryDatabase:
        return Forgiving()


class Hasty(MemoryDatabase):
    """What two transactions change at the same time, the later one decides."""

    @contextmanager
    def begin(self) -> Iterator[MemoryTransaction]:
        self._writing = NoLock()  # type: ignore[assignment]
        with super().begin() as tx:
            yield tx


class NoLock:
    def acquire(self, timeout: float) -> bool:
        return True

    def release(self) -> None:
        pass


class TestClaimThatWaitsForNobody(contracts.DatabaseContract):
    @pytest.fixture
    def database(self) -> MemoryDatabase:
        return Hasty()


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


class TestStorageThatTellsOfWhatIsYoung(contracts.StorageContract):
    @pytest.fixture
    def storage(self) -> MemoryStorage:
        return Hurried()


class Trusting(QuickHasher):
    def verify(self, password_hash: str | None, password: str) -> bool:
        return True


class TestHasherThatVerifiesEverything(contracts.HasherContract):
    @pytest.fixture
    def hasher(self) -> QuickHasher:
        return Trusting()


class Truncating(QuickHasher):
    """As bcrypt does."""

    def hash(self, password: str) -> str:
        return super().hash(normalize("NFKC", password)[:72])

    def verify(self, password_hash: str | None, password: str) -> bool:
        return super().verify(password_hash, normalize("NFKC", password)[:72])


class TestHasherThatTruncates(contracts.HasherContract):
    @pytest.fixture
    def hasher(self) -> QuickHasher:
        return Truncating()


class Impatient(MemoryThrottle):
    def take(self, key: str, limits: tuple[Limit, ...], now: float) -> int:
        return 0


class TestThrottleThatNeverWaits(contracts.ThrottleContract):
    @pytest.fixture
    def throttle(self) -> MemoryThrottle:
        return Impatient()


class Unlocked:
    blocks = False

    def __init__(self) -> None:
        self.tallies: dict[str, Tally] = {}

    def take(self, key: str, limits: tuple[Limit, ...], now: float) -> int:
        tally = self.tallies.get(key, Tally(key))
        wait = tally.wait(limits, now)
        sleep(0)  # others come in between, on every machine
        if wait == 0:
            self.tallies[key] = tally.add(limits, now)
        return wait


class TestThrottleWithoutALock(contracts.ThrottleContract):
    @pytest.fixture
    def throttle(self) -> Unlocked:
        return Unlocked()


class Pretentious(MemoryNotifier):
    def pretend(self, letter: Letter) -> None:
        self.send(letter)


class TestNotifierThatSendsDecoys(contracts.NotifierContract):
    @pytest.fixture
    def post(self) -> Post:
        notifier = Pretentious()

        def arrived() -> list[tuple[str, str]]:
            return [(letter.sent_to, " ".join(letter.values.values())) for letter in notifier.letters]

        return Post(notifier, mail_letter, arrived, lambda: notifier.fail_next(OSError("down")))


class Undying(JwtTokens):
    def read_access(self, text: str, now: float) -> Claims | None:
        return super().read_access(text, min(now, 1_700_000_000.0))


class TestTokensThatNeverEnd(contracts.TokensContract):
    @pytest.fixture
    def tokens(self) -> JwtTokens:
        return Undying(Keys.generate(), issuer="https://accounts.example", audience="https://api.example")


class TestCodesThatAnotherProcessDoesNotKnow(contracts.CodesContract):
    @pytest.fixture
    def codes(self) -> HmacCodes:
        return drawn_up()

    same_codes = codes


def drawn_up() -> HmacCodes:
    secrets = CodeSecrets.single(token_hex(16).encode())
    return HmacCodes(lambda: secrets)


class TestPicturesAsTheyCome(contracts.ImagesContract):
    @pytest.fixture
    def images(self) -> PassThroughImages:
        return PassThroughImages()


class CaseSensitive(LibraryIdentifiers):
    def username(self, text: str) -> Username:
        return Username(super().username(text).text, super().username(text).text)


class TestUsernamesThatDifferByCase(contracts.IdentifiersContract):
    @pytest.fixture
    def identifiers(self) -> LibraryIdentifiers:
        return CaseSensitive()


class TestNothingIsBroken(contracts.DatabaseContract):
    @pytest.fixture
    def database(self) -> MemoryDatabase:
        return MemoryDatabase()
