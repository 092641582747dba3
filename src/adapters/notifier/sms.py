"""SMS through any gateway that Apprise supports (https://appriseit.com/services/)."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote

from ...application.ports import OutgoingMessage, PermanentFailure, TemporaryFailure
from ..extras import import_extra
from .decoy_timing import DecoyTiming
from .templates import Templates

PLACEHOLDER = "{to}"
_EXAMPLE = "+12025550123"
_SEPARATORS = str.maketrans("", "", " -().")
_NUMBER = re.compile(r"\+?[0-9]{4,15}")

_statuses: ContextVar[list[str] | None] = ContextVar("statuses", default=None)


class AppriseNotifier:
    """Sends messages through the gateway of an Apprise URL.

    The number replaces `{to}` in the URL: `twilio://sid:token@from/{to}`, `json://gateway.example/send?:recipient={to}` (`:`
    adds it to the JSON, `-` to the query). Without `{to}` the number is the only target of an SMS gateway, or the field `to`
    that `json://`, `form://` and `xml://` post. Raises `ValueError` for a URL that Apprise cannot parse, or that does not lead
    to exactly one number, and `ModuleNotFoundError` if Apprise is not installed.
    """

    def __init__(self, url: str, templates: Templates) -> None:
        self._apprise = import_extra("apprise", "sms", "SMS by Apprise needs")
        self._templates = templates
        self._timing = DecoyTiming()
        with _muted_logs():
            self._url = self._with_placeholder(url)

    def __repr__(self) -> str:
        return f"AppriseNotifier({self._url.partition(':')[0]}://…)"

    def send(self, message: OutgoingMessage) -> None:
        number = message.recipient.translate(_SEPARATORS)
        if not _NUMBER.fullmatch(number):
            raise PermanentFailure("not a phone number")
        with self._timing.measured(), _muted_logs() as statuses:
            # A new gateway for each message: Apprise throttles a used one for seconds.
            gateway = self._gateway(self._url, number)
            is_accepted = gateway is not None and gateway.notify(body=self._templates.sms(message), title="")
            if not is_accepted:
                raise TemporaryFailure(f"the SMS gateway did not accept the message ({', '.join(statuses) or 'no answer'})")

    def send_decoy(self, message: OutgoingMessage) -> None:
        """Renders the text, and takes as long as the last delivery."""
        with self._timing.imitated():
            self._templates.sms(message)

    def _gateway(self, url: str, number: str) -> Any:
        asset = self._apprise.AppriseAsset(app_id="Vestibule")
        return self._apprise.Apprise.instantiate(url.replace(PLACEHOLDER, quote(number, safe="")), asset=asset)

    def _with_placeholder(self, url: str) -> str:
        """Returns the URL with a placeholder that changes the gateway's target."""
        if self._gateway(url, _EXAMPLE) is None:
            raise ValueError("Apprise cannot parse the URL for SMS: see https://appriseit.com/services/")
        separator = "&" if "?" in url else "?"
        for candidate in (url, f"{url}{separator}:to={PLACEHOLDER}", f"{url}{separator}to={PLACEHOLDER}"):
            gateway = self._gateway(candidate, _EXAMPLE)
            if gateway is not None and _EXAMPLE.lstrip("+") in gateway.url() and (PLACEHOLDER in url or _sends_sms(gateway)):
                if len(gateway) != 1:
                    raise ValueError("the URL for SMS has a fixed recipient, who would receive the codes of all accounts")
                return candidate
        raise ValueError("the URL for SMS has no place for the number: put {to} there")


def _sends_sms(gateway: Any) -> bool:
    """True if its targets are phone numbers: a topic or a chat of that name would show the code to others."""
    return any("phone" in token for token in gateway.template_tokens) or hasattr(gateway, "payload_extras")


@contextmanager
def _muted_logs() -> Iterator[list[str]]:
    """Suppresses Apprise's log records, which contain URLs with secrets, numbers and messages; collects the HTTP statuses."""
    for name in ("apprise", "urllib3.connectionpool"):
        logging.getLogger(name).addFilter(_collect_status)  # adding it again has no effect
    statuses: list[str] = []
    token = _statuses.set(statuses)
    try:
        yield statuses
    finally:
        _statuses.reset(token)


def _collect_status(record: logging.LogRecord) -> bool:
    statuses = _statuses.get()
    if statuses is None:
        return True
    statuses.extend(f"HTTP {status}" for status in re.findall(r"error=(\d{3})\b", record.getMessage()))
    return False
