"""Unguessable image names, valid in any file system and in a URL."""

import base64
import re
import secrets

_NAME = re.compile(r"[a-z2-7]{32}\.webp")


def new_name() -> str:
    """Returns 160 random bits in lower-case base 32, with the suffix `.webp`."""
    return base64.b32encode(secrets.token_bytes(20)).decode("ascii").lower() + ".webp"


def is_name(text: str) -> bool:
    """True for the form of `new_name`; no other name is ever looked up."""
    return _NAME.fullmatch(text) is not None
