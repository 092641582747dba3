"""Databases for the measured servers: a temporary directory, and a PostgreSQL with durable commits."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import pytest
from tests.support.postgres_server import USUAL_URLS, PostgresServer, accepts_queries, new_database, run

from vestibule import Settings, build
from vestibule.adapters.database import migrate

from . import seed
from .calls import Subject, opened
from .measure import Progress
from .servers import ROOT, vestibule

SQLITE, POSTGRES = "SQLite", "PostgreSQL"
DATABASES = (SQLITE, POSTGRES)


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary directory below `.build/`, on the disk of the repository."""
    (ROOT / ".build").mkdir(exist_ok=True)
    with TemporaryDirectory(dir=ROOT / ".build", prefix="bench-") as directory:
        yield Path(directory)


class Places:
    """Creates databases, fills them, and starts servers on them, until the stack ends."""

    def __init__(self, stack: ExitStack, cores: set[int], progress: Progress) -> None:
        self._stack = stack
        self.cores = cores
        self._show_progress = progress
        self._directory = stack.enter_context(scratch())
        self._postgres: str | None = None

    @property
    def directory(self) -> Path:
        return self._directory

    def is_available(self, database: str) -> bool:
        """Whether the database is available; reports the reason if not."""
        if database == SQLITE:
            return True
        try:
            self._postgres = self._postgres or self._stack.enter_context(_postgres())
        except pytest.skip.Exception as missing:
            self._show_progress(str(missing.msg))
        return self._postgres is not None

    def filled(self, database: str, accounts: int) -> tuple[Path, str]:
        """A new data directory, and the URL of a new database with the given number of accounts."""
        directory = Path(self._stack.enter_context(TemporaryDirectory(dir=self._directory)))
        self._show_progress(f"{database}: making {accounts:,} accounts")
        if database == SQLITE:
            url = f"sqlite:///{directory}/vestibule.db"
        else:
            assert self._postgres is not None
            url = self._stack.enter_context(new_database(self._postgres))
        migrate(url)
        with build(Settings(data_dir=directory, database_url=url), run_workers=False):
            pass  # makes the keys: a server on a database with accounts takes missing ones for lost ones
        seed.seed(url, accounts)
        return directory, url

    def subject(
        self, name: str, database: str, accounts: int, environment: Mapping[str, str] = MappingProxyType({}), **settings: str
    ) -> Subject:
        """A running Vestibule."""
        directory, url = self.filled(database, accounts)
        self._show_progress(f"{name}: starting")
        server = self._stack.enter_context(vestibule(name, directory, self.cores, environment, database_url=url, **settings))
        return self._stack.enter_context(opened(server, accounts))

    def postgres_version(self) -> str:
        """The version of PostgreSQL, and its settings for durable commits."""
        assert self._postgres is not None
        [(version, fsync, commit)] = run(
            self._postgres,
            "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')",
        )
        return f"{version}, fsync {fsync}, synchronous_commit {commit}"


@contextmanager
def _postgres() -> Iterator[str]:
    """A running PostgreSQL, or a new one with its default settings."""
    running = next((url for url in USUAL_URLS if accepts_queries(url)), None)
    if running:
        yield running
        return
    with PostgresServer(fsync="on", full_page_writes="on", autovacuum="on") as server:
        yield server.url
