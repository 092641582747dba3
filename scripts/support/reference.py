"""Builds the reference of the Python API from its docstrings into .build/reference; warnings are errors.

Each public name has a docstring: a name without one is an error.
"""

import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pdoc
from pdoc.doc import Class, Function, Module

PAGES = Path(__file__).resolve().parents[2] / ".build" / "reference"
MODULES = (
    "vestibule.application",
    "vestibule.application.ports",
    "vestibule.entrypoints.async_facade",
    "vestibule.entrypoints.container",
    "vestibule.entrypoints.facade",
    "vestibule.entrypoints.http",
    "vestibule.entrypoints.settings",
    "vestibule.errors",
    "vestibule.testing",
    "vestibule.verify",
    "vestibule.verify.asgi",
    "vestibule.verify.django",
    "vestibule.verify.fastapi",
    "vestibule.verify.litestar",
    "vestibule.verify.wsgi",
    "vestibule.adapters.database",
)


def main() -> None:
    warnings.simplefilter("error")
    for name in MODULES:
        module = import_module(name)
        for public in getattr(module, "__all__", ()):
            getattr(module, public)  # a lazy import is an attribute afterwards
    pdoc.render.configure(docformat="markdown", footer_text="Vestibule")
    pdoc.pdoc(*MODULES, output_directory=PAGES)
    undocumented = sorted({one for name in MODULES for one in _undocumented(Module(import_module(name)))})
    if undocumented:
        sys.exit("These public names have no docstring:\n" + "\n".join(undocumented))


def _undocumented(module: Module) -> Iterator[str]:
    for member in module.members.values():
        if isinstance(member, Class | Function) and not member.name.startswith("_") and not member.docstring.strip():
            yield member.fullname


if __name__ == "__main__":
    main()
