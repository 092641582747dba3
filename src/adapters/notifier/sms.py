"""SMS through whatever gateway Apprise speaks to (https://appriseit.com/services/)."""

import importlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ...application.ports import DeliveryFailed, OutgoingMessage, Undeliverable
from .decoy_timing import DecoyTiming
from .templates import Templates

if TYPE_CHECKING:
    from types import ModuleType

PLACE = "{to}"
_EXAMPLE = "+12025550123"
_SEPARATORS = str.maketrans("", "", " -().")
_NUMBER = re.compile(r"\+?[0-9]{4,15}")

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


class AppriseNotifier:
    """Sends the text of a letter to its number through the gateway that an Apprise URL names.

    The number goes where `{to}` stands in the URL: `twilio://sid:token@from/{to}`, `json://gateway.example/send?:recipient={to}`
    (`:` puts it into the JSON, `-` into the query). Without `{to}` it is the one target of a gateway that sends SMS, and the
    field `to` in what `json://`, `form://` and `xml://` post. Raises `ValueError` for a URL that Apprise cannot read, or that
    leads to something else than one number, and `ModuleNotFoundError` where Apprise is not installed.
    """

    def __init__(self, url: str, templates: Templates) -> None:
        self._apprise = _library()
        self._templates = templates
        self._timing = DecoyTiming()
        with _listening():
            self._url = self._addressed(url)

    def __repr__(self) -> str:
        return f"AppriseNotifier({self._url.partition(':')[0]}://…)"

    def send(self, letter: OutgoingMessage) -> None:
        number = letter.recipient.translate(_SEPARATORS)
        if not _NUMBER.fullmatch(number):
            raise Undeliverable("no number that an SMS can be sent to")
        with self._timing.measured(), _listening() as heard:
            # A gateway each time: Apprise makes one that has sent wait for seconds before it sends again.
            gateway = self._gateway(self._url, number)
            taken = gateway is not None and gateway.notify(body=self._templates.sms(letter), title="")
            if not taken:
                raise DeliveryFailed(f"the SMS gateway did not take it ({', '.join(heard) or 'no answer'})")

    def send_decoy(self, letter: OutgoingMessage) -> None:
        """Writes the text, in the time that the gateway took for the last one."""
        with self._timing.imitated():
            self._templates.sms(letter)

    def _gateway(self, url: str, number: str) -> Any:
        asset = self._apprise.AppriseAsset(app_id="Vestibule")
        return self._apprise.Apprise.instantiate(url.replace(PLACE, quote(number, safe="")), asset=asset)

    def _addressed(self, url: str) -> str:
        """The URL, with a place for the number that Apprise heeds."""
        if self._gateway(url, _EXAMPLE) is None:
            raise ValueError("Apprise cannot read the URL for SMS: see https://appriseit.com/services/")
        mark = "&" if "?" in url else "?"
        for form in (url, f"{url}{mark}:to={PLACE}", f"{url}{mark}to={PLACE}"):
            gateway = self._gateway(form, _EXAMPLE)
            if gateway is not None and _EXAMPLE.lstrip("+") in gateway.url() and (PLACE in url or _sends_sms(gateway)):
                if len(gateway) != 1:
                    raise ValueError("the URL for SMS names a recipient of its own, who would get everybody's codes")
                return form
        raise ValueError("the URL for SMS does not say where the number goes: put {to} there")


def _sends_sms(gateway: Any) -> bool:
    """Whether its targets are telephone numbers; a topic or a chat of that name would show the code to others."""
    return any("phone" in token for token in gateway.template_tokens) or hasattr(gateway, "payload_extras")


def _library() -> "ModuleType":
    try:
        return importlib.import_module("apprise")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "SMS by Apprise needs an extra: pip install 'vestibule-accounts[sms]'", name=error.name
        ) from None


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Keeps what Apprise logs inside the block out of all logs, but for the HTTP statuses that it met.

    It logs URLs with their secrets, numbers, and messages.
    """
    for name in ("apprise", "urllib3.connectionpool"):
        logging.getLogger(name).addFilter(_overhear)  # adding it again changes nothing
    heard: list[str] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def _overhear(record: logging.LogRecord) -> bool:
    heard = _heard.get()
    if heard is None:
        return True
    heard.extend(f"HTTP {status}" for status in re.findall(r"error=(\d{3})\b", record.getMessage()))
    return False
