"""The `World` of `vestibule.testing`, with deterministic ids and access to its internals for our own tests."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256
from itertools import count
from threading import Barrier
from typing import Any

from vestibule import testing
from vestibule.adapters.database import MemoryDatabase
from vestibule.adapters.database.database import SqlTransaction
from vestibule.application import Account, Address, Caller, Identity, Refusal, TokenSet
from vestibule.application.ports import Codes, Hasher, Identifiers, Message, NewId, Tokens
from vestibule.testing import PASSWORD, InsecureHasher, wrong

__all__ = ["PASSWORD", "wrong"]

OTHER_PASSWORD = "nine quiet orange boats"
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
CALLER = Caller("198.51.100.7")


class SlowHasher(InsecureHasher):
    """A hasher that records the hashes it verifies, and runs one callable of `meanwhile` during each computation."""

    def __init__(self, marker: str = "1") -> None:
        super().__init__(marker)
        self.verified: list[str | None] = []
        self.meanwhile: list[Callable[[], Any]] = []

    def hash(self, password: str) -> str:
        self._run_next()
        return super().hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        self.verified.append(password_hash)
        right = super().verify(password_hash, password)
        self._run_next()
        return right

    def _run_next(self) -> None:
        if self.meanwhile:
            self.meanwhile.pop(0)()


class BusyDatabase(MemoryDatabase):
    """A database that runs one callable of `meanwhile` before each transaction: what another caller does after a read."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], Any]] = []

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        if self.meanwhile:
            self.meanwhile.pop(0)()
        with super().begin() as tx:
            yield tx


class World(testing.World):
    """A world with the same ids, and so the same codes, in each run, and with access to adapters and stored rows."""

    def __init__(self, **adapters: Any) -> None:
        numbers = count(1)
        super().__init__(**{"new_id": lambda: sha256(f"id {next(numbers)}".encode()).hexdigest()[:26]} | adapters)

    @property
    def new_id(self) -> NewId:
        return self.log_in.session_issuer.new_id

    @property
    def codes(self) -> Codes:
        return self.log_in.password_attempts.codes

    @property
    def tokens(self) -> Tokens:
        return self.authenticate.tokens

    @property
    def identifiers(self) -> Identifiers:
        return self.log_in.identifiers

    @property
    def hasher(self) -> Hasher:
        return self.log_in.hasher

    # --- sent messages ------------------------------------------------------------------------------------------------

    def send(self, destination: str, **more: Any) -> str:
        """Requests a code, and reads it from the message to the destination."""
        self.request_code(destination=destination, **more)
        return self.code_for(destination)

    @property
    def messages(self) -> tuple[Message, ...]:
        """Messages that wait in the outbox, the oldest first."""
        return tuple(entry.message for entry in self.list_messages() if not entry.has_failed_permanently)

    @property
    def failed_messages(self) -> tuple[tuple[Message, str], ...]:
        """Messages that failed permanently, each with the reason."""
        return tuple((entry.message, entry.failure_reason or "") for entry in self.list_messages(failed=True))

    # --- accounts -----------------------------------------------------------------------------------------------------

    def is_signed_in(self, tokens: TokenSet) -> bool:
        return not isinstance(outcome(partial(self.authenticate, tokens.access_token)), Refusal)

    def is_signed_in_as(self, identity: Identity) -> bool:
        """Returns whether the session of this identity is active."""
        found = self.database.accounts.by_active_session(identity.account.id, identity.session_id, self.clock())
        return found is not None

    def can_log_in(self, username: str = "ann", password: str = PASSWORD) -> bool:
        return not isinstance(outcome(partial(self.log_in, username=username, password=password)), Refusal)

    def now(self, account: Account) -> Account:
        """The account as it is stored now."""
        stored = self.database.accounts.get(account.id)
        assert stored is not None
        return stored

    def alter(self, account: Account, **fields: Any) -> Account:
        """Changes fields that no use case changes, as an operator or an import would."""
        with self.database.begin() as tx:
            locked = tx.accounts.lock(account.id)
            assert locked is not None
            tx.accounts.save(replace(locked, **fields))
        return self.now(account)

    def owner(self, address: str) -> Account | None:
        return self.database.accounts.by_address(self.address(address), self.clock())

    def address(self, text: str) -> Address:
        return self.identifiers.destination(text)


def outcome(call: Callable[[], Any]) -> Any:
    """Returns the result of the call, or the refusal that it raises."""
    try:
        return call()
    except Refusal as refusal:
        return refusal


def concurrently(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """Runs all calls at the same time, each in a thread of its own; returns their outcomes."""
    every = list(calls)
    start = Barrier(len(every))

    def run(call: Callable[[], Any]) -> Any:
        start.wait(timeout=10)
        return outcome(call)

    with ThreadPoolExecutor(len(every)) as threads:
        return list(threads.map(run, every))
