"""Connections to PostgreSQL: several statements in one round trip, the wait for a server, and the translation of errors.

psycopg connects, waits, and converts values. Its cursors would cost a third more of the processor, and a round trip for each.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import NamedTuple, NoReturn

import psycopg
from psycopg import Connection, conninfo, errors
from psycopg.abc import RV, Buffer, PQGen
from psycopg.adapt import AdaptersMap, PyFormat, Transformer
from psycopg.generators import fetch_many, send
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult
from psycopg.types.numeric import Int8BinaryDumper

from ...domain.errors import Conflict, Unavailable
from .sql import Compiled, Row, UniqueViolation

RESPONSE_TIMEOUT = 3.0
"""Seconds to wait for a response. A slower server counts as down, though it may still carry out the statements."""

UNSTORABLE = (psycopg.DataError, UnicodeEncodeError, OverflowError)
"""Raised for values that no column can hold."""

_MAX_PREPARED = 500
_SESSION = {"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "15s"}
_MIGRATION = {"statement_timeout": "0", "lock_timeout": "60s", "idle_in_transaction_session_timeout": "0"}
_NETWORK = {
    "connect_timeout": 2,
    "tcp_user_timeout": 2000,
    "keepalives_idle": 5,
    "keepalives_interval": 1,
    "keepalives_count": 2,
}
_RETRYABLE = (errors.DeadlockDetected, errors.SerializationFailure)
_DOWN = (psycopg.OperationalError, psycopg.InternalError, psycopg.InterfaceError)
_NOT_READY = (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName, errors.InsufficientPrivilege)
_SUCCESS = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)

_adapters = AdaptersMap(psycopg.adapters)
_adapters.register_dumper(int, Int8BinaryDumper)  # else a statement is prepared once for each size of integer


class TripStep(NamedTuple):
    """A statement of a round trip, with its values as they are sent."""

    text: str
    values: Sequence[Buffer | None] = ()
    types: tuple[int, ...] = ()
    formats: Sequence[Format] = ()


class PipelinedConnection(Connection[Row]):
    """A connection that sends several statements at once, by libpq's pipeline mode.

    Each statement is prepared once. A server that does not respond, for example because it is frozen, counts as down.
    """

    def enter_pipeline_mode(self) -> None:
        self.pgconn.enter_pipeline_mode()
        self._transformer = Transformer(self)
        self._prepared_names: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self._numbers = count()

    def step(self, statement: Compiled, values: Mapping[str, object]) -> TripStep:
        """The statement with these values. Raises one of `UNSTORABLE`."""
        ordered = [values[name] if name in values else statement.constants[name] for name in statement.names]
        dumped = self._transformer.dump_sequence(ordered, [PyFormat.AUTO] * len(ordered))
        return TripStep(statement.text, dumped, self._transformer.types or (), self._transformer.formats or ())

    def run(self, steps: Sequence[TripStep]) -> PGresult:
        """Carries out the steps in one round trip, and returns the result of the last; those after a failed one are skipped.

        Raises `Unavailable` for a server that is down, full, busy or not migrated; `UniqueViolation` and programming errors of
        the last step as they are, and `RuntimeError` for those of an earlier one.
        """
        try:
            expected = self._send(steps)
            results = self.wait(_results(self.pgconn))
        except psycopg.Error as error:
            _raise_in_terms_of_the_domain(error)
        for prepared, result in zip(expected, results, strict=False):
            if result.status not in _SUCCESS:
                is_last = len(results) == len(expected) and result is results[-1]
                _raise_in_terms_of_the_domain(errors.error_from_result(result, encoding="utf-8"), is_last=is_last)
            if prepared is not None:
                text, types, name = prepared
                self._prepared_names[text, types] = name
        if len(results) < len(expected):
            raise Unavailable
        return results[-1]

    def rows(self, result: PGresult) -> list[Row]:
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        return super().wait(gen, interval, RESPONSE_TIMEOUT if timeout is None else timeout)

    def _send(self, steps: Sequence[TripStep]) -> list[tuple[str, tuple[int, ...], bytes] | None]:
        """Sends the steps and returns the results to expect: a statement that it prepares, or None for one that it runs."""
        expected: list[tuple[str, tuple[int, ...], bytes] | None] = []
        for text, values, types, formats in steps:
            name = self._prepared_names.get((text, types))
            if name is None and len(self._prepared_names) < _MAX_PREPARED:
                name = b"statement%d" % next(self._numbers)
                self.pgconn.send_prepare(name, text.encode(), types)
                expected.append((text, types, name))
            if name is None:
                self.pgconn.send_query_params(text.encode(), values, types, formats, Format.BINARY)
            else:
                self.pgconn.send_query_prepared(name, values, formats, Format.BINARY)
            expected.append(None)
        self.pgconn.pipeline_sync()
        return expected


def _results(pgconn: PGconn) -> PQGen[list[PGresult]]:
    """The results up to the end of the round trip, or of the connection."""
    yield from send(pgconn)
    results: list[PGresult] = []
    while (some := (yield from fetch_many(pgconn))) and some[0].status != ExecStatus.PIPELINE_SYNC:
        results += some
    return results


def connection_string(url: str, settings: Mapping[str, str] = _SESSION) -> str:
    """The URL with our settings as defaults for libpq. Raises `ValueError`, whose text leaves out the URL and its password."""
    try:
        parts = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise ValueError(
            "The database URL is invalid: it should look like postgresql://user:password@host:5432/name, with special "
            "characters as %XX."
        ) from None
    defaults = " ".join(f"-c {name}={value}" for name, value in settings.items())
    options = f"{defaults} {parts.pop('options', '')}".rstrip()
    return conninfo.make_conninfo("", **{"application_name": "vestibule", **_NETWORK, **parts, "options": options})


def connect(text: str) -> PipelinedConnection:
    """A connection in autocommit mode."""
    connection = PipelinedConnection.connect(text, autocommit=True, context=_adapters, client_encoding="utf-8")
    connection.enter_pipeline_mode()
    return connection


def connect_to_migrate(url: str) -> Connection[Row]:
    """A connection without the short timeouts, for migrations."""
    return psycopg.connect(connection_string(url, _MIGRATION))


def connect_to_inspect(url: str) -> Connection[Row]:
    """A connection in autocommit mode with the timeouts of the service, outside of any pool, for psycopg's cursors."""
    return PipelinedConnection.connect(connection_string(url), autocommit=True, client_encoding="utf-8")


def _raise_in_terms_of_the_domain(error: psycopg.Error, *, is_last: bool = True) -> NoReturn:
    if isinstance(error, _RETRYABLE):
        raise Conflict from error
    if isinstance(error, (*_DOWN, *_NOT_READY)):
        raise Unavailable from error
    if not is_last:
        raise RuntimeError("An earlier change of this transaction has failed.") from error
    if isinstance(error, errors.UniqueViolation):
        raise UniqueViolation from error
    raise error
