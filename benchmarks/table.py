"""The main table: every call at every server, next to its baselines."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from . import peers as other
from .calls import ACCOUNT, LOGIN, REFRESH, REGISTER, SEND, UNIQUE, UPLOAD, VERIFY, Subject, same
from .load import get, post
from .machine import cores, pin
from .measure import Baseline, Row, Run
from .places import POSTGRES, SQLITE, Places
from .report import document, server_json
from .servers import Server, bare, has_built_argon2, wheel_of_argon2
from .targets import ARGON2, DIRECT, GET, POST, WHEEL, Target, evaluate

ACCOUNTS = 1_000
SQLITE_WHEEL = f"{SQLITE}, wheel of Argon2"

_BASELINES = (
    ("argon2", ARGON2, LOGIN, None),
    ("image", "Pillow alone", UPLOAD, None),
    ("sqlite-read", "one bare SELECT, SQLite", ACCOUNT, SQLITE),
    ("postgres-read", "one bare SELECT, PostgreSQL", ACCOUNT, POSTGRES),
    ("sqlite-refresh", DIRECT, REFRESH, None),
    ("sqlite-send", DIRECT, SEND, None),
    ("sqlite-verify", DIRECT, VERIFY, None),
)


@dataclass
class Results:
    """The results of a run."""

    rows: list[Row] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    setting: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return document(
            "calls",
            self.setting,
            rows=[row.as_json() for row in self.rows],
            servers=[server_json(server) for server in self.servers],
            targets=[target.as_json() for target in self.targets],
        )


def measure(stack: ExitStack, run: Run, calls: Sequence[str], databases: Sequence[str], peers: Sequence[str]) -> Results:
    """Starts all servers, and measures them. The servers run until the stack ends."""
    ours, load = cores()
    places = Places(stack, ours, run.progress)
    subjects = started(stack, places, databases, peers)
    baselines = _baselines(calls, ours, subjects)
    if has_built_argon2() and SQLITE in databases and {LOGIN, REGISTER} & {*calls}:
        subjects.append(_with_wheel(places))
        baselines.append(Baseline("argon2", WHEEL, LOGIN, frozenset(ours), environment=wheel_of_argon2()))
    pin(load)
    rows = run.calls(calls, subjects, baselines)
    servers = [subject.server for subject in subjects if subject.name not in {GET, POST}]
    setting: dict[str, Any] = {"accounts": ACCOUNTS, "seconds": run.seconds, "rounds": run.rounds}
    if POSTGRES in {subject.name for subject in subjects}:
        setting["postgresql"] = places.postgres_version()
    return Results(rows, servers, evaluate(rows, peers), setting)


def started(stack: ExitStack, places: Places, databases: Sequence[str], peers: Sequence[str]) -> list[Subject]:
    """The bare handlers, Vestibule on each available database, and the peers."""
    handlers = stack.enter_context(bare(places.directory, places.cores))
    return [
        Subject(GET, handlers, {ACCOUNT: lambda clients: same(get("/static"), clients)}),
        Subject(POST, handlers, dict.fromkeys((REFRESH, UNIQUE), _posts)),
        *(places.subject(one, one, ACCOUNTS, delivery="off") for one in databases if places.is_available(one)),
        *(stack.enter_context(other.opened(peer, places, places.cores)) for peer in peers),
    ]


def _with_wheel(places: Places) -> Subject:
    """The server with the Argon2 that pip installs; its other calls are those of the server that uses a compiled one."""
    subject = places.subject(SQLITE_WHEEL, SQLITE, ACCOUNTS, wheel_of_argon2(), delivery="off")
    return replace(subject, calls={call: subject.calls[call] for call in (LOGIN, REGISTER)})


def _posts(clients: int) -> list[Any]:
    return same(post("/posted", {"refresh": "vst_rt_" + "x" * 80}), clients)


def _baselines(calls: Sequence[str], ours: set[int], subjects: Sequence[Subject]) -> list[Baseline]:
    urls = {subject.name: subject.server.environment.get("VESTIBULE_DATABASE_URL", "") for subject in subjects}
    return [
        Baseline(which, name, call, frozenset(ours), (urls[needs],) if needs else ())
        for which, name, call, needs in _BASELINES
        if call in calls and (needs is None or needs in urls)
    ]
