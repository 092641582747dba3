"""Vestibule without HTTP: register, log in, send a code and verify it, all in this process.

    python examples/in_process.py [DIRECTORY]

All data is stored in the directory, a temporary one by default, in the same form as the server's.
"""

import re
import sys
import tempfile
from pathlib import Path

import vestibule


def main(directory: Path) -> None:
    with vestibule.build(vestibule.Settings(data_dir=directory), run_workers=False) as accounts:
        account = accounts.register(
            username="ada", name="Ada Lovelace", email="ada@example.com", password="the engine weaves algebra"
        )
        print(f"registered {account.username.text} as account {account.id}")

        try:
            accounts.register(username="Ada", name="Impostor", email="eve@example.com", password="something else entirely")
        except vestibule.AlreadyTaken as refusal:
            print(f"refused: {refusal.errors}")

        try:
            accounts.log_in(username="ada", password="not the password")
        except vestibule.InvalidCredentials as refusal:
            print(f"refused: {refusal}")

        tokens = accounts.log_in(username="ada@example.com", password="the engine weaves algebra")
        identity = accounts.authenticate(tokens.access_token)
        print(f"logged in as {identity.account.name}, session {identity.session_id}")

        sent = accounts.request_code(destination="ada@example.com")
        accounts.deliver_messages()
        (mail,) = (directory / "outbox").glob("*.eml")
        code = re.findall(r"^\s*(\d{6})\b", mail.read_text(), re.MULTILINE)[0]
        print(f"a code was sent by mail with reference {sent.reference}")

        try:
            accounts.verify_code(destination="ada@example.com", verify_otp="not a code")
        except vestibule.InvalidCode as refusal:
            print(f"refused: {refusal}")

        accounts.verify_code(destination="ada@example.com", verify_otp=code, identity=identity)
        is_verified = accounts.authenticate(tokens.access_token).account.email_verified
        print(f"the email is verified: {is_verified}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
