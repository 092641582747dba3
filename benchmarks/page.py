"""The tables of docs/performance.md, generated from `benchmarks/results/*.json`."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from . import workers
from .calls import CONNECTIONS, LOGIN
from .places import DATABASES, SQLITE
from .scale import name_of
from .table import SQLITE_WHEEL
from .targets import ARGON2, GET, POST, WHEEL

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs" / "performance.md", ROOT / "benchmarks" / "results"
PEERS = ("fastapi-users, SQLite", "drf-user, SQLite", "better-auth, SQLite")

_BASELINES = (GET, POST, ARGON2, "Pillow alone")
_GENERATED = re.compile(r"(<!-- generated: (\w+) -->\n\n).*?(?=\n<!-- end -->)", re.DOTALL)


def write() -> None:
    PAGE.write_text(rendered(PAGE.read_text()))


def rendered(page: str) -> str:
    """The page with every generated part replaced by what the results give."""
    return _GENERATED.sub(lambda part: f"{part[1]}{_PARTS[part[2]]()}\n", page)


@cache
def _results(name: str) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return results


def _setting() -> str:
    results = _results("calls")
    machine, runs = results["machine"], f"{results['rounds']} interleaved runs of {results['seconds']:g} seconds"
    lines = (
        f"Measured on {results['date']}: {machine['processor']}, {machine['cores']} cores, {machine['memory']},",
        f"{machine['system']}, Python {machine['python']}, SQLite {machine['sqlite']}, PostgreSQL {results['postgresql']};",
        f"{results['accounts']:,} accounts, the median of {runs}.",
    )
    return "\n".join(lines)


def _calls() -> str:
    """Responses a second of each call, at its baseline, on each database and at each peer."""
    rows = {(row["call"], row["name"]): row for row in _results("calls")["rows"]}
    heads = [
        "call",
        "clients",
        "baseline",
        *DATABASES,
        "SQLite, wheel",
        *(f"p99 ms, {one}" for one in DATABASES),
        *map(_short, PEERS),
    ]
    return _table(
        heads,
        (
            [
                call,
                str(clients),
                *(_rate(_first(rows, call, names)) for names in (_BASELINES, *([one] for one in DATABASES))),
                _of_baseline(rows.get((call, SQLITE_WHEEL)), rows.get((LOGIN, WHEEL))),
                *(f"{rows[call, one]['p99_ms']:.0f}" for one in DATABASES),
                *(_rate(rows.get((call, peer))) for peer in PEERS),
            ]
            for call, clients in CONNECTIONS.items()
        ),
    )


def _first(rows: Mapping[tuple[str, str], dict[str, Any]], call: str, names: Iterable[str]) -> dict[str, Any] | None:
    return next((rows[call, name] for name in names if (call, name) in rows), None)


def _rate(row: dict[str, Any] | None) -> str:
    return f"{row['rate']:,.0f}" if row else ""


def _of_baseline(row: dict[str, Any] | None, baseline: dict[str, Any] | None) -> str:
    return f"{_rate(row)} of {_rate(baseline)}" if row else ""


def _short(peer: str) -> str:
    return peer.partition(",")[0]


def _ratios() -> str:
    """How the cost of a call grows with the accounts and the workers."""
    found = {
        _names(one["target"]): one["found"]
        for kind in ("scale", "workers")
        for one in _results(kind)["targets"]
        if ": " in one["target"]
    }
    names = [name_of(one, 1_000_000) for one in DATABASES] + [
        workers.name_of(one, number) for number in workers.WORKERS[1:] for one in DATABASES
    ]
    calls = dict.fromkeys(call for call, _ in found)
    return _table(["call", *names], ([call, *(_ratio(found.get((call, name))) for name in names)] for call in calls))


def _names(target: str) -> tuple[str, str]:
    """The call and the server that a target begins with."""
    call, _, server = target.partition(" : ")[0].partition(", ")
    return call, server


def _ratio(found: float | None) -> str:
    return "" if found is None else f"{found:.2f}"


def _storms() -> str:
    """Account reads during each storm; at peers during that of logins."""
    found = _results("storms")["found"]
    ours = {(one["storm"], one["at"]): one for one in found}
    table = _table(
        [
            "storm",
            "clients",
            *(f"{head}, {one}" for one in DATABASES for head in ("served a second", "reads a second", "p99 ms")),
        ],
        (
            [storm, str(ours[storm, SQLITE]["clients"]), *(cell for one in DATABASES for cell in _storm(ours[storm, one]))]
            for storm in dict.fromkeys(one["storm"] for one in found)
        ),
    )
    theirs = (f"{_short(one['at'])} {one['reads_per_second']:.0f}" for one in found if one["at"] in PEERS)
    return f"{table}\n\nReads a second at the peers during the storm of logins: {', '.join(theirs)}."


def _storm(one: dict[str, Any]) -> tuple[str, str, str]:
    total = sum(one["statuses"].values())
    served = sum(times for status, times in one["statuses"].items() if status.startswith("2"))
    rate = one["responses_per_second"] * served / total if total else 0
    return f"{rate:,.0f}", f"{one['reads_per_second']:,.0f}", f"{one['read_p99_ms']:,.0f}"


def _memory() -> str:
    """Memory and open files at the beginning and at the end."""
    found = groupby(_results("memory")["found"], key=lambda one: one["database"])
    return "\n".join(f"- {database}: {_grown(list(some))}" for database, some in found)


def _grown(some: Sequence[dict[str, Any]]) -> str:
    first, last = some[0], some[-1]
    return (
        f"{first['mib']:.0f} MiB after {first['requests']:,} requests, {last['mib']:.0f} after {last['requests']:,}; "
        f"{last['open'] - first['open']} more files open, {sum(one['failed'] for one in some)} requests failed."
    )


def _start() -> str:
    """Starts and imports, with their processor time as a multiple of that of the first one."""
    found = _results("start")["found"]
    first = {one["database"]: one["cpu_seconds"] for one in reversed(found)}
    return _table(
        ["", "seconds", "seconds of processor", "ratio", "MiB at rest"],
        (
            [
                one["start"] if one["mib_at_rest"] == 0 else f"server, {one['start']}",
                f"{one['seconds']:.2f}",
                f"{one['cpu_seconds']:.2f}",
                _ratio(one["cpu_seconds"] / first[one["database"]]),
                f"{one['mib_at_rest']:.0f}" if one["mib_at_rest"] else "",
            ]
            for one in found
            if one["mib_at_rest"] or one["database"] == SQLITE
        ),
    )


def _profile() -> str:
    """Microseconds of processor for each response, by library; of two profiles of a bare handler the first."""
    found = {(one["call"], one["at"]): one for one in reversed(_results("profile")["found"])}
    rows = [one for call in CONNECTIONS for one in reversed(found.values()) if one["call"] == call]
    parts = [name for name in rows[0] if name not in {"call", "at", "us", "database"}]
    return _table(
        ["call", "at", "in all", *parts],
        (
            [one["call"], one["at"], f"{one['us']:,}", *(f"{one[part]:,}" if one[part] else "" for part in parts)]
            for one in rows
        ),
    )


def _unmet() -> str:
    """The targets that are not met, those with one reason in one line."""
    targets = _targets()
    unmet = [one for one in targets if not one["met"]]
    lines = [
        (reason, some)
        for reason in _results("reasons")["reasons"]
        if (some := [one for one in unmet if one["target"] in reason["targets"]])
    ]
    table = _table(
        ["target", "bound", "found", "reason"],
        (
            [reason["name"], " ".join(dict.fromkeys(one["bound"] for one in some)), _range(some), reason["reason"]]
            for reason, some in lines
        ),
    )
    return f"{len(targets) - len(unmet)} of {len(targets)} targets are met. The others, and the reasons:\n\n{table}"


def unexplained() -> list[str]:
    """Targets that are not met and have no reason. Reasons of those that are met wait for a worse run."""
    explained = {target for reason in _results("reasons")["reasons"] for target in reason["targets"]}
    return [one["target"] for one in _targets() if not one["met"] and one["target"] not in explained]


def _targets() -> list[dict[str, Any]]:
    return [one for name in ("calls", "scale", "storms", "memory", "workers", "start") for one in _results(name)["targets"]]


def _range(targets: Sequence[dict[str, Any]]) -> str:
    found = sorted(one["found"] for one in targets)
    return f"{found[0]:.2f}" if len(found) == 1 else f"{found[0]:.2f}–{found[-1]:.2f}"


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    def rows() -> Iterator[str]:
        yield "| " + " | ".join(heads) + " |"
        yield "| --- |" + " ---: |" * (len(heads) - 1)
        yield from ("| " + " | ".join(line) + " |" for line in lines)

    return "\n".join(rows())


_PARTS = {
    "setting": _setting,
    "calls": _calls,
    "ratios": _ratios,
    "storms": _storms,
    "memory": _memory,
    "start": _start,
    "profile": _profile,
    "unmet": _unmet,
}
