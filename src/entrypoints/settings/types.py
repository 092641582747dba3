"""The types of the settings' values, for those that a program passes."""

import re
from functools import cache
from inspect import formatannotation
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from ...domain.rate_limits import RateLimit

_MODULES = re.compile(r"\b(?:\w+\.)+(?=\w)")


@cache
def type_hints(of: type) -> dict[str, Any]:
    """Returns the annotations of a class, without strings."""
    return get_type_hints(of)


def name_of_type(hint: Any) -> str:
    """Returns the annotation without the names of modules, such as `tuple[RateLimit, ...]`."""
    return _MODULES.sub("", formatannotation(hint))


def is_of_type(value: object, hint: Any) -> bool:
    """Returns whether the value has the type of the annotation.

    A list serves as a tuple, and a single element too; elements may be texts. An integer serves as a float; a boolean is
    neither.
    """
    if get_origin(hint) in {Union, UnionType}:
        return any(is_of_type(value, one) for one in get_args(hint))
    if get_origin(hint) is tuple:
        element = get_args(hint)[0]
        elements = value if isinstance(value, tuple | list) else (value,)
        return all(isinstance(one, str) or is_of_type(one, element) for one in elements)
    if isinstance(value, bool):
        return hint is bool
    if isinstance(value, RateLimit):
        return hint is RateLimit and is_of_type(value.count, int) and is_of_type(value.seconds, float)
    accepted = {float: (int, float), Path: (PathLike,), None: (NoneType,)}.get(hint, (hint,))
    return isinstance(value, accepted)
