"""Python as it is where Vestibule is installed to serve: what is in `HIDDEN` is not there.

Developers have other frameworks beside it, which dependency-injector imports where it finds them: a fifth of the memory.
"""

import os
import sys
from importlib.machinery import ModuleSpec


class Hiding:
    """A finder that is asked first."""

    hidden = frozenset(os.environ["HIDDEN"].split(","))

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG003 — importlib's
        if name.partition(".")[0] in cls.hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


sys.meta_path.insert(0, Hiding)
