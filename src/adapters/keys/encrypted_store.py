"""Keys in a database that several servers share, sealed under a secret that is not in it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from .key_files import KINDS
from .seal import Seal
from .store import Contents, KeyStore, Name


class Rows(Protocol):
    """Rows of sealed keys, as committed."""

    def all(self) -> Mapping[Name, str]: ...


class ClaimedRows(Rows, Protocol):
    """The same in a transaction that no other change runs beside."""

    def add(self, name: Name, sealed: str) -> bool:
        """False, and nothing is changed, where there is one of that name."""
        ...

    def save(self, name: Name, sealed: str) -> None: ...

    def remove(self, name: Name) -> None: ...


class KeyRows(Rows, Protocol):
    """Where sealed keys are kept. Raises `Unavailable`."""

    def claim(self) -> AbstractContextManager[ClaimedRows]:
        """All of them: others who claim them wait until the block is left."""
        ...


class EncryptedKeyStore:
    """A `KeyStore`. One that is empty begins with the keys of the `earlier` shelf, where that has any."""

    def __init__(self, rows: KeyRows, seal: Seal, earlier: KeyStore) -> None:
        self._rows = rows
        self._seal = seal
        self._earlier = earlier

    def called(self, name: Name) -> str:
        kind, number = name
        return f"{kind}-{number} in the database"

    def inherited(self) -> Contents:
        """Raises `ValueError` for a key that is no good: once it is sealed, nobody can mend it."""
        try:
            contents = self._earlier.contents()
        except FileNotFoundError:
            return {}
        for kind in KINDS.values():
            kind.read(contents, self._earlier.called)
        return contents

    def contents(self) -> Contents:
        return self._opened(self._rows.all())

    @contextmanager
    def changing(self) -> Iterator["SealedChange"]:
        with self._rows.claim() as rows:
            yield SealedChange(rows, self._seal, self._opened)

    def reseal(self) -> int:
        """Seals under the first secret what is under another one; answers how many keys."""
        with self._rows.claim() as rows:
            sealed = rows.all()
            stale = {
                name: content for name, content in self._opened(sealed).items() if not self._seal.is_latest(name, sealed[name])
            }
            for name, content in stale.items():
                rows.save(name, self._seal.close(name, content))
            return len(stale)

    def _opened(self, sealed: Mapping[Name, str]) -> Contents:
        return {name: self._open(name, text) for name, text in sealed.items()}

    def _open(self, name: Name, text: str) -> bytes:
        try:
            return self._seal.open(name, text)
        except ValueError as fault:
            raise ValueError(f"{self.called(name)}: {fault}") from None


class SealedChange:
    """The `Change` of it, within one transaction."""

    def __init__(self, rows: ClaimedRows, seal: Seal, opened: Callable[[Mapping[Name, str]], Contents]) -> None:
        self._rows = rows
        self._seal = seal
        self._opened = opened

    def contents(self) -> Contents:
        return self._opened(self._rows.all())

    def add(self, name: Name, content: bytes) -> None:
        if not self._rows.add(name, self._seal.close(name, content)):
            raise FileExistsError

    def replace(self, name: Name, content: bytes) -> None:
        self._rows.save(name, self._seal.close(name, content))

    def remove(self, name: Name) -> None:
        self._rows.remove(name)
