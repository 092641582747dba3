"""Where what is measured keeps its accounts: a directory that goes with the run, a PostgreSQL that makes its writes durable."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.support.postgres_server import USUAL_URLS, PostgresServer, answers, new_database, run

from . import seed
from .calls import Subject, opened
from .measure import Tell
from .servers import ROOT, vestibule

SQLITE, POSTGRES = "SQLite", "PostgreSQL"
DATABASES = (SQLITE, POSTGRES)


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory beside the other things that are built here, on the disk that the repository is on."""
    (ROOT / ".build").mkdir(exist_ok=True)
    with TemporaryDirectory(dir=ROOT / ".build", prefix="bench-") as directory:
        yield Path(directory)


class Places:
    """Makes databases, fills them, and starts servers on them. Everything ends with the stack."""

    def __init__(self, stack: ExitStack, cores: set[int], tell: Tell) -> None:
        self._stack = stack
        self.cores = cores
        self._tell = tell
        self._directory = stack.enter_context(scratch())
        self._postgres: str | None = None

    @property
    def directory(self) -> Path:
        return self._directory

    def can_have(self, database: str) -> bool:
        """Whether that database is to be had here; tells why where it is not."""
        if database == SQLITE:
            return True
        try:
            self._postgres = self._postgres or self._stack.enter_context(_postgres())
        except pytest.skip.Exception as missing:
            self._tell(str(missing.msg))
        return self._postgres is not None

    def filled(self, database: str, accounts: int) -> tuple[Path, str]:
        """A new data directory, and the URL of a new database with so many accounts."""
        directory = Path(self._stack.enter_context(TemporaryDirectory(dir=self._directory)))
        self._tell(f"{database}: making {accounts:,} accounts")
        if database == SQLITE:
            url = f"sqlite:///{directory}/vestibule.db"
        else:
            assert self._postgres is not None
            url = self._stack.enter_context(new_database(self._postgres))
        seed.seed(url, accounts)
        return directory, url

    def subject(self, name: str, database: str, accounts: int, **settings: str) -> Subject:
        """Vestibule, served and ready to be measured."""
        directory, url = self.filled(database, accounts)
        self._tell(f"{name}: starting")
        server = self._stack.enter_context(vestibule(name, directory, self.cores, database_url=url, **settings))
        return self._stack.enter_context(opened(server, accounts))

    def postgres_told(self) -> str:
        """Its version, and whether it makes commits durable."""
        assert self._postgres is not None
        [(version, fsync, commit)] = run(
            self._postgres,
            "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')",
        )
        return f"{version}, fsync {fsync}, synchronous_commit {commit}"


@contextmanager
def _postgres() -> Iterator[str]:
    """One that runs, or one of our own with the settings that it has by itself."""
    running = next((url for url in USUAL_URLS if answers(url)), None)
    if running:
        yield running
        return
    with PostgresServer(fsync="on", full_page_writes="on", autovacuum="on") as server:
        yield server.url
