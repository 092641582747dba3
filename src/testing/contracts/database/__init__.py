"""The contract of the port `Database`."""

from .accounts import AccountsContract
from .audit_log import AuditLogContract
from .codes import ChallengesContract
from .deletion import DeletionContract
from .imports import ImportsContract
from .invitations import InvitationsContract
from .keyed_rows import KeyedRowsContract
from .outbox import OutboxContract
from .races import RacesContract
from .records import RecordsContract
from .search import SearchContract
from .sessions import SessionsContract
from .transactions import TransactionsContract


class DatabaseContract(
    TransactionsContract,
    AccountsContract,
    ChallengesContract,
    InvitationsContract,
    SessionsContract,
    KeyedRowsContract,
    OutboxContract,
    AuditLogContract,
    RecordsContract,
    SearchContract,
    DeletionContract,
    ImportsContract,
    RacesContract,
):
    """The promises of every `Database`: about a hundred tests, racing transactions among them.

    Define the fixture `database`: a new, empty database that is ready for use, for each test. Threads use it at the same time,
    each in a transaction of its own.
    """
