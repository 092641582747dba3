from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.postgres_server import any_postgres, new_database, run
from tests.s3_server import S3Server

from vestibule.adapters.database import migrate

TABLES = "accounts, challenges, proofs, sessions, tallies, outbox, journal, keys, cursors"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL that may be asked for new databases."""
    with any_postgres() as url:
        yield url


@pytest.fixture
def new_postgres(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database."""
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def _kept_postgres(postgres_server: str) -> Iterator[str]:
    with new_database(postgres_server) as url:
        migrate(url)
        yield url


@pytest.fixture
def postgres(_kept_postgres: str) -> str:
    """The URL of a database that has been migrated and holds nothing."""
    run(_kept_postgres, f"TRUNCATE {TABLES} RESTART IDENTITY")
    return _kept_postgres


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def kept_at(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], str]]:
    """The URL of the database, ready, of a server with that data directory: once for each kind of database."""
    urls: dict[Path, str] = {}
    with ExitStack() as stack:

        def url(data: Path) -> str:
            if data not in urls:
                if request.param == "sqlite":
                    urls[data] = f"sqlite:///{data}/vestibule.db"
                else:
                    urls[data] = stack.enter_context(new_database(request.getfixturevalue("postgres_server")))
                    migrate(urls[data])
            return urls[data]

        yield url


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 in which nobody makes a bucket of a name that another may choose, and which is not locked, hung or killed."""
    with S3Server() as server:
        yield server
