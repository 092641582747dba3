"""The README's conversation by the client that openapi-python-client makes."""

import base64
import io
import os
import re
import time
from pathlib import Path

from generated import AuthenticatedClient, Client
from generated.api.account import change_account, export_account, read_account, upload_image
from generated.api.codes import otp, register_or_log_in
from generated.api.login import login, refresh_token
from generated.api.registration import register
from generated.api.sessions import list_sessions, logout
from generated.models import (
    Account,
    ChangeAccountRequest,
    CodeRequest,
    CodeSent,
    CodeVerified,
    LoginRequest,
    Problem,
    RefreshRequest,
    RegisterOrLogInRequest,
    RegisterRequest,
    SessionList,
    TokenSet,
    UploadedImage,
    UploadRequest,
)
from generated.types import UNSET, File

SERVER, OUTBOX = os.environ["SERVER"], Path(os.environ["OUTBOX"])
PASSWORD = "the engine weaves algebra"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def code(destination: str, reference: str) -> str:
    for _ in range(200):
        for file in OUTBOX.glob("[!.]*"):
            text = file.read_text()
            if destination in text and reference in text:
                return str(re.findall(r"(?<![\w.-])\d{6}(?![\w.-])", text.partition("\n\n")[2])[0])
        time.sleep(0.05)
    raise TimeoutError(destination)


client = Client(base_url=SERVER)
registered = register.sync(
    client=client,
    body=RegisterRequest(
        username="ada", name="Ada Lovelace", email="ada@example.com", password=PASSWORD, mobile="+442079460958"
    ),
)
assert isinstance(registered, Account)
assert not registered.email_verified

wrong = login.sync_detailed(client=client, body=LoginRequest(username="ada", password="a wrong password"))
assert isinstance(wrong.parsed, Problem)
assert (wrong.status_code, wrong.parsed.type_) == (401, "urn:vestibule:problem:invalid-credentials")
tokens = login.sync(client=client, body=LoginRequest(username="ada", password=PASSWORD))
assert isinstance(tokens, TokenSet)
assert (tokens.expires_in, tokens.created) == (300, UNSET)
mine = AuthenticatedClient(base_url=SERVER, token=tokens.token)

sent = otp.sync(client=mine, body=CodeRequest(destination="ada@example.com"))
assert isinstance(sent, CodeSent)
digits = code("ada@example.com", sent.reference)
verified = otp.sync(client=mine, body=CodeRequest(destination="ada@example.com", verify_otp=digits))
assert isinstance(verified, CodeVerified)
assert verified.proof
refused = otp.sync(client=mine, body=CodeRequest(destination="ada@example.com", verify_otp=digits, is_login=True))
assert isinstance(refused, Problem)
assert refused.status == 403

fresh = refresh_token.sync(client=client, body=RefreshRequest(refresh=tokens.refresh_token))
assert isinstance(fresh, TokenSet)
mine = AuthenticatedClient(base_url=SERVER, token=fresh.token)
account = read_account.sync(client=mine)
assert isinstance(account, Account)
assert (account.email_verified, account.mobile, account.profile_image) == (True, "+442079460958", None)
renamed = change_account.sync(client=mine, body=ChangeAccountRequest(name="Ada King", mobile=None))
assert isinstance(renamed, Account)
assert (renamed.name, renamed.mobile) == ("Ada King", None)
mistake = change_account.sync(client=mine, body=ChangeAccountRequest(email="no email"))
assert isinstance(mistake, Problem)
assert mistake.errors
assert list(mistake.errors.additional_properties) == ["email"]

picture = File(payload=io.BytesIO(base64.b64decode(PIXEL)), file_name="ada.png", mime_type="image/png")
uploaded = upload_image.sync(client=mine, body=UploadRequest(profile_image=picture))
assert isinstance(uploaded, UploadedImage)
assert uploaded.profile_image.startswith(SERVER)
exported = export_account.sync(client=mine)
assert isinstance(exported, File)
assert exported.payload.read(2) == b"PK"

sessions = list_sessions.sync(client=mine)
assert isinstance(sessions, SessionList)
assert [(session.current, session.created_at.year > 2000) for session in sessions.sessions] == [(True, True)]
assert logout.sync_detailed(client=mine).status_code == 204
assert isinstance(read_account.sync(client=mine), Problem)

# The client takes an optional login for a necessary one. A login that is none changes nothing there.
anonymous = AuthenticatedClient(base_url=SERVER, token="none")
asked = register_or_log_in.sync(
    client=anonymous, body=RegisterOrLogInRequest(name="Bob", email="bob@example.com", mobile="+442079460959")
)
assert isinstance(asked, CodeSent)
entered = register_or_log_in.sync(
    client=anonymous,
    body=RegisterOrLogInRequest(
        name="Bob", email="bob@example.com", mobile="+442079460959", verify_otp=code("bob@example.com", asked.reference)
    ),
)
assert isinstance(entered, TokenSet)
assert entered.created is True
