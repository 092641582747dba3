"""A client that behaves like real ones: it calls a random node, and retries after a 503 or a lost connection."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from threading import Event, Lock
from typing import Any

from tests.support.http_client import CONNECTION_ERRORS, Client, Response

RETRY_SECONDS = 60.0
"""Seconds of retries after which the service counts as down."""

Call = Callable[[Client], Response]


class BrokenPromise(Exception):
    """A change was lost, a secret was accepted twice, or a response contradicts the contract."""


class Stopped(Exception):
    """The run has been interrupted."""


@dataclass
class Counts:
    """Counters by name, shared by all clients."""

    of: "Counter[str]" = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, name: str, number: int = 1) -> None:
        with self._lock:
            self.of[name] += number


@dataclass(frozen=True)
class Reply:
    """The final response. `is_retry` is true if an earlier attempt got no response or a 503, and may have succeeded."""

    response: Response
    is_retry: bool

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def json(self) -> Any:
        return self.response.json


class RetryingClient:
    """A client with its own address, and a connection to each node."""

    def __init__(self, ports: Sequence[int], caller: str, random: Random, counts: Counts, stopping: Event) -> None:
        self._clients = [Client(port, caller=caller) for port in ports]
        self._random = random
        self._counts = counts
        self._stopping = stopping

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def call(
        self, name: str, request: Call, expected: Collection[int], *, on_retry: Collection[int] = (), at: int | None = None
    ) -> Reply:
        """Calls the node `at`, or a random one, and after a 503 or a lost connection the next one.

        `on_retry` has further statuses that are allowed if an earlier attempt may have succeeded. An expected 429 is retried.
        """
        node = self._random.randrange(len(self._clients)) if at is None else at
        deadline = time.monotonic() + RETRY_SECONDS
        lost_response = got_503 = False
        while True:
            response = self._try(name, request, node)
            if response is not None and response.status != 503 and (response.status != 429 or 429 not in expected):
                break
            if time.monotonic() > deadline:
                raise BrokenPromise(f"{name}: no final response for {RETRY_SECONDS:.0f} s")
            lost_response |= response is None
            got_503 |= response is not None and response.status == 503
            self._pause(name, response)
            self._counts.add("retries")
            node = (node + 1) % len(self._clients)
        if response.status not in expected:
            if not (lost_response or got_503) or response.status not in on_retry:
                raise BrokenPromise(f"{name}: {description(response)}, expected {sorted(expected)}")
            self._counts.add("succeeded although the response was lost" if lost_response else "succeeded although answered 503")
        return Reply(response, lost_response or got_503)

    def call_all(self, name: str, request: Call) -> list[Response | None]:
        """Calls all nodes at the same time, without retries; returns None for a node that sends no response."""
        with ThreadPoolExecutor(len(self._clients)) as threads:
            return list(threads.map(lambda node: self._try(name, request, node), range(len(self._clients))))

    def _try(self, name: str, request: Call, node: int) -> Response | None:
        if self._stopping.is_set():
            raise Stopped
        self._counts.add("calls")
        try:
            response = request(self._clients[node])
        except TimeoutError:
            raise BrokenPromise(f"{name}: no response on an open connection") from None
        except CONNECTION_ERRORS:
            self._counts.add("no response")
            return None
        self._counts.add(f"answered {response.status}")
        if response.status >= 500 and (response.status, response.problem) not in {(503, "unavailable"), (503, "overloaded")}:
            raise BrokenPromise(f"{name}: {description(response)}")
        return response

    def _pause(self, name: str, response: Response | None) -> None:
        """Waits as long as Retry-After says, or a tenth of a second if there was no response."""
        if response is None:
            seconds = 0.1
        elif not response.headers.get("retry-after", "").isdigit():
            raise BrokenPromise(f"{name}: {response.status} without Retry-After")
        else:
            seconds = float(response.headers["retry-after"])
        if self._stopping.wait(min(seconds, RETRY_SECONDS)):
            raise Stopped


def description(response: Response | None) -> str:
    """Returns the status, and the problem of a refusal; never a token or other content."""
    if response is None:
        return "no response"
    is_problem = "problem" in response.headers.get("content-type", "")
    return f"answered {response.status}" + (f" {response.problem}" if is_problem else "")
