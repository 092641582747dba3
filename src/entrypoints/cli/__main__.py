"""The command `vestibule`. In an install without the extra `server` it names that extra."""

import sys
from importlib.util import find_spec

_REQUIRED = ("click", "granian", "litestar", "msgspec", "multipart", "rich")


def main() -> None:
    if any(find_spec(name) is None for name in _REQUIRED):
        sys.exit("vestibule: the command and the server need an extra: pip install 'vestibule-accounts[server]'")
    from .group import vestibule

    vestibule(prog_name="vestibule")


if __name__ == "__main__":
    main()
