"""Checks the words of the repository's texts against rules: each rule is a pattern and the reason it is refused."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scripts.support.check_traces import ROOT, files


class Rule(NamedTuple):
    pattern: re.Pattern[str]
    reason: str
    applies_to: re.Pattern[str]
    """Paths below the repository's root that the rule holds for."""


RULES = [
    Rule(
        re.compile(r"pip install (?:-\S+ )*['\"]?vestibule\b(?!-accounts)|\bvestibule\[[a-z{]"),
        "the distribution is called vestibule-accounts",
        re.compile(r"^(?!scripts/support/check_texts\.py$)"),
    ),
]


def breaches(path: Path) -> Iterator[str]:
    """Yields one line of output for each place in the file that breaks a rule."""
    name = path.relative_to(ROOT).as_posix()
    rules = [rule for rule in RULES if rule.applies_to.search(name)]
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), start=1):
        for rule in rules:
            if match := rule.pattern.search(line):
                yield f"{name}:{number}: {match.group()}: {rule.reason}"


def main() -> int:
    found = [breach for path in files() for breach in breaches(path)]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
