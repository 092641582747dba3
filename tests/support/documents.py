"""Tables of the documents that tests compare with the program."""

from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def table(page: str, marker: str) -> list[list[str]]:
    """The cells of each row, without the heading, of the table after the comment `<!-- marker: …`."""
    after = (DOCS / page).read_text("utf-8").partition(f"<!-- {marker}:")[2].partition("-->\n\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in after.splitlines()[2:]]
