"""The use cases awaited: each in the lane where it belongs, so that no event loop waits for a database or a hash."""

from asyncio import create_task, shield
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from math import inf
from typing import Any, Generic, ParamSpec, TypeVar

from ..application import Batch, ReadEvents
from ..application.event_consumer import MOST_EVENTS
from .concurrency.batching import Batcher
from .concurrency.executors import InlineExecutor
from .concurrency.lanes import Lanes
from .facade import Vestibule
from .observability import watch

P = ParamSpec("P")
T = TypeVar("T")


class AsyncVestibule:
    """What a `Vestibule` has, awaited: the same names, questions, answers and refusals, and `Overloaded` where too many wait.

    It may be used in several event loops, one after another or at once; each has threads of its own. A call that is
    cancelled is not awaited any longer; what it has begun in its thread it does to the end.
    """

    def __init__(self, vestibule: Vestibule) -> None:  # noqa: PLR0915 — a line for each use case
        lanes = Lanes(watch(vestibule.settings), commit_scope=vestibule.commit_scope)
        near = lanes.reads if vestibule.database_blocks else InlineExecutor()
        self.blocking = vestibule
        """The same use cases, for threads."""
        self.settings = vestibule.settings
        self.register = lanes.hashing.wrap(vestibule.register)
        self.create_superuser = lanes.hashing.wrap(vestibule.create_superuser)
        self.check_unique = (lanes.reads if vestibule.rate_limiter.may_block else near).wrap(vestibule.check_unique)
        self.log_in = lanes.hashing.wrap(vestibule.log_in)
        self.authenticate = (
            Batcher(lanes.reads, vestibule.authenticate_many, concurrency=2)
            if vestibule.database_blocks
            else Batcher(InlineExecutor(), vestibule.authenticate_many, limit=inf)  # where nobody waits beyond the turn at hand
        )
        self.authenticate_many = near.wrap(vestibule.authenticate_many)
        self.refresh = lanes.writes.wrap(vestibule.refresh)
        self.change_account = ChangingAccount(lanes, vestibule.change_account)
        self.replace_account = lanes.hashing.wrap(vestibule.replace_account)
        self.request_code = lanes.writes.wrap(vestibule.request_code)
        self.verify_code = lanes.writes.wrap(vestibule.verify_code)
        self.log_in_by_code = lanes.writes.wrap(vestibule.log_in_by_code)
        self.request_registration_code = lanes.writes.wrap(vestibule.request_registration_code)
        self.register_or_log_in = lanes.writes.wrap(vestibule.register_or_log_in)
        self.reset_password = lanes.hashing.wrap(vestibule.reset_password)
        self.list_sessions = lanes.reads.wrap(vestibule.list_sessions)
        self.end_session = lanes.writes.wrap(vestibule.end_session)
        self.end_other_sessions = lanes.writes.wrap(vestibule.end_other_sessions)
        self.list_ended_sessions = lanes.reads.wrap(vestibule.list_ended_sessions)
        self.set_active = lanes.writes.wrap(vestibule.set_active)
        self.upload_image = lanes.images.wrap(vestibule.upload_image)
        self.read_image = lanes.images.wrap(vestibule.read_image)
        self.get_image_url = lanes.images.wrap(vestibule.get_image_url)
        self.sweep_images = lanes.background.wrap(vestibule.sweep_images)
        self.deliver_messages = lanes.background.wrap(vestibule.deliver_messages)
        self.list_messages = lanes.background.wrap(_whole(vestibule.list_messages))
        self.retry_messages = lanes.background.wrap(vestibule.retry_messages)
        self.drop_messages = lanes.background.wrap(vestibule.drop_messages)
        self.read_audit_log = lanes.background.wrap(_whole(vestibule.read_audit_log))
        self.read_events = ReadingOn(lanes, vestibule.read_events)
        self.subscribe = vestibule.subscribe  # it only begins a thread, in which the handler is called
        self.purge = lanes.background.wrap(vestibule.purge)
        self.jwks = near.wrap(vestibule.jwks)
        self.check = lanes.reads.wrap(vestibule.check)


class ChangingAccount(Generic[P, T]):
    """`ChangeAccount`, awaited: in the hashing lane if there is a new password to hash."""

    def __init__(self, lanes: Lanes, change: Callable[P, T]) -> None:
        self._quickly = lanes.writes.wrap(change)
        self._slowly = lanes.hashing.wrap(change)

    def __call__(self, *args: P.args, **question: P.kwargs) -> Coroutine[Any, Any, T]:
        change = self._quickly if question.get("password") is None else self._slowly
        return change(*args, **question)


class ReadingOn:
    """`ReadEvents`, awaited: `async with vestibule.read_events("billing") as events`."""

    def __init__(self, lanes: Lanes, read: ReadEvents) -> None:
        self._lane = lanes.background
        self._read = read

    @asynccontextmanager
    async def __call__(self, name: str, *, limit: int = MOST_EVENTS, one_by_one: bool = False) -> AsyncIterator[Batch]:
        reading = self._read(name, limit=limit, one_by_one=one_by_one)
        events = await self._lane(reading.__enter__)
        try:
            yield events
        except BaseException as error:
            await shield(create_task(self._lane(reading.__exit__, type(error), error, error.__traceback__)))
            raise
        await self._lane(reading.__exit__, None, None, None)


def _whole(find: Callable[P, Iterator[T]]) -> Callable[P, list[T]]:
    """What is found bit by bit, all at once: an event loop cannot wait for the next bit."""

    def found(*args: P.args, **question: P.kwargs) -> list[T]:
        return list(find(*args, **question))

    return found
