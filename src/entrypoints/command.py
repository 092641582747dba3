"""The command `vestibule`. In a small install, which serves importers, it says what it needs."""

import sys
from importlib.util import find_spec

_NEEDED = ("click", "granian", "litestar", "msgspec", "multipart", "rich")


def main() -> None:
    if any(find_spec(name) is None for name in _NEEDED):
        sys.exit("vestibule: the command and the server need an extra: pip install 'vestibule-accounts[server]'")
    from .cli import main as run

    run(prog_name="vestibule")
