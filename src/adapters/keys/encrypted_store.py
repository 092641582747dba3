"""The key set in a database that several servers share, encrypted with a secret that is not stored there."""

import logging
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .keyset import SECRET_BYTES, KeySet
from .store import KeyChange, KeyStore

_INFO = b"vestibule keys 1"

_log = logging.getLogger("vestibule.keys")


class KeyRow(Protocol):
    """A text in the database, None if absent. Raises `Unavailable`."""

    def read(self) -> str | None: ...

    def changing(self) -> AbstractContextManager[tuple[str | None, Callable[[str], object]]]:
        """The text, locked in a transaction, so that other changes wait, and a function that replaces it."""
        ...


class EncryptedKeyStore:
    """A `KeyStore` that encrypts with the first secret and decrypts with any (Fernet: AES-128-CBC and HMAC-SHA-256).

    An empty one begins with the keys of `earlier`, if that has any. Raises `ValueError` for no secret, and for one of less
    than 32 bytes.
    """

    def __init__(self, row: KeyRow, encryption_secrets: Sequence[bytes], earlier: KeyStore) -> None:
        if not encryption_secrets or any(len(secret) < SECRET_BYTES for secret in encryption_secrets):
            raise ValueError(f"keys are encrypted with secrets of {SECRET_BYTES} bytes or more")
        self._row = row
        self._latest = _fernet(encryption_secrets[0])
        self._any = MultiFernet([_fernet(secret) for secret in encryption_secrets])
        self._earlier = earlier

    def read(self) -> KeySet:
        text = self._row.read()
        return KeySet() if text is None else self._decrypt(text)

    @contextmanager
    def changing(self) -> Iterator[KeyChange]:
        with self._row.changing() as (text, save):
            before = self._inherited() if text is None else self._decrypt(text)
            change = KeyChange(before)
            yield change
            if text is None or change.keys != before:
                save(self._encrypt(change.keys))

    def reencrypt(self) -> bool:
        """Encrypts the key set with the first secret; returns False if it is already."""
        with self._row.changing() as (text, save):
            if text is None:
                return False
            with suppress(InvalidToken):
                self._latest.decrypt(text.encode())
                return False
            save(self._encrypt(self._decrypt(text)))
        return True

    def _inherited(self) -> KeySet:
        keys = self._earlier.read()
        if keys != KeySet():
            _log.warning("imported the keys of the key file into the database; the file is not read any more")
        return keys

    def _encrypt(self, keys: KeySet) -> str:
        return self._any.encrypt(keys.to_json()).decode("ascii")

    def _decrypt(self, text: str) -> KeySet:
        try:
            return KeySet.from_json(self._any.decrypt(text.encode()))
        except InvalidToken:
            raise ValueError("the keys in the database are encrypted with another secret, or have been changed") from None
        except ValueError as error:
            raise ValueError(f"the keys in the database: {error}") from None


def _fernet(secret: bytes) -> Fernet:
    """Derives the Fernet key from the secret by HKDF (RFC 5869)."""
    return Fernet(urlsafe_b64encode(HKDF(SHA256(), 32, salt=None, info=_INFO).derive(secret)))
