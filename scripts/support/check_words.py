"""Checks words, class names and docstrings.

Three rules: no word of the list below occurs more often than `allowed_words.json` permits; no two classes in `src` (except
`verify`, which works without the rest) share a name; each public docstring begins with a noun or a third-person verb.
`check_words.py --update` lowers the permitted numbers to those found; raise one only with a reason in the commit.
"""

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = Path(__file__).with_name("allowed_words.json")

WORDS = {
    r"whoever": "name the actor: the caller, the account owner, the operator, an attacker",
    r"nobody": "name the actor, or say that no account, no caller … does it",
    r"who asks": "the caller",
    r"what (?:is|was|has|had|came|comes|goes|went)\b(?! *\?)": "the noun",
    r"(?:is|are|was|were|be|been) told": "is notified, is reported to, learns",
    r"stumbl\w+": "raise, fail",
    r"the house": "the architecture",
    r"(?:both|other|a|the) doors?": "interface, entrypoint",
    r"ways? in\b": "entrypoint",
    r"(?:goes?|went) its way": "is processed",
    r"stands? (?:in|at|for|there|beside|where)\b": "is in, represents",
    r"beside": "next to, along with",
    r"given up": "failed permanently",
    r"tall(?:y|ies)": "rate-limit window",
    r"couriers?": "delivery worker",
    r"settled": "owner_verified, or complete",
    r"journals?": "audit log",
    r"pretend\w*": "decoy",
    r"proven": "verified, shown",
    r"once more": "again, retries",
    r"by hand": "manually",
    r"let go of": "release",
    r"at hand": "available",
    r"not to be had": "not available",
    r"on its way": "is sent",
    r"stays? good": "stays valid",
    r"serves? once": "is valid once",
    r"fill(?:s|ed)? (?:a|the) ports?": "provide an adapter, implement the port",
    r"broke off": "the connection closed",
    r"has a say|(?:has|have) no say": "is ignored, decides",
    r"counts? for nothing": "is ignored",
    r"pip install (?:-\S+ )*['\"]?vestibule\b(?!-accounts)|vestibule\[[a-z{]": "the distribution is vestibule-accounts",
}
PLACES = (
    "src",
    "docs",
    "tests",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "scripts",
    "examples",
    "benchmarks",
    "pyproject.toml",
)
SKIPPED = (
    "src/entrypoints/data/",
    "scripts/support/check_words.py",
    "scripts/support/allowed_words.json",
    "benchmarks/results/",
)
ENDINGS = (".py", ".md", ".txt", ".html", ".js", ".sh", ".cfg", ".service", ".toml")

NO_NOUN = re.compile(
    r"""
    what|who|whoever|whom|whose|nobody|somebody|anybody|it|its|they|them|he|she|how|why|where|when|whether|that|those
    |these|this|there|then|else|or|and|but|not|no|so|as|if|up|to|from|in|on|at|by|with|without|before|after|while
    |until|because|for|of|will|would|may|might|can|could|must|shall|should|is|are|was|were|be|been|being|do|did
    |has|have|had|go|goes|like|only|even|also|just|here
    """,
    re.VERBOSE,
)
"""First words that are no noun, article or third-person verb."""

IMPERATIVES = re.compile(
    r"""
    add|ask|begin|bring|build|carry|close|compare|convert|count|create|decide|delete|derive|drop|encrypt|ensure|expect
    |find|follow|get|give|go|hold|keep|let|load|lock|make|move|open|parse|pass|prepare|put|raise|refuse|reject|remove
    |replace|return|run|save|say|see|send|serve|show|start|stop|store|take|tell|throw|try|turn|verify|wait|wire
    |write|yield
    """,
    re.VERBOSE,
)


def main(arguments: list[str]) -> int:
    found = words_found()
    if arguments == ["--update"]:
        before = json.loads(ALLOWED.read_text()) if ALLOWED.exists() else None
        lowered = {
            word: len(places) if before is None else min(len(places), before.get(word, 0)) for word, places in found.items()
        }
        ALLOWED.write_text(json.dumps({word: number for word, number in sorted(lowered.items()) if number}, indent=2) + "\n")
        return 0
    faults = [*word_faults(found), *class_faults(), *docstring_faults()]
    print("\n".join(faults))
    return bool(faults)


def texts() -> Iterator[tuple[str, str]]:
    """Yields path and text of each tracked text file below PLACES."""
    command = ["git", "ls-files", "-z", "--", *PLACES]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.split("\0"):
        file = ROOT / name
        if name.startswith(SKIPPED) or not file.is_file() or not (name.endswith(ENDINGS) or name.startswith("scripts/")):
            continue
        yield name, file.read_text()


def words_found() -> dict[str, list[str]]:
    """Returns the occurrences of each word as `path:line: text`. Names in code count too, with underscores read as blanks."""
    rules = {word: re.compile(rf"(?<!\w){word}(?!\w)", re.IGNORECASE) for word in WORDS}
    found: dict[str, list[str]] = defaultdict(list)
    for name, text in texts():
        for number, line in enumerate(text.splitlines(), 1):
            plain = line.replace("_", " ")
            for word, rule in rules.items():
                found[word] += [f"{name}:{number}: {line.strip()[:120]}" for _ in rule.finditer(plain)]
    return found


def word_faults(found: dict[str, list[str]]) -> Iterator[str]:
    permitted: dict[str, int] = json.loads(ALLOWED.read_text())
    for word, better in WORDS.items():
        places, limit = found[word], permitted.get(word, 0)
        if len(places) > limit:
            yield f"{word}: {len(places)} times, {limit} permitted. Better: {better}."
            yield from (f"    {place}" for place in places)
        elif len(places) < limit:
            yield f"{word}: {len(places)} times, {limit} permitted. Lower the number: scripts/support/check_words.py --update"


def modules() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted((ROOT / "src").rglob("*.py")):
        yield str(file.relative_to(ROOT)), ast.parse(file.read_text())


def class_faults() -> Iterator[str]:
    """Yields class names that occur twice at the top level of modules of `src`."""
    places: dict[str, list[str]] = defaultdict(list)
    for name, tree in modules():
        if not name.startswith("src/verify/"):
            for node in tree.body:
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(f"{name}:{node.lineno}")
    for name, where in sorted(places.items()):
        if len(where) > 1:
            yield f"class {name} is defined {len(where)} times: {', '.join(where)}"


def docstring_faults() -> Iterator[str]:
    for name, tree in modules():
        for node, docstring in _docstrings(tree):
            first = re.match(r"[\W_]*([A-Za-z']+)", docstring)
            word = first[1].lower() if first else ""
            # The docstring of a command is its help, which is imperative as the help of other programs.
            if NO_NOUN.fullmatch(word) or (IMPERATIVES.fullmatch(word) and not name.startswith("src/entrypoints/cli/")):
                line = getattr(node, "lineno", 1)
                yield f"{name}:{line}: a docstring begins with a noun or a third-person verb, not with {first and first[1]!r}"


def _docstrings(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Yields the docstrings of a module and of its public classes, functions and methods, each with its node."""
    if text := ast.get_docstring(tree):
        yield tree, text
    public = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    for node in public:
        members = node.body if isinstance(node, ast.ClassDef) else []
        for one in (node, *members):
            if isinstance(one, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not one.name.startswith("_"):
                text = ast.get_docstring(one)
                if text:
                    yield one, text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
