from collections.abc import Iterator

import pytest
from tests.postgres_server import any_postgres, new_database, run

from vestibule.adapters.database import migrate

TABLES = "accounts, challenges, proofs, sessions, tallies, outbox, journal"


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
