"""Adapters of the host application's own: a notifier, and a hasher that reads the password hashes of an older system.

python examples/own_adapters.py [DIRECTORY]
"""

import hashlib
import hmac
import sys
import tempfile
from pathlib import Path

import vestibule
from vestibule.adapters.hasher import Argon2Hasher
from vestibule.application.ports import Hasher, HashKind, OutgoingMessage


class PrintingNotifier:
    """Implements the port `Notifier`. A real one would pass the message to a mail system, and return when that accepts it."""

    def send(self, message: OutgoingMessage) -> None:
        print(f"{message.template} to {message.recipient}: {message.values['code']}")

    def send_decoy(self, message: OutgoingMessage) -> None:
        """Takes as long as `send`, which here is no measurable time."""


class OldHashes:
    """Implements the port `Hasher`: makes Argon2id hashes, and verifies those of an older system (`sha256$salt$digest`) too.

    `needs_rehash` is true for the old ones, so that a login replaces each of them.
    """

    def __init__(self, current: Hasher) -> None:
        self._current = current

    def hash(self, password: str) -> str:
        return self._current.hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        if password_hash is None or not password_hash.startswith("sha256$"):
            return self._current.verify(password_hash, password)
        self._current.verify(None, password)  # takes equal time, so that timing does not reveal an old hash
        _, salt, digest = password_hash.split("$")
        return hmac.compare_digest(hashlib.sha256(f"{salt}{password}".encode()).hexdigest(), digest)

    def needs_rehash(self, password_hash: str) -> bool:
        return password_hash.startswith("sha256$") or self._current.needs_rehash(password_hash)

    def kind_of(self, password_hash: str) -> HashKind:
        return HashKind("old", is_usable=True) if password_hash.startswith("sha256$") else self._current.kind_of(password_hash)


def main(directory: Path) -> None:
    current = Argon2Hasher()
    try:
        with vestibule.build(
            vestibule.Settings(data_dir=directory), run_workers=False, notifier=PrintingNotifier(), hasher=OldHashes(current)
        ) as accounts:
            secret = "the engine weaves algebra"
            accounts.register(username="ada", name="Ada Lovelace", email="ada@example.com", password=secret)
            print(f"session {accounts.log_in(username='ada', password=secret).session}")
            accounts.request_code(destination="ada@example.com")
            accounts.deliver_messages()
    finally:
        current.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
