"""SMS through any gateway that Apprise supports (https://appriseit.com/services/)."""

import logging
import re
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from ...application.ports import OutgoingMessage, PermanentFailure, TemporaryFailure
from ..extras import import_extra
from .decoy_timing import DecoyTiming
from .templates import Templates

PLACEHOLDER = "{to}"
_EXAMPLE = "+12025550123"
_SEPARATORS = str.maketrans("", "", " -().")
_NUMBER = re.compile(r"\+?[0-9]{4,15}")

Answer = int | BaseException
"""How a gateway answered: an HTTP status, or the exception of a call without an answer."""

_answers: ContextVar[list[Answer] | None] = ContextVar("answers", default=None)


class ProbeRequest(NamedTuple):
    """A question to a gateway. With `authorization`, the value of that header, the answer shows whether it is accepted."""

    method: str
    url: str
    authorization: str | None


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
        with self._timing.measured(), _muted_logs() as answers:
            # A new gateway for each message: Apprise throttles a used one for seconds.
            gateway = self._gateway(self._url, number)
            is_accepted = gateway is not None and gateway.notify(body=self._templates.sms(message), title="")
            if not is_accepted:
                raise _failure(answers[-1] if answers else None)

    def send_decoy(self, message: OutgoingMessage) -> None:
        """Renders the text, and takes as long as the last delivery."""
        with self._timing.imitated():
            self._templates.sms(message)

    def probe_request(self) -> ProbeRequest | None:
        """Returns the question that a gateway answers without sending anything; None where Apprise does not name its host."""
        gateway = self._gateway(self._url, _EXAMPLE)
        if (twilio := getattr(gateway, "notify_sms_url", None)) is not None:
            url = twilio.format(sid=gateway.account_sid).replace("Messages.json", "IncomingPhoneNumbers.json?PageSize=1")
            credentials = f"{gateway.apikey or gateway.account_sid}:{gateway.auth_token}"
            return ProbeRequest("GET", url, f"Basic {b64encode(credentials.encode()).decode()}")
        if (url := getattr(gateway, "notify_url", None)) is not None:
            parts = urlsplit(url)
            return None if "{" in parts.netloc else ProbeRequest("HEAD", f"{parts.scheme}://{parts.netloc}/", None)
        if not hasattr(gateway, "payload_extras"):
            return None
        port = f":{gateway.port}" if gateway.port else ""
        return ProbeRequest("HEAD", f"{'https' if gateway.secure else 'http'}://{gateway.host}{port}/", None)

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


_MISCONFIGURED = frozenset({401, 402, 403, 404, 405, 407})
_CONCERNS_ALL = frozenset({401, 402, 407, 503})
"""The credentials, the credit, an outage. A stranger, who chooses the number, may cause the others."""

_BUSY = frozenset({429, 503})
_ADVICE = "; this is about the service, not the recipient: check VESTIBULE_SMS_URL"


def _failure(answer: int | BaseException | None) -> TemporaryFailure:
    """The failure by a gateway's HTTP status, or by the exception if it has not answered. Every one is tried again.

    Gateways answer 400 for wrong numbers and for wrong senders, so no status is surely about the recipient. After an answer of
    5xx, or none to a request that was sent, the gateway may have sent the SMS, and the next attempt may cost again.
    """
    if isinstance(answer, int):
        is_misconfiguration = answer in _MISCONFIGURED
        return TemporaryFailure(
            f"the SMS gateway answers HTTP {answer}" + (_ADVICE if is_misconfiguration else ""),
            concerns_all=answer in _CONCERNS_ALL,
            is_misconfiguration=is_misconfiguration,
            may_have_arrived=answer not in _BUSY and not 400 <= answer < 500,  # noqa: PLR2004 — client errors, RFC 9110
        )
    from requests.exceptions import SSLError  # noqa: PLC0415 — comes with Apprise, an extra
    from urllib3.exceptions import MaxRetryError  # noqa: PLC0415

    is_unsent = answer is not None and any(isinstance(cause, MaxRetryError) for cause in answer.args)
    is_misconfiguration = isinstance(answer, SSLError)
    return TemporaryFailure(
        ("the SMS gateway cannot be reached" if is_unsent else "the SMS gateway has not accepted the message")
        + (f" ({type(answer).__name__})" if answer else "")
        + (_ADVICE if is_misconfiguration else ""),
        concerns_all=is_unsent,
        is_misconfiguration=is_misconfiguration,
        may_have_arrived=not is_unsent,
    )


@contextmanager
def _muted_logs() -> Iterator[list[Answer]]:
    """Suppresses Apprise's log records, which contain URLs with secrets, numbers and messages; collects the failures."""
    for name in ("apprise", "urllib3.connectionpool"):
        logging.getLogger(name).addFilter(_collect_answer)  # adding it again has no effect
    answers: list[Answer] = []
    token = _answers.set(answers)
    try:
        yield answers
    finally:
        _answers.reset(token)


def _collect_answer(record: logging.LogRecord) -> bool:
    """Collects the status that Apprise logs, or the exception that it is handling while it logs."""
    answers = _answers.get()
    if answers is None:
        return True
    answers.extend(int(status) for status in re.findall(r"error=(\d{3})\b", record.getMessage()))
    error = sys.exception()
    if error is not None and record.levelno >= logging.WARNING:
        answers.append(error)
    return False
