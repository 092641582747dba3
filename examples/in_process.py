"""Vestibule without HTTP: register, log in, send a code and verify it, all in this process.

    python examples/in_process.py [DIRECTORY]

Everything is kept in the directory (a temporary one if none is given), as the server would keep it.
"""

import re
import sys
import tempfile
from pathlib import Path

from vestibule.application import AlreadyTaken, InvalidCode, InvalidCredentials
from vestibule.entrypoints import Settings, build


def main(directory: Path) -> None:
    with build(Settings(data_dir=directory), deliver=False) as vestibule:
        account = vestibule.register(
            username="ada", name="Ada Lovelace", email="ada@example.com", password="the engine weaves algebra"
        )
        print(f"registered {account.username.text} as account {account.id}")

        try:
            vestibule.register(username="Ada", name="Impostor", email="eve@example.com", password="something else entirely")
        except AlreadyTaken as refusal:
            print(f"refused: {refusal.errors}")

        try:
            vestibule.log_in(username="ada", password="not the password")
        except InvalidCredentials as refusal:
            print(f"refused: {refusal}")

        tokens = vestibule.log_in(username="ada@example.com", password="the engine weaves algebra")
        identity = vestibule.authenticate(tokens.token)
        print(f"logged in as {identity.account.name}, session {identity.session_id}")

        sent = vestibule.request_code(destination="ada@example.com")
        vestibule.deliver_messages()
        (mail,) = (directory / "outbox").glob("*.eml")
        code = re.findall(r"^\s*(\d{6})\b", mail.read_text(), re.MULTILINE)[0]
        print(f"a code is in the mail with reference {sent.reference}")

        try:
            vestibule.verify_code(destination="ada@example.com", verify_otp="not a code")
        except InvalidCode as refusal:
            print(f"refused: {refusal}")

        vestibule.verify_code(destination="ada@example.com", verify_otp=code, identity=identity)
        proven = vestibule.authenticate(tokens.token).account.email_verified
        print(f"the email is proven: {proven}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
