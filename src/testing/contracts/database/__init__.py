"""What every database promises."""

from .accounts import AccountsContract
from .codes import ChallengesContract
from .cursors import CursorsContract
from .journal import AuditLogContract
from .outbox import OutboxContract
from .races import RacesContract
from .rate_limits import RateLimitsContract
from .sessions import SessionsContract
from .transactions import TransactionsContract


class DatabaseContract(
    TransactionsContract,
    AccountsContract,
    ChallengesContract,
    SessionsContract,
    RateLimitsContract,
    OutboxContract,
    AuditLogContract,
    CursorsContract,
    RacesContract,
):
    """What every `Database` promises: about a hundred tests, those of transactions that race among them.

    Fill the fixture `database`: one that holds nothing and is ready for use, another for each test. Threads use it at the same
    time, each in a transaction of its own.
    """
