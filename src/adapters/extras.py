"""Libraries that only some settings need: extras of the distribution. Shared by the adapter folders."""

import importlib
from typing import Any


def import_extra(module: str, extra: str, user: str) -> Any:
    """Returns the module. Raises `ModuleNotFoundError`, whose text says that `user` needs the extra."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise ModuleNotFoundError(f"{user} an extra: pip install 'vestibule-accounts[{extra}]'", name=error.name) from None
