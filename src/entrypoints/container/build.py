"""The use cases, ready until a block is left."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Thread
from typing import Unpack

from dependency_injector import providers

from ...adapters.database import ACCOUNTS, AccountsTable
from ...adapters.rate_limiter import RedisRateLimiter
from ...adapters.storage import S3Storage
from ...application.ports import Storage
from ..building import Adapters, Building
from ..facade import Vestibule
from ..settings import Settings
from ..workers.delivery import CourierThread
from ..workers.subscriptions import Subscriptions
from .checks import check_settings
from .container import Container
from .factories import Echo


def build(
    settings: Settings | None = None,
    *,
    deliver: bool = True,
    echo: Echo | None = None,
    accounts: AccountsTable = ACCOUNTS,
    **own: Unpack[Adapters],
) -> Building:
    """The use cases on these settings (the defaults where none are given): `with` gives them blocking, `async with` awaited.

    The embedded database is brought to the schema of this program first. With `deliver` threads clear away what has ended, and
    carry messages out as they come unless the setting `courier` is off; without, `deliver_messages` and `purge` wait to be
    called. `echo` is told of each message put in the outbox directory. `accounts` is a table of the importer's
    own, in the database that the settings name; `own` fills ports by adapters of the importer's own.
    Entering the block raises `SettingsError` where these settings cannot work, `TypeError` for a port that there is not, and
    for accounts in a table beside a database of the importer's own.
    """
    settings = settings or Settings()
    return Building(settings, partial(_ready, settings, own, accounts, deliver=deliver, echo=echo))


@contextmanager
def _ready(
    settings: Settings, own: Adapters, accounts: AccountsTable, *, deliver: bool, echo: Echo | None
) -> Iterator[Vestibule]:
    _check_names(own, accounts)
    courier, subscriptions = CourierThread(), Subscriptions()
    check_settings(settings, own=own)
    container = Container(
        settings=settings,
        on_message=courier.wake,
        subscriptions=subscriptions,
        echo=providers.Object(echo),
        own=providers.Object(frozenset(own)),
        accounts=providers.Object(accounts),
    )
    for port, adapter in own.items():
        getattr(container, "kept" if port == "database" else port).override(providers.Object(adapter))
    with ExitStack() as closing_time:
        vestibule = container.vestibule()
        ours = (("database", container.kept), ("rate_limiter", container.rate_limiter), ("hasher", container.hasher))
        for port, made in (*ours, ("images", container.pillow), ("notifier", container.email)):
            if port not in own:
                closing_time.callback(_close, made())
        if isinstance(vestibule.rate_limiter, RedisRateLimiter) and "rate_limiter" not in own:
            vestibule.rate_limiter.probe()
        closing_time.callback(courier.stop)
        closing_time.callback(subscriptions.stop)
        if deliver:
            courier.start(vestibule.deliver_messages if settings.courier else None, vestibule.purge)
            if "storage" not in own:
                _look_at(container.storage())
        yield vestibule


def _check_names(own: Adapters, accounts: AccountsTable) -> None:
    if "database" in own and accounts is not ACCOUNTS:
        raise TypeError("build() takes a table of accounts or a database of your own, not both.")
    if strange := sorted(own.keys() - Adapters.__annotations__.keys()):
        raise TypeError(f"build() takes no {strange[0]!r}; the ports are {', '.join(Adapters.__annotations__)}.")


def _close(adapter: object) -> None:
    if hasattr(adapter, "close"):
        adapter.close()


def _look_at(storage: Storage) -> None:
    """Beside the start, which a bucket that is slow or away does not hold up."""
    if isinstance(storage, S3Storage):
        Thread(target=storage.probe, name="images").start()
