"""Tables on the terminal, and the same as JSON."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .calls import CONNECTIONS
from .machine import described
from .measure import Row
from .servers import Server
from .targets import Target


def document(kind: str, setting: dict[str, Any], **parts: Sequence[Any]) -> dict[str, Any]:
    """The JSON document of one kind."""
    today = datetime.now(UTC).date().isoformat()
    return {"kind": kind, "date": today, "machine": described(), **setting} | {name: list(part) for name, part in parts.items()}


def write(directory: Path | None, results: dict[str, Any]) -> None:
    """Writes `KIND.json`, a line for each row, so that a new run shows as changed lines."""
    if directory is not None:
        (directory / f"{results['kind']}.json").write_text("{\n" + ",\n".join(_parts(results)) + "\n}\n")


def _parts(results: dict[str, Any]) -> Iterator[str]:
    for name, value in results.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value:
            rows = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in value)
            text = f"[\n{rows}\n ]"
        yield f' "{name}": {text}'


def show_rows(console: Console, rows: Sequence[Row]) -> None:
    table = Table("call", "at", title="Calls", title_justify="left", header_style="bold")
    for heading in ("clients", "requests/s", "p50 ms", "p99 ms", "CPU µs", "failed"):
        table.add_column(heading, justify="right")
    for call in dict.fromkeys([*CONNECTIONS, *(row.call for row in rows)]):
        some = sorted((row for row in rows if row.call == call), key=lambda row: row.connections == 1)
        for row in some:
            table.add_row(row.call if row is some[0] else "", row.name, *_figures(row), end_section=row is some[-1])
    console.print(table)


def _figures(row: Row) -> list[str]:
    """The cells of a row; a baseline has no latency, because it does not queue."""
    waits = [f"{row.outcome.quantile(part) * 1e3:,.2f}" for part in (0.5, 0.99)] if row.connections > 1 else ["", ""]
    failed = " ".join(f"{status}: {times}" for status, times in sorted(row.failed.items()))
    return [str(row.connections), f"{row.rate:,.0f}", *waits, f"{row.cost:,.0f}", failed]


def show_servers(console: Console, servers: Sequence[Server]) -> None:
    table = Table("server", title="Start and memory", title_justify="left", header_style="bold")
    for heading in ("s to first response", "MiB at rest", "MiB now"):
        table.add_column(heading, justify="right")
    for server in servers:
        table.add_row(server.name, f"{server.start_seconds:.2f}", f"{server.memory_at_rest:.0f}", f"{server.memory():.0f}")
    console.print(table)


def show_targets(console: Console, targets: Sequence[Target]) -> None:
    if not targets:
        return
    table = Table("target", title="Targets", title_justify="left", header_style="bold")
    for heading in ("bound", "found", "by CPU", ""):
        table.add_column(heading, justify="right")
    for target in targets:
        cost = "" if target.cost is None else f"{target.cost:.2f}"
        table.add_row(target.name, target.bound, f"{target.found:.2f}", cost, "met" if target.is_met else "[bold]not met")
    console.print(table)


def show_lines(console: Console, title: str, found: Sequence[dict[str, Any]]) -> None:
    """A table of rows, with the names that JSON has."""
    if not found:
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for name, value in found[0].items():
        table.add_column(name.replace("_", " "), justify="left" if isinstance(value, str) else "right")
    for one in found:
        table.add_row(*(_cell(value) for value in one.values()))
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}: {times:,}" for key, times in value.items())
    return value if isinstance(value, str) else f"{value:,}"


def server_json(server: Server) -> dict[str, Any]:
    return {
        "name": server.name,
        "start_seconds": round(server.start_seconds, 2),
        "mib_at_rest": round(server.memory_at_rest),
        "mib_now": round(server.memory()),
    }
