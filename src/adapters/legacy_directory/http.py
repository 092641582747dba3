"""A legacy directory over HTTP: one endpoint of the old system that checks a password."""

import logging
from http.client import HTTPException
from typing import Literal

from msgspec import DecodeError, Struct, json

from ...application.ports import ImportRecord, LegacyRefusal
from ...domain.errors import Unavailable
from ..availability import Availability
from ..http_client import HttpClient, read_url, target_of

_log = logging.getLogger("vestibule.legacy_directory")
_OK = 200
_MAX_BYTES = 64 * 1024
_RETRY_AFTER = 5


class _Account(Struct):
    """The account of a right password, as the endpoint sends it; other members are ignored."""

    key: str | int
    username: str | None = None
    name: str | None = None
    email: str | None = None
    mobile: str | None = None
    email_verified: bool = False
    mobile_verified: bool = False
    is_active: bool = True
    id: int | None = None
    created_at: float | None = None


class _Answer(Struct):
    result: Literal["right", "wrong", "unknown"]
    account: _Account | None = None


class HttpLegacyDirectory:
    """Posts identifier and password as JSON to `url`, with `secret` as a bearer token.

    The answer is status 200 and a JSON object of at most 64 KiB: its `result` is `right`, with an `account`, `wrong` or
    `unknown`. Any other answer, and none within `timeout` seconds, is `Unavailable`; the log has when that begins and ends.
    `HttpClient` says how a call is made. Raises `ValueError` for a URL without TLS, except on this machine.
    """

    def __init__(self, url: str, secret: str, *, name: str = "legacy", timeout: float = 5.0) -> None:
        self.name = name
        self._url = read_url(url, "a legacy directory")
        self._secret = secret
        self._client = HttpClient(self._url, timeout, max_bytes=_MAX_BYTES)
        self._availability = Availability(_log, "the legacy directory", "people whose passwords it has cannot log in")

    def __repr__(self) -> str:
        return f"HttpLegacyDirectory({self._url.scheme}://{self._url.hostname}/…)"

    def check(self, identifier: str, password: str, /) -> ImportRecord | LegacyRefusal:
        try:
            answer = self._ask(identifier, password)
        except (OSError, HTTPException, ValueError) as error:
            self._availability.mark_down(str(error) if type(error) is ValueError else type(error).__name__)
            raise Unavailable(_RETRY_AFTER) from None
        self._availability.mark_up()
        return answer

    def probe(self) -> None:
        """Asks with an empty identifier and password. Raises `OSError`, `HTTPException`, and `ValueError` for a bad answer."""
        if not isinstance(self._ask("", ""), LegacyRefusal):
            raise ValueError("an empty password is right")

    def _ask(self, identifier: str, password: str) -> ImportRecord | LegacyRefusal:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._secret}"}
        body = json.encode({"identifier": identifier, "password": password})
        answer = self._client.call("POST", target_of(self._url), headers, body)
        if answer.status != _OK:
            raise ValueError(f"status {answer.status}")
        return _read(answer.body)


def _read(body: bytes) -> ImportRecord | LegacyRefusal:
    """Raises `ValueError`, which repeats nothing of the answer."""
    try:
        answer = json.decode(body, type=_Answer)
    except (DecodeError, UnicodeDecodeError):
        raise ValueError("an answer of another form") from None
    if answer.result != "right":
        return LegacyRefusal(answer.result)
    if (account := answer.account) is None or account.key == "":
        raise ValueError("a right password without an account")
    return ImportRecord(
        key=str(account.key),
        place=f"account {account.key}",
        id=account.id,
        username=account.username,
        name=account.name,
        email=account.email,
        mobile=account.mobile,
        email_verified=account.email_verified,
        mobile_verified=account.mobile_verified,
        is_active=account.is_active,
        created_at=account.created_at,
    )
