"""Many journeys across nodes that are killed, on a PostgreSQL that is stopped in the middle; then all is checked."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from threading import Event

from tests.soak.checks import check
from tests.soak.client import Client, Counts, Stopped
from tests.soak.people import Person
from tests.support.databases import rows
from tests.support.nodes import Nodes, nodes
from tests.support.postgres_server import PostgresServer

from vestibule.adapters.database import migrate

DURABLE = {"fsync": "on", "full_page_writes": "on", "autovacuum": "on"}
MOST_ACTS = 6
DOWN_FOR = 2.0
TOLD_EVERY = 5.0

Task = Callable[[], None]


@dataclass
class Result:
    """The outcome of a run. `broken` lists each promise that did not hold."""

    counts: Counts = field(default_factory=Counts)
    people: list[Person] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Endurance:
    """`tell` receives progress lines. `over` ends the run early, without the final check."""

    def __init__(self, journeys: int, *, seed: int, clients: int, workers: Sequence[int], tell: Callable[[str], None]) -> None:
        self.over = Event()
        self.result = Result()
        self._journeys = journeys
        self._seed = seed
        self._clients = clients
        self._workers = tuple(workers)
        self._tell = tell
        self._begun = time.monotonic()

    def __call__(self, directory: Path) -> Result:
        self._say(f"starts PostgreSQL, Redis, S3, a mail server, an SMS gateway and {len(self._workers)} nodes")
        with PostgresServer(**DURABLE) as postgres:
            migrate(postgres.url)
            with nodes(directory, postgres.url, workers=self._workers, otp_cooldown="1") as site:
                self._say(f"all of them serve; {self._clients} clients begin {self._journeys} journeys")
                journeys = [partial(self._journey, site, number) for number in range(self._journeys)]
                self._run("journeys", journeys, self._breaks(site, postgres))
                self._say("all that was acknowledged is looked for, at every node")
                self._run("people", [partial(self._check, person) for person in self.result.people])
                self._look_back(site, postgres)
        self.result.seconds = time.monotonic() - self._begun
        return self.result

    # --- journeys -------------------------------------------------------------------------------------------------------

    def _journey(self, site: Nodes, number: int) -> None:
        chance = Random(f"{self._seed}.{number}")  # noqa: S311 — it guards nothing
        caller = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        client = Client(site.ports, caller, chance, self.result.counts, self.over)
        person = Person(number, client, site.mail, self.result.counts, chance)
        try:
            chance.choice([person.register, person.register, person.register_by_code])()
            for _ in range(chance.randint(2, MOST_ACTS)):
                chance.choice(person.acts())()
            self.result.people.append(person)
        finally:
            client.close()

    def _check(self, person: Person) -> None:
        try:
            check(person, self.result.counts, len(self._workers))
        finally:
            person.client.close()

    def _run(self, what: str, tasks: Sequence[Task], breaks: Mapping[int, Task] | None = None) -> None:
        """All of them, in as many threads as there are clients; breaks something when so many are done."""
        waiting = dict(breaks or {})
        told = time.monotonic()
        with ThreadPoolExecutor(self._clients) as threads:
            try:
                running = {threads.submit(self._noting, f"{what} {number}", task) for number, task in enumerate(tasks)}
                while running:
                    _, running = wait(running, 0.1, FIRST_COMPLETED)
                    done = len(tasks) - len(running)
                    for due in [number for number in waiting if number <= done]:
                        waiting.pop(due)()
                    if time.monotonic() - told >= TOLD_EVERY:
                        told = time.monotonic()
                        self._say(self._progress(f"{done:,} of {len(tasks):,} {what}"))
            except BaseException:
                self.over.set()
                raise
        if self.over.is_set():
            raise KeyboardInterrupt

    def _noting(self, where: str, task: Task) -> None:
        if self.over.is_set():
            return
        try:
            task()
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001 — the other journeys go on, and the report lists it
            self.result.broken.append(f"{where}: {type(error).__name__}: {error}")

    # --- what breaks ----------------------------------------------------------------------------------------------------

    def _breaks(self, site: Nodes, postgres: PostgresServer) -> dict[int, Task]:
        """One thing after each fifth of the journeys."""
        last = len(site.servers) - 1
        things = [
            partial(self._kill, site, last),
            partial(self._stop, postgres),
            partial(self._kill, site, 0),
            partial(self._kill_redis, site),
        ]
        return {self._journeys * fifth // 5: thing for fifth, thing in enumerate(things, start=1)}

    def _kill(self, site: Nodes, number: int) -> None:
        self._fault(f"node {number + 1} is killed (SIGKILL), and started again")
        site.servers[number].kill()
        time.sleep(DOWN_FOR)
        site.servers[number].start()
        site.servers[number].wait()

    def _stop(self, postgres: PostgresServer) -> None:
        self._fault("PostgreSQL is stopped at once (immediate), and started again")
        postgres.stop()
        time.sleep(DOWN_FOR)
        postgres.start()

    def _kill_redis(self, site: Nodes) -> None:
        self._fault("Redis is killed (SIGKILL), and started again")
        site.redis.kill()
        time.sleep(DOWN_FOR)
        site.redis.start()

    def _fault(self, what: str) -> None:
        self.result.faults.append(what)
        self._say(what)

    # --- looking back ---------------------------------------------------------------------------------------------------

    def _look_back(self, site: Nodes, postgres: PostgresServer) -> None:
        """Checks that no client can make: errors in the logs, failed messages, mails that arrived twice."""
        for number, server in enumerate(site.servers, start=1):
            if "Traceback" in server.output:
                self.result.broken.append(f"node {number} logged a fault:\n{server.output[-4000:]}")
        [(dead,)] = rows(postgres.url, "SELECT count(*) FROM outbox WHERE due_at IS NULL")
        if dead:
            self.result.broken.append(f"{dead} messages failed permanently")
        twice = [message for message, times in Counter(site.mail.ids).items() if times > 1]
        self.result.counts.add("mails delivered", len(site.mail.ids))
        self.result.counts.add("mails delivered again", len(twice))
        if len(twice) > len(self.result.faults) * sum(self._workers):
            self.result.broken.append(
                f"{len(twice)} mails arrived more than once: more than delivery workers held when they were killed"
            )

    # --- telling --------------------------------------------------------------------------------------------------------

    def _progress(self, done: str) -> str:
        seen = self.result.counts.of
        return f"{done}, {seen['calls']:,} calls, {seen['answered 503']:,} answered 503, {seen['no answer']:,} not answered"

    def _say(self, line: str) -> None:
        self._tell(f"{time.monotonic() - self._begun:6.1f} s  {line}")
