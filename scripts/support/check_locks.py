"""Compares the lock files with pyproject.toml and package.json, offline.

Each dependency is locked with hashes in a permitted version, no other package is locked as a dependency of the project,
and the first two lock the same versions. The one of Node packages names no registry.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PINNED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^ ;\\]+)(?: ;[^\\]*)? \\\n(?P<rest>(?:[ \t]+.*\n)+)", re.MULTILINE)
NAMED_BY_PROJECT = re.compile(r"\bvestibule-accounts \(pyproject\.toml")


@dataclass(frozen=True, slots=True)
class Pin:
    name: str
    version: str
    hashes: frozenset[str]
    is_named: bool
    """Whether the lock file says that pyproject.toml names the package."""


def pins(lock: str) -> dict[str, Pin]:
    found: dict[str, Pin] = {}
    for match in PINNED.finditer(lock):
        name = canonicalize_name(match["name"])
        hashes = frozenset(re.findall(r"--hash=(sha256:[0-9a-f]{64})\b", match["rest"]))
        found[name] = Pin(name, match["version"], hashes, bool(NAMED_BY_PROJECT.search(match["rest"])))
    return found


def other_lines(lock: str) -> list[str]:
    """Returns lines that are neither a pin nor a comment: options, URLs, paths."""
    return [line for line in PINNED.sub("", lock).splitlines() if line.strip() and not line.lstrip().startswith("#")]


def problems(lock: str, dependencies: Iterable[str]) -> Iterator[str]:
    locked = pins(lock)
    requirements = [Requirement(text) for text in dependencies]
    for requirement in requirements:
        pin = locked.get(canonicalize_name(requirement.name))
        if pin is None:
            yield f"{requirement.name} is not locked"
        elif not requirement.specifier.contains(Version(pin.version), prereleases=True):
            yield f"{requirement} is wanted, {pin.version} is locked"
    named = {canonicalize_name(requirement.name) for requirement in requirements}
    for pin in locked.values():
        if not pin.hashes:
            yield f"{pin.name} has no hash"
        if pin.is_named and pin.name not in named:
            yield f"{pin.name} is locked for pyproject.toml, which does not name it"
    yield from (f"neither a pin nor a comment: {line}" for line in other_lines(lock))


def node_problems(directory: Path) -> Iterator[str]:
    wanted = json.loads((directory / "package.json").read_text())["dependencies"]
    packages = json.loads((directory / "package-lock.json").read_text())["packages"]
    if packages.pop("")["dependencies"] != wanted:
        yield "does not match package.json; run npm install there"
    for path, package in packages.items():
        if "integrity" not in package:
            yield f"{path} has no hash"
        if "resolved" in package:
            yield f"{path} names a registry"
    yield from (f"{name} is not pinned to one version" for name, version in wanted.items() if not version[0].isdigit())


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"].get("optional-dependencies", {})
    groups = project["dependency-groups"]
    project_name = project["project"]["name"]  # an extra may include another extra of the project
    optional = [text for texts in extras.values() for text in texts if Requirement(text).name != project_name]
    serving = [*project["project"]["dependencies"], *groups["install"], *optional]
    files = {
        "requirements.lock": serving,
        "requirements-dev.lock": [*serving, *groups["dev"]],
        "requirements-argon2.lock": groups["argon2"],
        **{f"tests/support/other_services/{name}.lock": groups[name] for name in ("drf-user", "fastapi-users")},
    }
    texts = {name: (ROOT / name).read_text() for name in files}
    found = [f"{name}: {problem}" for name, wanted in files.items() for problem in problems(texts[name], wanted)]
    tested = pins(texts["requirements-dev.lock"])
    for name, pin in pins(texts["requirements.lock"]).items():
        other = tested.get(name)
        if other is None or (other.version, other.hashes) != (pin.version, pin.hashes):
            found.append(f"requirements-dev.lock: {name} differs from requirements.lock")
    if not set(project["build-system"]["requires"]) <= set(groups["install"]):
        found.append("pyproject.toml: build-system.requires is not in the dependency group `install`, which the build uses")
    for line in found:
        print(line)
    if found:
        print("Run scripts/lock.")
    of_node = list(node_problems(ROOT / "tests" / "clients"))
    for line in of_node:
        print(f"tests/clients/package-lock.json: {line}")
    return 1 if found or of_node else 0


if __name__ == "__main__":
    sys.exit(main())
