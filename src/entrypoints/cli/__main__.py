"""The command `vestibule`. In an install without the extra `server` it names that extra."""

import sys
from importlib.util import find_spec
from io import TextIOWrapper

_REQUIRED = ("click", "granian", "litestar", "msgspec", "multipart", "rich")


def main() -> None:
    if any(find_spec(name) is None for name in _REQUIRED):
        sys.exit("vestibule: the command and the server need an extra: pip install 'vestibule-accounts[server]'")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # None where the file is closed
            stream.reconfigure(errors="backslashreplace")  # no character of another language ends a command
    from .common import discard_output, stop
    from .group import vestibule

    try:
        vestibule(prog_name="vestibule")
    except OSError as error:
        discard_output()
        stop(str(error))
    except ImportError as error:
        if "CPU ISA level" not in str(error):  # glibc refuses a library that is marked for a newer processor
            raise
        stop(f"{error}. The library was compiled for a newer processor. Install it again on this machine.")


if __name__ == "__main__":
    main()
