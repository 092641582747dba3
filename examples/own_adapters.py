"""Ports filled by a program of one's own: mail by its own means, and the password hashes of an older system.

python examples/own_adapters.py [DIRECTORY]
"""

import hashlib
import hmac
import sys
import tempfile
from pathlib import Path

import vestibule
from vestibule.adapters.hasher import Argon2Hasher
from vestibule.application.ports import Hasher, OutgoingMessage


class PrintingNotifier:
    """Fills the port `Notifier`. A real one would hand the letter to a mail system, and return when that has taken it."""

    def send(self, letter: OutgoingMessage) -> None:
        print(f"{letter.template} to {letter.recipient}: {letter.values['code']}")

    def send_decoy(self, letter: OutgoingMessage) -> None:
        """Costs what a letter costs: here nothing that somebody could feel."""


class OldHashes:
    """Fills the port `Hasher`: new hashes are Argon2id, and those of the system before (`sha256$salt$digest`) are still read.

    They count as outdated, so each is made anew when its owner logs in.
    """

    def __init__(self, today: Hasher) -> None:
        self._today = today

    def hash(self, password: str) -> str:
        return self._today.hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        if password_hash is None or not password_hash.startswith("sha256$"):
            return self._today.verify(password_hash, password)
        self._today.verify(None, password)  # takes its time, so that nobody learns by the clock whose hash is an old one
        _, salt, digest = password_hash.split("$")
        return hmac.compare_digest(hashlib.sha256(f"{salt}{password}".encode()).hexdigest(), digest)

    def needs_rehash(self, password_hash: str) -> bool:
        return password_hash.startswith("sha256$") or self._today.needs_rehash(password_hash)


def main(directory: Path) -> None:
    today = Argon2Hasher()
    try:
        with vestibule.build(
            vestibule.Settings(data_dir=directory), deliver=False, notifier=PrintingNotifier(), hasher=OldHashes(today)
        ) as accounts:
            secret = "the engine weaves algebra"
            accounts.register(username="ada", name="Ada Lovelace", email="ada@example.com", password=secret)
            print(f"session {accounts.log_in(username='ada', password=secret).session}")
            accounts.request_code(destination="ada@example.com")
            accounts.deliver_messages()
    finally:
        today.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
