"""Names that nobody can guess, and that are safe wherever a file can be called something."""

import base64
import re
import secrets

_NAME = re.compile(r"[a-z2-7]{32}\.webp")


def new_name() -> str:
    """160 random bits in lower-case base 32, and the ending that pictures have here."""
    return base64.b32encode(secrets.token_bytes(20)).decode("ascii").lower() + ".webp"


def is_name(text: str) -> bool:
    """Whether it could have been made here; nothing else is ever looked up."""
    return _NAME.fullmatch(text) is not None
