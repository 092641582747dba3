"""The links of the documents."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from benchmarks import page

from vestibule.entrypoints.cli.group import vestibule
from vestibule.entrypoints.settings import Settings

ROOT = Path(__file__).parents[2]
LISTING = ["git", "ls-files", "*.md"]
DOCUMENTS = subprocess.run(LISTING, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
LINK = re.compile(r"\]\((?![a-z]+:)([^)\s#]*)(?:#([^)\s]+))?\)")
CODE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)


def prose(document: Path) -> str:
    return CODE.sub("", document.read_text("utf-8"))


def anchors(document: Path) -> Iterator[str]:
    """Yields the anchors of its headings, as GitHub makes them."""
    for heading in re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_has_a_target(name: str) -> None:
    document = ROOT / name
    for path, anchor in LINK.findall(prose(document)):
        target = document.parent / path if path else document
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


RUN = {
    ("README.md", "sh"),  # tests/system/test_readme.py
    ("README.md", "python"),
    ("docs/library.md", "python"),
    ("docs/import.md", "python"),  # tests/library/test_import_page.py
    ("docs/operating.md", "python"),  # tests/system/test_webhooks.py
    ("docs/operating.md", "nginx"),  # tests/system/test_reverse_proxies.py
    ("docs/operating.md", "caddy"),
    ("docs/operating.md", "haproxy"),
    ("docs/migrating.md", "nginx"),  # tests/system/test_migrating.py
    ("docs/migrating.md", "caddy"),
    ("docs/api.md", "sh"),  # tests/http/test_administration.py
    ("CONTRIBUTING.md", "sh"),  # .ci/run
    ("docs/clients.md", "js"),  # tests/clients
    ("docs/clients.md", "python"),
    ("docs/clients.md", "sh"),
    ("docs/clients.md", "yaml"),
}
NOT_RUN = {("docs/clients.md", "go"), ("docs/clients.md", "java")}  # the page says so
OUTPUT = {"json", "text", "mermaid"}


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if "src" not in Path(name).parts])
def test_every_fenced_block_is_run_by_a_test_or_marked_as_output(name: str) -> None:
    for language in re.findall(r"^(?:```|~~~)(\w*)\n(?:.*\n)*?(?:```|~~~)$", (ROOT / name).read_text("utf-8"), re.MULTILINE):
        assert (name, language) in RUN | NOT_RUN or language in OUTPUT, f"a block of {language or 'no language'}"


def commands(name: str) -> Iterator[list[str]]:
    """Yields the words of each `vestibule …` in the page."""
    text = (ROOT / name).read_text("utf-8")
    for line in [*re.findall(r"^ {4,}(.+)$", text, re.MULTILINE), *re.findall(r"`([^`\n]+)`", text)]:
        for part in re.split(r"&&|\||;", line):
            words = re.findall(r"'[^']*'|\S+", part.partition(" #")[0].removeprefix("$ "))
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if len(words) > 1 and words[0] == "vestibule" and re.fullmatch(r"[a-z-]+", words[1]):
                yield words[1:]


def test_every_command_of_the_documents_exists_with_its_options() -> None:
    found = [words for name in DOCUMENTS for words in commands(name)]
    assert len(found) > 50
    for words in found:
        command: click.Command = vestibule
        rest = iter(words)
        while isinstance(command, click.Group) and (word := next(rest, None)) is not None:
            assert word in command.commands, words
            command = command.commands[word]
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= options, words


def test_every_setting_of_the_documents_exists() -> None:
    known = {variable for variable, _, _ in Settings.table()}
    texts = "\n".join((ROOT / name).read_text("utf-8") for name in DOCUMENTS)
    named = {variable.removesuffix("_FILE") for variable in re.findall(r"\bVESTIBULE_[A-Z_]*[A-Z](?!\w*…)", texts)}
    others = re.compile(r"VESTIBULE_(TEST_[A-Z]+_URL|([A-Z]+_)?(SERVICE_(HOST|PORT)|PORT)\w*)")  # of tests, and of Kubernetes
    assert known <= named
    assert [variable for variable in named - known if not others.fullmatch(variable)] == []


def test_no_command_needs_a_new_curl() -> None:
    for name in DOCUMENTS:
        assert "curl" not in (text := (ROOT / name).read_text("utf-8")) or not re.search(r"curl[^`]* --json", text), name


def test_performance_page_equals_its_results() -> None:
    assert page.rendered(page.PAGE.read_text()) == page.PAGE.read_text()


def test_every_unmet_target_has_a_reason() -> None:
    assert page.unexplained() == []


def test_every_file_of_the_architecture_tree_exists() -> None:
    tree = (ROOT / "docs" / "architecture.md").read_text().partition("```text\nsrc/")[2].partition("```")[0]
    path: list[str] = []
    for indent, name in re.findall(r"^([│ ]*)[├└]─ (\S+)", tree, re.MULTILINE):
        path = [*path[: len(indent) // 3], name.rstrip("/")]
        assert "*" in name or ROOT.joinpath("src", *path).exists(), "/".join(path)


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if "src" not in Path(name).parts])
def test_every_named_path_of_the_repository_exists(name: str) -> None:
    first = "src|domain|application|adapters|entrypoints|testing|verify|tests|benchmarks|scripts|examples"
    for path in re.findall(rf"`((?:{first})/[\w./]+)`", prose(ROOT / name)):
        assert any((root / path).exists() for root in (ROOT, ROOT / "src")), path


def test_every_symbol_that_contributing_names_is_in_its_module() -> None:
    text = prose(ROOT / "CONTRIBUTING.md")
    lists = re.findall(r"`(\w+/[\w/]+\.py)`(?::|\s+\()\s*((?:`\w+`,? ?)+)", text)
    pairs = [(path, symbol) for path, symbols in lists for symbol in re.findall(r"\w+", symbols)]
    pairs += [(path, symbol) for symbol, path in re.findall(r"`@?(\w+)`\s+(?:\(|in\s+)`(\w+/[\w/]+\.py)`", text)]
    assert pairs
    for path, symbol in pairs:
        (module,) = (root / path for root in (ROOT, ROOT / "src") if (root / path).exists())
        assert re.search(rf"^(?:class |(?:async )?def )?{symbol}\b", module.read_text(), re.MULTILINE), f"{path}: {symbol}"


def test_every_decision_that_supersedes_another_exists() -> None:
    page = " ".join((ROOT / "docs" / "decisions.md").read_text().split())
    titles = {f"{date} {title}" for date, title in re.findall(r"\*\*(\d{4}-\d\d-\d\d) — (.+?)\.?\*\*", page)}
    references = [
        f"{date} {title}"
        for sentence in re.findall(r"Superseded by (.+?\*)(?=[.]|, for)", page)
        for date, title in re.findall(r"(\d{4}-\d\d-\d\d), \*(.+?)\*", sentence)
    ]
    assert references
    assert [one for one in references if not any(title.startswith(one) for title in titles)] == []
