"""What the documents lead to is there."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks import page

ROOT = Path(__file__).parents[2]
LISTING = ["git", "ls-files", "*.md"]
DOCUMENTS = subprocess.run(LISTING, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
LINK = re.compile(r"\]\((?![a-z]+:)([^)\s#]*)(?:#([^)\s]+))?\)")
CODE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)


def prose(document: Path) -> str:
    return CODE.sub("", document.read_text("utf-8"))


def anchors(document: Path) -> Iterator[str]:
    """Of its headings, as GitHub makes them."""
    for heading in re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    document = ROOT / name
    for path, anchor in LINK.findall(prose(document)):
        target = document.parent / path if path else document
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def test_performance_page_equals_its_results() -> None:
    assert page.rendered(page.PAGE.read_text()) == page.PAGE.read_text()


def test_every_unmet_target_has_a_reason() -> None:
    assert page.unexplained() == []
