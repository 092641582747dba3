"""Use cases yet to be built: with `with` or with `async with`, and with ports that the importer fills."""

from asyncio import CancelledError, create_task, shield, to_thread
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TypedDict

from ..application.ports import (
    Clock,
    Codes,
    Database,
    Hasher,
    Identifiers,
    Images,
    Notifier,
    RateLimiter,
    Storage,
    Tokens,
)
from .async_facade import AsyncVestibule
from .facade import Vestibule
from .settings import Settings


class Adapters(TypedDict, total=False):
    """The ports that an importer may fill; what each promises stands in `vestibule.application.ports`.

    What would have filled a port is then not made, and settings that were only for it are not looked at. Whoever gives an
    adapter closes it, after the block is left.
    """

    database: Database
    """Where accounts are kept. It may say by an attribute `blocks` (False) that questions to it are short enough for an event
    loop; otherwise they are asked in threads. What it puts into its outbox is seen within five seconds, and what it journals
    within one."""
    tokens: Tokens
    """Access and refresh tokens. It may have a method `jwks` that answers its public keys (RFC 7517)."""
    codes: Codes
    """One-time codes and digests. With `tokens` and `codes` given no keys are made in the data directory."""
    hasher: Hasher
    """Password hashes: those of an older system too, which `is_outdated` then names, so that each is made anew at a login."""
    identifiers: Identifiers
    """What usernames, emails, mobiles and names may be."""
    notifier: Notifier
    """Carries mail and SMS; a webhook is told without it. What it sends counts towards EMAILS_PER_HOUR and SMS_PER_HOUR."""
    images: Images
    """Makes a picture out of what was uploaded. What it is given came from a stranger."""
    storage: Storage
    """Where pictures are kept."""
    rate_limiter: RateLimiter
    """Limits per caller's address. It is asked whatever RATE_LIMITS says."""
    clock: Clock
    """The time now. Those who carry messages out pause by the machine's own."""


class Building:
    """What `build` answers. `with` gives a `Vestibule`, `async with` an `AsyncVestibule`, whose loop does not wait for the
    start and the end; either is ready until the block is left. It may be entered again, after it was left."""

    def __init__(self, settings: Settings, ready: Callable[[], AbstractContextManager[Vestibule]]) -> None:
        self.settings = settings
        self._ready = ready
        self._open: AbstractContextManager[Vestibule] | None = None

    def __enter__(self) -> Vestibule:
        if self._open is not None:
            raise RuntimeError("These use cases are built already; build(…) anew for more.")
        self._open = self._ready()
        try:
            return self._open.__enter__()
        except BaseException:
            self._open = None
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            opened.__exit__(kind, error, trace)

    async def __aenter__(self) -> AsyncVestibule:
        beginning = create_task(to_thread(self.__enter__))
        try:
            return AsyncVestibule(await shield(beginning))
        except CancelledError:
            await beginning  # a start cannot be broken off amid a migration
            await self._close()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await shield(create_task(self._close()))

    async def _close(self) -> None:
        await to_thread(self.__exit__, None, None, None)
