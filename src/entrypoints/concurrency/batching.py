"""Calls that meet, carried out together: what each costs beside its own work is shared by all of them."""

from asyncio import AbstractEventLoop, Future, Task, current_task, get_running_loop
from collections.abc import Callable, Sequence
from contextvars import copy_context
from copy import copy
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from ...application import Overloaded, Refusal
from .executors import MOST_WAIT, Block, Lane, Way

P = ParamSpec("P")
T = TypeVar("T")
Q = TypeVar("Q")
A = TypeVar("A")

_MOST_WAITING = 400
_MOST_TOGETHER = 32


class Row(Generic[Q, A]):
    """Who waits to be asked for in one event loop, since when, and the tasks that ask."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Q, Future[A], float]] = []
        self.tasks: set[Task[None] | None] = set()

    def tidy(self) -> None:
        """Those go who were cancelled."""
        self.waiting = [one for one in self.waiting if not one[1].done()]

    def next(self, now: float) -> tuple[list[Q], list[Future[A]]]:
        """Those who have waited longest, up to 32; who has waited too long is told so."""
        some, self.waiting = self.waiting[:_MOST_TOGETHER], self.waiting[_MOST_TOGETHER:]
        for _, place, since in some:
            if now - since > MOST_WAIT and not place.done():
                place.set_exception(Overloaded())
        left = [(question, place) for question, place, _ in some if not place.done()]
        return [question for question, _ in left], [place for _, place in left]


class Together(Generic[Q, A]):
    """Asks at once for all who ask while the questions before theirs are on their way, which are `at_once` at most. `ask`
    answers in the order of its questions, with an exception for who is refused.

    `Overloaded` is told to whom there is no room for beside the `most` who wait, and to who has waited for a second.
    """

    def __init__(
        self,
        way: Way,
        ask: Callable[[Sequence[Q]], Sequence[A | Refusal]],
        *,
        at_once: int = 1,
        limit: float = _MOST_WAITING,
    ) -> None:
        self._way = way
        self._ask = ask
        self._at_once = at_once
        self._most = limit
        self._in: WeakKeyDictionary[AbstractEventLoop, Row[Q, A]] = WeakKeyDictionary()

    async def __call__(self, question: Q) -> A:
        loop = get_running_loop()
        row = self._in.get(loop)
        if row is None:
            row = self._in[loop] = Row()
        if len(row.waiting) >= self._most:
            row.tidy()
            if len(row.waiting) >= self._most:
                raise Overloaded
        place: Future[A] = loop.create_future()
        row.waiting.append((question, place, loop.time()))
        self._start(row, loop)
        try:
            return await place
        finally:
            del place, question  # a refusal has this frame in its trace: it would hold itself, and all that came with the call

    def _start(self, row: Row[Q, A], loop: AbstractEventLoop) -> None:
        if len(row.tasks) < self._at_once:
            row.tasks.add(loop.create_task(self._go(row)))

    async def _go(self, row: Row[Q, A]) -> None:
        try:
            while row.waiting:
                await self._ask_for(*row.next(get_running_loop().time()))
        finally:
            row.tasks.discard(current_task())  # at once: whoever comes next must not count on this one
            row.tidy()
            if row.waiting:  # it was broken off, and the loop goes on
                self._start(row, get_running_loop())

    async def _ask_for(self, questions: list[Q], places: list[Future[A]]) -> None:
        answers: Sequence[A | Exception] = ()
        try:
            answers = await self._way(self._ask, questions) if questions else ()
        except Exception as error:  # noqa: BLE001 — each is told of it
            answers = [copy(error) if isinstance(error, Refusal) else error for _ in places]
        except BaseException:
            for place in places:
                _tell(place, RuntimeError("What this was asked with has broken off."))
            raise
        for place, answer in zip(places, answers, strict=True):
            _tell(place, answer)
        # Frames of those who asked and were asked have these lists, and what was raised in them has those frames.
        questions.clear()
        if isinstance(answers, list):
            answers.clear()


def _tell(place: Future[A], answer: Any) -> None:
    if place.done():  # its call was cancelled
        return
    if isinstance(answer, StopIteration):  # which no future takes
        answer = RuntimeError("The call raised StopIteration.")
    if isinstance(answer, BaseException):
        place.set_exception(answer)
    else:
        place.set_result(answer)


class Grouped(Way):
    """Calls that meet go one after another through one thread, within one `block`; each is answered after the block was left,
    and refused where that fails. For short ones, which in threads of their own would get in each other's way at every step.
    """

    def __init__(self, block: Block) -> None:
        self._block = block
        self._together: Together[Callable[[], Any], Any] = Together(Lane(threads=1, limit=1), self._carry_out)

    async def __call__(self, ask: Callable[P, T], *args: P.args, **question: P.kwargs) -> T:
        answer: T = await self._together(partial(copy_context().run, partial(ask, *args, **question)))
        return answer

    def _carry_out(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        with self._block():
            return [_outcome(call) for call in calls]


def _outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except BaseException as refusal:  # noqa: BLE001 — it is for who asked, and nobody else
        return refusal
