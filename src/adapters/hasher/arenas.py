"""Argon2 in memory that is kept from one hash to the next."""

import mmap
from collections import deque
from contextlib import suppress
from threading import local
from typing import Any, NamedTuple

from argon2.low_level import Type, core, error_to_str, ffi

from ...domain.errors import Overloaded

_HUGE_PAGE = 2 * 1024 * 1024
_NO_MEMORY = -22  # ARGON2_MEMORY_ALLOCATION_ERROR


class Cost(NamedTuple):
    """The parameters of Argon2 that make a hash slow, its variant and its version."""

    time_cost: int
    memory_kib: int
    parallelism: int
    type: Type = Type.ID
    version: int = 19


class Arenas:
    """Computes Argon2 tags, each in an arena: private memory that the next hash uses again. Thread-safe.

    There are as many arenas as hashes were ever computed at once. A hash that needs more than `memory_kib` gets memory of its
    own, which is given back. Argon2 itself asks the C library for its memory each time, which costs as much time as the hash if
    the library takes the pages from the system anew. It reads them in a random order, and so gains from huge pages as well,
    where Linux has them.
    """

    def __init__(self, memory_kib: int) -> None:
        self._memory_kib = memory_kib
        self.free: deque[_Arena] = deque()

    def tag(self, secret: bytes, salt: bytes, length: int, cost: Cost) -> bytes:
        """Raises `ValueError` for a cost or lengths that Argon2 rejects, and `Overloaded` without enough memory."""
        if cost.memory_kib > self._memory_kib:
            return _Arena(cost.memory_kib).tag(secret, salt, length, cost)
        try:
            arena = self.free.pop()
        except IndexError:
            arena = _Arena(self._memory_kib)
        try:
            return arena.tag(secret, salt, length, cost)
        finally:
            self.free.append(arena)


class _Arena:
    """Memory for one hash at a time. Argon2 overwrites it with zeros at the end of each."""

    def __init__(self, memory_kib: int) -> None:
        size = -(-memory_kib * 1024 // _HUGE_PAGE) * _HUGE_PAGE
        try:
            self.memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # no forked process shares it
        except (OSError, OverflowError):
            raise Overloaded from None
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # a kernel without them
                self.memory.madvise(mmap.MADV_HUGEPAGE)
        self.address = ffi.cast("uint8_t *", ffi.from_buffer(self.memory))

    def tag(self, secret: bytes, salt: bytes, length: int, cost: Cost) -> bytes:
        texts = {"pwd": ffi.from_buffer("uint8_t[]", secret), "salt": ffi.from_buffer("uint8_t[]", salt)}
        sizes = {"pwdlen": len(secret), "saltlen": len(salt), "outlen": length}
        costs = {"t_cost": cost.time_cost, "m_cost": cost.memory_kib, "lanes": cost.parallelism, "threads": cost.parallelism}
        out = ffi.new("uint8_t[]", length)
        values = texts | sizes | costs | _CALLBACKS | {"out": out, "version": cost.version}
        _in_use.arena = self
        error = core(ffi.new("argon2_context *", values), cost.type.value)
        if error == _NO_MEMORY:
            raise Overloaded
        if error:
            raise ValueError(error_to_str(error))
        return bytes(ffi.buffer(out))


_in_use = local()
"""The arena of the hash that this thread computes."""


def _allocate(memory: Any, wanted: int) -> int:
    arena: _Arena = _in_use.arena
    if wanted > len(arena.memory):
        return _NO_MEMORY
    memory[0] = arena.address
    return 0


def _callbacks() -> dict[str, Any]:
    """Returns none where the system forbids memory that can be written and executed, which callbacks need.

    Then Argon2 asks the C library for its memory, and no page of an arena is ever used.
    """
    try:
        return {
            "allocate_cbk": ffi.callback("int(uint8_t **, size_t)", _allocate, error=_NO_MEMORY),
            "free_cbk": ffi.callback("void(uint8_t *, size_t)", lambda *_: None),
        }
    except MemoryError:
        return {}


_CALLBACKS = _callbacks()
