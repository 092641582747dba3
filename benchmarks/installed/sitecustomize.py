"""Hides the modules in `HIDDEN`, as on a machine where Vestibule is installed to serve.

dependency-injector imports the frameworks that it finds, and development machines have several: a fifth of the memory.
"""

import os
import sys
from importlib.machinery import ModuleSpec


class Hiding:
    """The first finder of the import system."""

    hidden = frozenset(os.environ["HIDDEN"].split(","))

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG003 — importlib's
        if name.partition(".")[0] in cls.hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


sys.meta_path.insert(0, Hiding)
