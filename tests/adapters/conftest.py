from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from secrets import token_bytes

import pytest

from vestibule.adapters.database import SqlDatabase, migrate
from vestibule.adapters.keys import EncryptedKeyStore, FileKeyStore, KeyStore


@pytest.fixture(params=["file", "sqlite", "postgres"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], KeyStore]]:
    """Opens one place for keys, empty at first, as a process of its own would: each kind of place there is."""
    if request.param == "file":
        yield lambda: FileKeyStore(tmp_path / "keys.json")
        return
    url = request.getfixturevalue("postgres") if request.param == "postgres" else f"sqlite:///{tmp_path}/vestibule.db"
    migrate(url)
    secret = token_bytes(32)
    with ExitStack() as stack:

        def opened() -> KeyStore:
            database = stack.enter_context(SqlDatabase(url))
            return EncryptedKeyStore(database.keys, [secret], earlier=FileKeyStore(tmp_path / "earlier.json"))

        yield opened
