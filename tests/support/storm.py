"""Many clients that repeat one call as fast as possible: `python -m tests.support.storm <port> <name> <clients> <seconds>`.

A separate process, so that measurements of other clients do not wait for it.
"""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from threading import Thread

from tests.support.proxy import GONE, PASSWORD, Answer, Line, picture

PAUSE = 0.05
"""Seconds of pause after a refusal; less than its Retry-After demands."""

PICTURE = picture(400)


def log_in(line: Line, client: int) -> Answer:
    return line.log_in(f"busy{client % 8}x", PASSWORD)


def upload(line: Line, client: int) -> Answer:
    return line.upload(sys.argv[5 + client % 8], PICTURE)


def send(line: Line, client: int) -> Answer:
    return line.send_code(f"stranger{os.urandom(8).hex()}@example.com")


CALLS: dict[str, Callable[[Line, int], Answer]] = {"log_in": log_in, "upload": upload, "send": send}


def outcome_of(call: Callable[[], Answer]) -> str:
    """Returns the outcome. The server may close the connection of a refused call while its body is being sent."""
    try:
        answer = call()
    except GONE:
        return "cut off"
    return f"{answer.status} {answer.headers.get('retry-after', '')}".strip()


def main(port: int, name: str, clients: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    seen: Counter[str] = Counter()

    def go(client: int) -> None:
        with Line(port) as line:
            while time.monotonic() < until:
                outcome = outcome_of(lambda: CALLS[name](line, client))
                seen[outcome] += 1
                if not outcome.startswith("2"):
                    time.sleep(PAUSE)

    threads = [Thread(target=go, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
