"""Checks of the servers that messages go to or that know passwords, by conversations without a message or a password."""

import os
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPException
from time import time
from urllib.parse import urlsplit

from ..container.inspection import (
    PermanentFailure,
    TemporaryFailure,
    probe_legacy_directory,
    probe_mail,
    probe_passwords,
    probe_webhook,
    sms_probe,
)
from ..settings import Settings, SettingsError
from .conversation import SECONDS, ask, read_date, reason
from .findings import Check, Finding, check, clock_of, error, ok, warning
from .startup import sends_mail, sends_sms


def _mail(settings: Settings) -> Iterator[Finding]:
    if not sends_mail(settings):
        yield from _files(settings, "mail")
        return
    try:
        yield ok(probe_mail(settings, SECONDS))
    except (TemporaryFailure, PermanentFailure) as failure:
        text, _, advice = str(failure).partition("; this is about the service, not the recipient: ")
        yield error(text, advice or "look whether the mail server runs, and whether a firewall is between")


def _sms(settings: Settings) -> Iterator[Finding]:
    if not sends_sms(settings):
        yield from _files(settings, "SMS")
        return
    try:
        probe = sms_probe(settings)
    except SettingsError as fault:
        yield error(str(fault), "mend VESTIBULE_SMS_URL")
        return
    if probe is None:
        yield ok("the gateway cannot be asked without sending: watch the first SMS")
        return
    gateway = "{0.scheme}://{0.netloc}".format(urlsplit(probe.url))
    headers = {} if probe.authorization is None else {"Authorization": probe.authorization}
    try:
        answer = ask(probe.url, method=probe.method, headers=headers)
    except (OSError, HTTPException) as failure:
        yield error(f"{gateway} does not answer ({reason(failure)})", "check VESTIBULE_SMS_URL, and the firewall")
        return
    if probe.authorization is None:
        yield ok(f"{gateway} answers; only an SMS shows whether it accepts the credentials")
    elif answer.status == HTTPStatus.OK:
        yield ok(f"{gateway} accepts the credentials")
    else:
        yield error(f"{gateway} answers {answer.status} to the credentials", "check VESTIBULE_SMS_URL: account, key, secret")
    if answer.time is not None:
        yield from clock_of("the SMS gateway", answer.time, time())


def _files(settings: Settings, kind: str) -> Iterator[Finding]:
    directory = settings.data_dir.absolute() / "outbox"
    if directory.exists() and not os.access(directory, os.W_OK | os.X_OK):
        yield error(f"{kind} cannot be written to {directory}", "give that directory to the user of the service")
    else:
        yield ok(f"{kind} goes to files in {directory}")


def _passwords(settings: Settings) -> Iterator[Finding]:
    if settings.pwned_passwords is None:
        yield ok("not compared with breached ones")
        return
    try:
        probe_passwords(settings)
    except (OSError, HTTPException, ValueError) as failure:
        text = f"the list of breached passwords does not answer ({reason(failure)}): every password is accepted"
        yield warning(text, "check VESTIBULE_PWNED_PASSWORDS, and the firewall")
    else:
        yield ok("the list of breached passwords answers")


def _webhook(settings: Settings) -> Iterator[Finding]:
    if settings.webhook_url is None or not settings.webhook_secret:
        yield ok("not used")
        return
    try:
        date = probe_webhook(settings, SECONDS)
    except SettingsError as fault:
        yield error(str(fault), "mend it")
    except (OSError, HTTPException) as failure:
        yield error(f"the receiver does not answer ({reason(failure)})", "check VESTIBULE_WEBHOOK_URL, and the firewall")
    else:
        yield ok("the receiver answers; only an event shows whether it accepts the signature")
        if (theirs := read_date(date)) is not None:
            yield from clock_of("the receiver", theirs, time())


def _legacy_directory(settings: Settings) -> Iterator[Finding]:
    if settings.legacy_directory_url is None or settings.legacy_directory_secret is None:
        yield ok("not used")
        return
    try:
        probe_legacy_directory(settings)
    except SettingsError as fault:
        yield error(str(fault), "mend it")
    except (OSError, HTTPException, ValueError) as failure:
        text = f"the legacy directory does not answer as it should ({reason(failure)}): who is unknown here gets 503"
        yield error(text, "check VESTIBULE_LEGACY_DIRECTORY_URL and _SECRET, its log, and the firewall")
    else:
        yield ok("the legacy directory answers, and accepts the secret")


CHECKS: tuple[Check, ...] = (
    check("mail", _mail, "email_url", "email_from", "email_helo", "data_dir"),
    check("sms", _sms, "sms_url", "data_dir"),
    check("passwords", _passwords, "pwned_passwords"),
    check("webhook", _webhook, "webhook_url", "webhook_secret"),
    check("legacy", _legacy_directory, "legacy_directory_url", "legacy_directory_secret", "legacy_directory_timeout"),
)
