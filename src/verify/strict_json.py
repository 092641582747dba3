"""JSON in which no name stands twice: two readers would take it for two things."""

import json


def read_object(data: bytes) -> dict[str, object]:
    """Raises `ValueError` for anything but one object without a name that is there twice, at any depth."""
    try:
        found: object = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("no object")
    return {str(name): value for name, value in found.items()}


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no number of JSON")
