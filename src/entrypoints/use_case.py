"""Descriptors that declare a use case once, for both facades.

On a `Vestibule` the attribute is the use case itself. On an `AsyncVestibule` it is a coroutine function with the same
parameters and result, which runs the use case in its lane. Type checkers derive both from the class of the use case.
"""

from abc import ABC, abstractmethod
from asyncio import create_task, shield
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from inspect import signature
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar, overload

from .concurrency.batching import Batcher
from .concurrency.executors import Executor, InlineExecutor
from .concurrency.lanes import Lanes

if TYPE_CHECKING:
    from .async_facade import AsyncVestibule
    from .facade import Vestibule

P = ParamSpec("P")
T = TypeVar("T")
Class_co = TypeVar("Class_co", covariant=True)

Lane = Literal["hashing", "writes", "reads", "images", "background", "point_reads", "limited_point_reads"]
"""The lanes of `Lanes`."""


class UseCaseDescriptor(ABC, Generic[Class_co]):
    """A use case of this class, whose awaited calls run in this lane."""

    def __init__(self, use_case: Callable[..., Class_co], lane: Lane) -> None:
        self.use_case = use_case
        self.lane = lane
        self.name = ""

    def __set_name__(self, _: type, name: str) -> None:
        self.name = name

    def executor(self, lanes: Lanes) -> Executor:
        executor: Executor = getattr(lanes, self.lane)
        return executor

    @abstractmethod
    def awaited(self, vestibule: "Vestibule", lanes: Lanes) -> object:
        """Returns the use case of this `Vestibule` for an `AsyncVestibule`."""


class PlainUseCase(UseCaseDescriptor[Class_co]):
    """A use case that returns a value.

    Calls that pass one of the keyword arguments `hashed_arguments`, passwords, run in the hashing lane. With `batch`, the use
    case of that name, concurrent calls are passed to that one as a list.
    """

    def __init__(
        self, use_case: Callable[..., Class_co], lane: Lane, *, hashed_arguments: tuple[str, ...] = (), batch: str | None = None
    ) -> None:
        super().__init__(use_case, lane)
        self._hashed_arguments = hashed_arguments
        self._batch = batch

    @overload
    def __get__(self, instance: "Vestibule", _: type) -> Class_co: ...
    @overload
    def __get__(
        self: "PlainUseCase[Callable[P, T]]", instance: "AsyncVestibule", _: type
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: object, _: type) -> Any:
        return _function_or_raise(self, instance)

    def awaited(self, vestibule: "Vestibule", lanes: Lanes) -> object:
        call, executor = getattr(vestibule, self.name), self.executor(lanes)
        if self._batch is not None:
            return _batched(executor, getattr(vestibule, self._batch))
        if self._hashed_arguments:
            return _hashing_if(self._hashed_arguments, call, executor, lanes.hashing)
        return executor.wrap(call)


class StreamingUseCase(UseCaseDescriptor[Class_co]):
    """A use case that returns an iterator. Its awaited calls return a list: an event loop cannot wait for the next item."""

    @overload
    def __get__(self, instance: "Vestibule", _: type) -> Class_co: ...
    @overload
    def __get__(
        self: "StreamingUseCase[Callable[P, Iterator[T]]]", instance: "AsyncVestibule", _: type
    ) -> Callable[P, Coroutine[Any, Any, list[T]]]: ...
    def __get__(self, instance: object, _: type) -> Any:
        return _function_or_raise(self, instance)

    def awaited(self, vestibule: "Vestibule", lanes: Lanes) -> object:
        call = getattr(vestibule, self.name)

        def collect(*args: Any, **kwargs: Any) -> list[object]:
            return list(call(*args, **kwargs))

        return self.executor(lanes).wrap(collect)


class PiecewiseUseCase(UseCaseDescriptor[Class_co]):
    """A use case that returns an iterator of bytes. Its awaited calls return an asynchronous one, which makes each piece in
    the lane."""

    @overload
    def __get__(self, instance: "Vestibule", _: type) -> Class_co: ...
    @overload
    def __get__(
        self: "PiecewiseUseCase[Callable[P, Iterator[bytes]]]", instance: "AsyncVestibule", _: type
    ) -> Callable[P, Coroutine[Any, Any, AsyncIterator[bytes]]]: ...
    def __get__(self, instance: object, _: type) -> Any:
        return _function_or_raise(self, instance)

    def awaited(self, vestibule: "Vestibule", lanes: Lanes) -> object:
        call, executor = getattr(vestibule, self.name), self.executor(lanes)

        async def pieces(made: Iterator[bytes]) -> AsyncIterator[bytes]:
            while piece := await executor(next, made, b""):
                yield piece

        async def awaited(*args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
            return pieces(await executor(call, *args, **kwargs))

        return awaited


class ContextManagerUseCase(UseCaseDescriptor[Class_co]):
    """A use case that returns a context manager, for `with` or for `async with`."""

    @overload
    def __get__(self, instance: "Vestibule", _: type) -> Class_co: ...
    @overload
    def __get__(
        self: "ContextManagerUseCase[Callable[P, AbstractContextManager[T]]]", instance: "AsyncVestibule", _: type
    ) -> Callable[P, AbstractAsyncContextManager[T]]: ...
    def __get__(self, instance: object, _: type) -> Any:
        return _function_or_raise(self, instance)

    def awaited(self, vestibule: "Vestibule", lanes: Lanes) -> object:
        call, executor = getattr(vestibule, self.name), self.executor(lanes)

        @asynccontextmanager
        async def entered(*args: Any, **kwargs: Any) -> AsyncIterator[object]:
            manager = call(*args, **kwargs)
            value = await executor(manager.__enter__)
            try:
                yield value
            except BaseException as error:
                await shield(create_task(executor(manager.__exit__, type(error), error, error.__traceback__)))
                raise
            await executor(manager.__exit__, None, None, None)

        return entered


def _function_or_raise(declared: UseCaseDescriptor[Any], instance: object) -> Callable[..., Any]:
    """Returns, for the class, a method with the parameters and the docstring of the use case, so that `help` shows them.

    A facade's use cases are in its own dictionary, which precedes descriptors.
    """
    if instance is not None:
        raise AttributeError(declared.name)

    def method(self: object, /, *args: Any, **kwargs: Any) -> Any:
        return getattr(self, declared.name)(*args, **kwargs)

    use_case: Any = declared.use_case
    method.__name__, method.__doc__ = declared.name, use_case.__doc__
    method.__qualname__ = f"UseCases.{declared.name}"
    vars(method)["__signature__"] = signature(use_case.__call__)
    return method


def _batched(executor: Executor, many: Callable[..., Any]) -> object:
    if isinstance(executor, InlineExecutor):  # calls wait only for the end of the loop's current turn
        return Batcher(executor, many, limit=float("inf"))
    return Batcher(executor, many, concurrency=2)


def _hashing_if(arguments: tuple[str, ...], call: Callable[P, T], executor: Executor, hashing: Executor) -> Callable[P, object]:
    without_hash, with_hash = executor.wrap(call), hashing.wrap(call)

    def awaited(*args: P.args, **kwargs: P.kwargs) -> object:
        is_hashed = any(kwargs.get(argument) is not None for argument in arguments)
        return (with_hash if is_hashed else without_hash)(*args, **kwargs)

    return awaited
