"""The soak test: journeys of simulated users while servers are killed and restarted, and the final checks."""

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
from tests.soak.client import Counts, RetryingClient, Stopped
from tests.soak.users import User
from tests.support.databases import rows
from tests.support.nodes import Nodes, nodes
from tests.support.postgres_server import PostgresServer

from vestibule.adapters.database import migrate

DURABLE = {"fsync": "on", "full_page_writes": "on", "autovacuum": "on"}
MAX_ACTIONS = 6
DOWNTIME = 2.0
REPORT_INTERVAL = 5.0

Task = Callable[[], None]


@dataclass
class Result:
    """The outcome of a run. `broken` lists each promise that did not hold."""

    counts: Counts = field(default_factory=Counts)
    users: list[User] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0


LIMITS = {"otp_cooldown": "1", "limit_codes_per_destination_and_network": "100/hour"}
"""A client that repeats lost calls asks for more codes of one address than a person does."""


class SoakTest:
    """Runs the journeys and the final checks. `report` receives progress lines; `stopping` ends the run early, unchecked."""

    def __init__(
        self, journeys: int, *, seed: int, clients: int, workers: Sequence[int], report: Callable[[str], None]
    ) -> None:
        self.stopping = Event()
        self.result = Result()
        self._journeys = journeys
        self._seed = seed
        self._clients = clients
        self._workers = tuple(workers)
        self._report_line = report
        self._begun = time.monotonic()

    def __call__(self, directory: Path) -> Result:
        self._report(f"starting PostgreSQL, Redis, S3, a mail server, an SMS gateway and {len(self._workers)} nodes")
        with PostgresServer(**DURABLE) as postgres:
            migrate(postgres.url)
            with nodes(directory, postgres.url, workers=self._workers, **LIMITS) as cluster:
                self._report(f"all are ready; {self._clients} clients begin {self._journeys} journeys")
                journeys = [partial(self._journey, cluster, number) for number in range(self._journeys)]
                self._run("journeys", journeys, self._faults(cluster, postgres))
                self._report("checking all acknowledged changes at each node")
                self._run("users", [partial(self._check, user) for user in self.result.users])
                self._check_servers(cluster, postgres)
        self.result.seconds = time.monotonic() - self._begun
        return self.result

    # --- journeys -----------------------------------------------------------------------------------------------------

    def _journey(self, cluster: Nodes, number: int) -> None:
        random = Random(f"{self._seed}.{number}")  # noqa: S311 — not for secrets
        caller = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        client = RetryingClient(cluster.ports, caller, random, self.result.counts, self.stopping)
        user = User(number, client, cluster.mail, self.result.counts, random)
        try:
            random.choice([user.register, user.register, user.register_by_code])()
            for _ in range(random.randint(2, MAX_ACTIONS)):
                random.choice(user.actions())()
            self.result.users.append(user)
        finally:
            client.close()

    def _check(self, user: User) -> None:
        try:
            check(user, self.result.counts, len(self._workers))
        finally:
            user.client.close()

    def _run(self, name: str, tasks: Sequence[Task], faults: Mapping[int, Task] | None = None) -> None:
        """Runs all tasks, one thread per client; runs each fault when its number of tasks are done."""
        waiting = dict(faults or {})
        reported = time.monotonic()
        with ThreadPoolExecutor(self._clients) as threads:
            try:
                running = {threads.submit(self._recording, f"{name} {number}", task) for number, task in enumerate(tasks)}
                while running and not self.stopping.is_set():
                    _, running = wait(running, 0.1, FIRST_COMPLETED)
                    done = len(tasks) - len(running)
                    for due in [number for number in waiting if number <= done]:
                        waiting.pop(due)()
                    if time.monotonic() - reported >= REPORT_INTERVAL:
                        reported = time.monotonic()
                        self._report(self._progress(f"{done:,} of {len(tasks):,} {name}"))
            except BaseException:
                self.stopping.set()
                raise
        if self.stopping.is_set():
            raise KeyboardInterrupt

    def _recording(self, where: str, task: Task) -> None:
        if self.stopping.is_set():
            return
        try:
            task()
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001 — the other journeys continue, and the report lists the error
            self.result.broken.append(f"{where}: {type(error).__name__}: {error}")

    # --- faults -------------------------------------------------------------------------------------------------------

    def _faults(self, cluster: Nodes, postgres: PostgresServer) -> dict[int, Task]:
        """Returns the faults, one for each fifth of the journeys, by the number of journeys done before it."""
        last = len(cluster.servers) - 1
        faults = [
            partial(self._kill, cluster, last),
            partial(self._stop, postgres),
            partial(self._kill, cluster, 0),
            partial(self._kill_redis, cluster),
        ]
        return {self._journeys * fifth // 5: fault for fifth, fault in enumerate(faults, start=1)}

    def _kill(self, cluster: Nodes, number: int) -> None:
        self._fault(f"node {number + 1} is killed (SIGKILL) and restarted")
        cluster.servers[number].kill()
        time.sleep(DOWNTIME)
        cluster.servers[number].start()
        cluster.servers[number].wait()

    def _stop(self, postgres: PostgresServer) -> None:
        self._fault("PostgreSQL is stopped (immediate mode) and restarted")
        postgres.stop()
        time.sleep(DOWNTIME)
        postgres.start()

    def _kill_redis(self, cluster: Nodes) -> None:
        self._fault("Redis is killed (SIGKILL) and restarted")
        cluster.redis.kill()
        time.sleep(DOWNTIME)
        cluster.redis.start()

    def _fault(self, description: str) -> None:
        self.result.faults.append(description)
        self._report(description)

    # --- server checks ------------------------------------------------------------------------------------------------

    def _check_servers(self, cluster: Nodes, postgres: PostgresServer) -> None:
        """Checks logs for errors, the outbox for failed messages, and the mail server for duplicates."""
        for number, server in enumerate(cluster.servers, start=1):
            if "Traceback" in server.output:
                self.result.broken.append(f"node {number} logged an error:\n{server.output[-4000:]}")
        [(failed,)] = rows(postgres.url, "SELECT count(*) FROM outbox WHERE due_at IS NULL")
        if failed:
            self.result.broken.append(f"{failed} messages failed permanently")
        twice = [message for message, times in Counter(cluster.mail.ids).items() if times > 1]
        self.result.counts.add("mails delivered", len(cluster.mail.ids))
        self.result.counts.add("mails delivered again", len(twice))
        if len(twice) > len(self.result.faults) * sum(self._workers):
            self.result.broken.append(
                f"{len(twice)} mails arrived more than once: more than delivery workers held when they were killed"
            )

    # --- progress -----------------------------------------------------------------------------------------------------

    def _progress(self, done: str) -> str:
        seen = self.result.counts.of
        return f"{done}, {seen['calls']:,} calls, {seen['answered 503']:,} answered 503, {seen['no response']:,} not answered"

    def _report(self, line: str) -> None:
        self._report_line(f"{time.monotonic() - self._begun:6.1f} s  {line}")
