"""Fails if a file of the repository names a path of one machine, or a registry that packages were fetched from."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMON_PATHS = {"/", "/app", "/data", "/etc", "/home", "/opt", "/srv", "/tmp", "/usr", "/var"}
LOCAL_PATHS = [str(path) for path in (ROOT, ROOT.parent) if str(path) not in COMMON_PATHS]
# Written so that this file does not match itself.
TRACES = re.compile(
    "|".join(
        [
            *(rf"{re.escape(path)}/" for path in LOCAL_PATHS),
            r"(?<![\w.-])/(?:home|Users)/(?!app\b|vestibule\b|you\b)\w+/",
            r"(?<![\w.-])/(?:root|private|var/folders)/\w",
            r"--(?:extra-)?index[-]url[ =]",
            r"--find[-]links[ =]",
            r"(?m:^\s*index[-]url\s*=)",
            r"https?://[^\s\"')]+/(?:simple|packages)/",
            r"file:///(?:opt|home|root|srv|mnt)/",
        ]
    )
)


def files() -> Iterator[Path]:
    """Yields the files that git tracks, and those it would track after `git add`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    yield from (path for name in listing.split("\0") if name and (path := ROOT / name).is_file())


def traces(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
        if match := TRACES.search(line):
            yield f"{path.relative_to(ROOT)}:{number}: {match.group()}"


def main() -> int:
    found = [trace for path in files() for trace in traces(path)]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
