"""The most common passwords, as bundled; `data/README.md` tells where they come from."""

from functools import cache
from importlib.resources import files


@cache
def common_passwords() -> frozenset[str]:
    """More than 10,000, each of 8 characters at least, in NFKC and case-folded. Read once; callers share the set."""
    return frozenset(files(__package__).joinpath("data/common-passwords.txt").read_text("utf-8").splitlines())
