"""Fixtures for databases and servers, and the option `--embedded`."""

import gc
import shutil
import signal
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from secrets import token_hex

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import settings
from tests.support.postgres_server import any_postgres, new_database, run
from tests.support.s3_server import S3Server

from vestibule.adapters.database import MemoryDatabase, SqlDatabase, migrate, url_of_file
from vestibule.application.ports import Database

settings.register_profile("untimed", deadline=None)  # the time of an example depends on the load of the machine
settings.load_profile("untimed")

TESTS = Path(__file__).parent
TABLES = (
    "sessions",
    "account_words",
    "accounts",
    "challenges",
    "invitations",
    "proofs",
    "rate_limits",
    "outbox",
    "audit_log",
    "keys",
    "cursors",
    "mobile_region",
    "imports",
)
SEQUENCES = ("accounts_id_seq", "outbox_position_seq", "audit_log_position_seq")
SERVERS = {"running", "postgres", "new_postgres", "postgres_server", "redis", "redis_server", "s3", "s3_server"}
"""Names of fixtures, and values of parameters, that need a server process."""

EMPTY = ";".join(
    [f"DELETE FROM {table}" for table in TABLES]  # noqa: S608 — our own names
    + [f"SELECT setval('{name}', 1, false)" for name in SEQUENCES]
)
"""Empties all tables. TRUNCATE takes ten times as long, because it creates new files."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--embedded", action="store_true", help="leave out tests that need a PostgreSQL, Redis or S3 server")


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks the unit tests, moves tests of whole processes to the front, and deselects tests that need a server on request."""
    for item in items:
        if item.path.is_relative_to(TESTS / "unit"):
            item.add_marker("unit")
    # Their files take longest. At the end, one of two processes would wait for the other's last file.
    items.sort(key=lambda item: not item.path.is_relative_to(TESTS / "system"))
    if not config.getoption("--embedded"):
        return
    deselected = [item for item in items if _needs_server(item)]
    items[:] = [item for item in items if item not in set(deselected)]
    config.hook.pytest_deselected(items=deselected)


def _needs_server(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function):
        return False
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return not SERVERS.isdisjoint({*item.fixturenames, *(one for one in parameters if isinstance(one, str))})


def pytest_configure() -> None:
    """Restores SIGINT, which the background jobs of a shell ignore, as would every server that a test starts and interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Excludes the thousands of collected tests from garbage collection, which would traverse them each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server on which tests may create databases."""
    with any_postgres() as url:
        yield url


@pytest.fixture
def new_postgres(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database."""
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def _shared_postgres(postgres_server: str) -> Iterator[str]:
    with new_database(postgres_server) as url:
        migrate(url)
        yield url


@pytest.fixture
def postgres(_shared_postgres: str) -> str:
    """The URL of a migrated and empty database."""
    run(_shared_postgres, EMPTY)
    return _shared_postgres


@pytest.fixture(scope="session")
def _open_postgres(_shared_postgres: str) -> Iterator[SqlDatabase]:
    with SqlDatabase(_shared_postgres) as database:
        yield database


@pytest.fixture(scope="session")
def _empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("empty") / "vestibule.db"
    migrate(url_of_file(file))
    return file


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database. A module whose tests do not depend on it overrides this fixture with one kind."""
    return str(request.param)


@pytest.fixture
def empty_database(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """Creates empty databases of one kind. On PostgreSQL one database is emptied and reused."""
    with ExitStack() as stack:

        def empty() -> Database:
            if kind == "memory":
                return MemoryDatabase()
            if kind == "postgres":
                run(request.getfixturevalue("_shared_postgres"), EMPTY)
                opened: SqlDatabase = request.getfixturevalue("_open_postgres")
                return opened
            file = Path(shutil.copy(request.getfixturevalue("_empty_sqlite"), tmp_path / f"{token_hex(4)}.db"))
            return stack.enter_context(SqlDatabase(url_of_file(file)))

        yield empty


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database_url_for(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], str]]:
    """Maps a data directory to the URL of a migrated database; runs once on SQLite and once on PostgreSQL."""
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
    """A shared S3 server. Tests create buckets with random names; they do not enforce policies, suspend or kill it."""
    with S3Server() as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, with its key, that no authority knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return file


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
