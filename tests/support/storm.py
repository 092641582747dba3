"""Many clients that repeat one call as fast as possible: `python -m tests.support.storm <port> <name> <clients> <seconds>`.

A separate process, so that measurements of other clients do not wait for it. It writes the line `started`, and at its end the
number of each outcome as JSON.
"""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from threading import Thread

from tests.support.http_client import CONNECTION_ERRORS, PASSWORD, Client, Response, random_png

PAUSE = 0.05
"""Seconds of pause after a refusal; less than its Retry-After demands."""

PICTURE = random_png(400)


def log_in(client: Client, number: int) -> Response:
    return client.log_in(f"busy{number % 8}x", PASSWORD)


def upload(client: Client, number: int) -> Response:
    return client.upload(sys.argv[5 + number % 8], PICTURE)


def send(client: Client, number: int) -> Response:
    return client.send_code(f"unknown{os.urandom(8).hex()}@example.com")


CALLS: dict[str, Callable[[Client, int], Response]] = {"log_in": log_in, "upload": upload, "send": send}


def outcome_of(call: Callable[[], Response]) -> str:
    """Returns the outcome. The server may close the connection of a refused call while its body is being sent."""
    try:
        response = call()
    except CONNECTION_ERRORS:
        return "cut off"
    return f"{response.status} {response.headers.get('retry-after', '')}".strip()


def main(port: int, name: str, clients: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    seen: Counter[str] = Counter()

    def repeat(number: int) -> None:
        with Client(port) as client:
            while time.monotonic() < until:
                outcome = outcome_of(lambda: CALLS[name](client, number))
                seen[outcome] += 1
                if not outcome.startswith("2"):
                    time.sleep(PAUSE)

    threads = [Thread(target=repeat, args=(number,)) for number in range(clients)]
    sys.stdout.write("started\n")
    sys.stdout.flush()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
