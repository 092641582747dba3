"""Keys sealed for a place that others may read: AES-256-GCM (NIST SP 800-38D), its key derived from a secret (HKDF, RFC 5869).

The text is `v1.`, then base64url of: nonce (12 bytes), what is sealed, tag (16). Version, kind and number are sealed along
with it, so that nothing opens in the place of another.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .keyset import SECRET_BYTES
from .store import Name

_VERSION = "v1."
_INFO = b"vestibule keys 1"
_NONCE_BYTES = 12


class Seal:
    """Under the first of the secrets; what is under any of them opens.

    Raises `ValueError` for no secret, and for one of less than 32 bytes.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        if not secrets or any(len(secret) < SECRET_BYTES for secret in secrets):
            raise ValueError(f"keys are sealed under secrets of {SECRET_BYTES} bytes or more")
        self._ciphers = tuple(_cipher(secret) for secret in secrets)

    def close(self, name: Name, content: bytes) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, content, _beside(name))
        return _VERSION + urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode("ascii")

    def open(self, name: Name, text: str) -> bytes:
        """Raises `ValueError` for what is not sealed, as that key, under any of the secrets."""
        content = next((content for cipher in self._ciphers if (content := _opened(cipher, name, text)) is not None), None)
        if content is None:
            raise ValueError("it was sealed under another secret, or has been changed")
        return content

    def is_latest(self, name: Name, text: str) -> bool:
        """Whether it is under the first secret."""
        return _opened(self._ciphers[0], name, text) is not None


def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=_INFO).derive(secret))


def _opened(cipher: AESGCM, name: Name, text: str) -> bytes | None:
    body = text.removeprefix(_VERSION)
    try:
        sealed = urlsafe_b64decode(body + "=" * (-len(body) % 4))
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _beside(name))
    except (ValueError, InvalidTag):
        return None


def _beside(name: Name) -> bytes:
    kind, number = name
    return f"{_VERSION}{kind}-{number}".encode()
