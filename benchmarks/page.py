"""The tables of docs/performance.md, out of what `--json` wrote: `python -m benchmarks.page calls.json storms.json …`."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any


def main(files: Sequence[str]) -> None:
    for results in _runs(json.loads(Path(file).read_text()) for file in files):
        print("\n".join(_page(results)))


def _runs(written: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in written:
        yield from one["runs"] if one["kind"] == "several" else [one]


def _page(results: dict[str, Any]) -> Iterator[str]:
    yield f"### {results['kind']}\n"
    yield ", ".join(f"{name} {value}" for name, value in results["machine"].items()) + "\n"
    yield from _rows(results.get("rows") or [one for one in results.get("found", []) if "cpu_us" in one])
    yield from _lines([one for one in results.get("found", []) if "cpu_us" not in one])
    yield from _lines(results.get("servers", []))
    yield from _table(
        ("target", "bound", "found", "by CPU", ""),
        [
            (
                one["target"],
                one["bound"],
                f"{one['found']:.2f}",
                _number(one.get("by_cost")),
                "met" if one["met"] else "not met",
            )
            for one in results["targets"]
        ],
    )


def _rows(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield from _table(
        ("call", "at", "clients", "requests/s", "p50 ms", "p99 ms", "CPU µs"),
        [
            (one["call"], one["name"], one["connections"], f"{one['rate']:,.0f}", *_waits(one), f"{one['cpu_us']:,.0f}")
            for one in rows
        ],
    )


def _waits(row: dict[str, Any]) -> tuple[str, str]:
    return (f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}") if row["connections"] > 1 else ("", "")


def _lines(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    if found:
        yield from _table(
            [name.replace("_", " ") for name in found[0]], [[_cell(one) for one in line.values()] for line in found]
        )


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}: {times:,}" for key, times in value.items())
    return value if isinstance(value, str) else f"{value:,}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _table(heads: Sequence[str], lines: Iterable[Sequence[object]]) -> Iterator[str]:
    kept = list(lines)
    if not kept:
        return
    yield "| " + " | ".join(heads) + " |"
    yield "| --- | --- |" + " ---: |" * (len(heads) - 2)
    yield from ("| " + " | ".join(str(cell) for cell in line) + " |" for line in kept)
    yield ""


if __name__ == "__main__":
    main(sys.argv[1:])
