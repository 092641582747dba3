"""The check of the running server through its public URL: certificate, clock, and how it reads what a proxy forwards.

The doctor shows by a token that it has the keys of the service, and the server then answers what it sees (`Seen`). A stranger
without the keys learns nothing.
"""

import json
from collections.abc import Iterator
from http.client import HTTPException
from time import time
from typing import Any
from urllib.parse import urlsplit

from ..container.inspection import Unavailable, operator_token
from ..container.operator import HEADER
from ..settings import Settings, SettingsError
from .conversation import Answer, ask, reason
from .findings import Finding, clock_of, error, ok, warning
from .startup import is_loopback

_INVENTED = "192.0.2.123"
"""An address of the documentation (RFC 5737), which no caller has."""

_FORWARDED = {"X-Forwarded-For": _INVENTED, "Forwarded": f"for={_INVENTED}"}
_OK = 200
_CERTIFICATE_DAYS = 14
_HEADER_ADVICE = "let the proxy write one of them, and name it in VESTIBULE_CLIENT_ADDRESS_HEADER"
_DAY = 86_400


def check_url(settings: Settings, url: str) -> Iterator[Finding]:
    """Asks twice: as any client, and as one that invents the address it calls from."""
    base = f"{url.rstrip('/')}{settings.api_prefix}"
    try:
        headers = {HEADER: operator_token(settings)}
    except (SettingsError, Unavailable):
        headers = {}  # the check of the keys says why
    try:
        answer = ask(f"{base}/healthz", headers=headers)
    except (OSError, HTTPException) as failure:
        yield error(f"{base} does not answer ({reason(failure)})", "start the server and the proxy; check DNS and certificate")
        return
    yield from _certificate(answer)
    if answer.status != _OK:
        yield error(f"{base}/healthz answers {answer.status}", "let the proxy pass /healthz on; look at its log")
        return
    if answer.time is not None:
        yield from clock_of(urlsplit(url).hostname or "", answer.time, time())
    if not headers:
        yield ok(f"{base} answers; what it sees cannot be asked without the keys")
    elif (seen := _seen(answer)) is None:
        text = f"{base} answers, but not to this doctor: it has other keys, is an older program, or another service"
        yield warning(text, "run the doctor with the settings of the server")
    else:
        invented = _FORWARDED | ({settings.client_address_header: _INVENTED} if settings.client_address_header else {})
        yield from _address(url, answer.own_address, seen, _seen(ask(f"{base}/healthz", headers=headers | invented)))
        yield from _host(settings, url, seen)
        yield from _same_settings(settings, url, seen)


def _seen(answer: Answer) -> dict[str, Any] | None:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return None
    return body if isinstance(body, dict) and "client" in body else None


def _certificate(answer: Answer) -> Iterator[Finding]:
    if answer.certificate_ends is not None:
        days = (answer.certificate_ends - time()) / _DAY
        if days < _CERTIFICATE_DAYS:
            yield warning(f"the certificate ends in {days:.0f} days", "renew it, and look why nothing has done so")
        else:
            yield ok(f"the certificate is valid for {days:.0f} days")


def _address(url: str, own_address: str, seen: dict[str, Any], invented: dict[str, Any] | None) -> Iterator[Finding]:
    client, peer, forwarded = seen["client"], seen["peer"], seen["forwarded"]
    names = " and ".join(forwarded)
    if not forwarded and url.startswith("https:"):
        text = f"{peer}, which terminates TLS, forwards no address: all callers share its limits"
        yield error(text, "let the proxy write X-Forwarded-For")
    elif client in seen["trusted"] and (forwarded or peer == own_address):
        yield ok(f"this call came from {client}, a trusted proxy; another machine shows whether callers can invent an address")
    elif invented is not None and invented["client"] == _INVENTED:
        text = f"callers can invent their address: {peer} passes on what they write"
        yield error(text, "let the proxy replace X-Forwarded-For, or append to it, and remove Forwarded")
    elif not client:
        yield error(f"the address of a caller is unreadable in {names} from {peer}", _HEADER_ADVICE)
    elif forwarded and peer not in seen["trusted"]:
        text = f"{peer} forwards {names} without being trusted: all callers share its limits"
        yield error(text, f"add {peer} to VESTIBULE_TRUSTED_PROXIES")
    elif invented is not None and not invented["client"]:
        text = "a caller that writes both X-Forwarded-For and Forwarded becomes unknown"
        yield warning(text, "set VESTIBULE_CLIENT_ADDRESS_HEADER to the one that the proxy writes")
    else:
        by = f", forwarded by {peer}" if client != peer else ""
        yield ok(f"this call was seen to come from {client}{by}")


def _host(settings: Settings, url: str, seen: dict[str, Any]) -> Iterator[Finding]:
    host = urlsplit(url).netloc.rpartition("@")[2]
    if seen["host"] != host:
        text = f"the proxy sends the Host {seen['host']} instead of {host}"
        remedy = "let it pass on the client's Host (nginx: proxy_set_header Host $host)"
        if settings.allowed_hosts:
            yield error(f"{text}, which VESTIBULE_ALLOWED_HOSTS may refuse", remedy)
        else:
            yield ok(text)


def _same_settings(settings: Settings, url: str, seen: dict[str, Any]) -> Iterator[Finding]:
    if seen["url"] != settings.url:
        text = f"the server names itself {seen['url']} in tokens, and these settings say {settings.url}"
        yield warning(text, "give both the same VESTIBULE_PUBLIC_URL")
    elif not url.startswith(settings.url) and not is_loopback(urlsplit(url).hostname or ""):
        yield warning(f"clients that use {url} get tokens of {settings.url}", "let clients use VESTIBULE_PUBLIC_URL alone")
