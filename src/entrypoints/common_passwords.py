"""The bundled list of the most common passwords; `data/README.md` names its source."""

from functools import cache
from importlib.resources import files


@cache
def common_passwords() -> frozenset[str]:
    """Returns more than 10,000 passwords of at least 8 characters, in NFKC and case-folded. Callers share the set."""
    return frozenset(files(__package__).joinpath("data/common-passwords.txt").read_text("utf-8").splitlines())
