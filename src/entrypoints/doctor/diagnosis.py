"""The diagnosis: every check, each in a thread of its own, within a time."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

from ..container.inspection import faults
from ..settings import Settings
from . import machine, messages, startup, stores
from .findings import Check, Finding, Level, check, error, ok
from .public_url import check_url

_MEND = "mend it: without that no server starts"

TIMEOUT = 10.0
"""Seconds until a check that has not finished is reported as an error."""


def _faults(settings: Settings) -> Iterator[Finding]:
    return (error(fault, _MEND) for fault in faults(settings))


def _public_url(settings: Settings) -> Iterator[Finding]:
    if settings.public_url is None:
        yield ok("VESTIBULE_PUBLIC_URL is not set; `--url` asks a running server")
    else:
        yield from check_url(settings, settings.public_url)


CHECKS: Sequence[Check] = (
    check(
        "settings",
        _faults,
        *("dev", "host", "port", "public_url", "trusted_proxies", "metrics_port", "traces", "webhook_url", "webhook_secret"),
        *("legacy_directory_url", "legacy_directory_secret"),
        *("email_from", "images_url", "images_redirect", "default_region", "password_hash", "templates_dir", "email_url"),
        *("sms_url", "mobile_regions"),
    ),
    *startup.CHECKS,
    *machine.CHECKS,
    *stores.CHECKS,
    *messages.CHECKS,
    check(
        "public-url",
        _public_url,
        "public_url",
        "client_address_header",
        "api_prefix",
        "allowed_hosts",
        "secret",
        "database_url",
        "data_dir",
    ),
)
NAMES = tuple(dict.fromkeys(each.name for each in CHECKS))

Progress = Callable[[Collection[str]], object]
"""Receives the names of the checks that still run."""


def diagnose(
    settings: Settings | None = None,
    *,
    url: str | None = None,
    without: Collection[str] = (),
    invalid: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
    on_progress: Progress = lambda _: None,
) -> list[Finding]:
    """Returns what every check found, in the order of `NAMES`; changes nothing that lasts, and sends no message.

    `url` is where to ask the running server, by default the setting `public_url`. `without` names checks to leave out.
    `invalid` has the reason for each setting that could not be read (`Settings.read_valid`). A check that raises, or takes
    longer than `timeout` seconds, is reported as an error, and the others go on.
    """
    settings, invalid = settings or Settings(), invalid or {}
    checks = [each for each in _checks(url) if each.name not in without]
    found: dict[str, list[Finding]] = {"settings": [error(reason, _MEND) for reason in invalid.values()]}
    found |= {each.name: [] for each in checks if each.name not in found}
    done: SimpleQueue[tuple[Check, list[Finding]]] = SimpleQueue()
    running = []
    for each in checks:
        if affected := sorted(each.settings & invalid.keys()):
            found[each.name] += _skipped(each, affected)
        else:
            running.append(each)
            Thread(target=lambda each=each: done.put((each, _run(each, settings))), daemon=True, name=each.name).start()
    ends_at = monotonic() + timeout
    while running:
        on_progress(list(dict.fromkeys(each.name for each in running)))
        try:
            finished, findings = done.get(timeout=max(0.0, ends_at - monotonic()))
        except Empty:
            break
        running.remove(finished)
        found[finished.name] += findings
    for each in running:
        found[each.name].append(error(f"not finished within {timeout:g} seconds", "see what it waits for, or raise --timeout"))
    return [replace(finding, check=name) for name, findings in found.items() for finding in _sorted(findings)]


def _checks(url: str | None) -> Sequence[Check]:
    if url is None:
        return CHECKS
    return (*CHECKS[:-1], replace(CHECKS[-1], run=partial(_given_url, url)))


def _given_url(url: str, settings: Settings) -> Iterator[Finding]:
    return check_url(settings, url)


def _run(each: Check, settings: Settings) -> list[Finding]:
    """A foreign error's text may hold a secret."""
    findings: list[Finding] = []
    try:
        findings.extend(each.run(settings))
    except PermissionError as fault:
        findings.append(error(f"this user may not use {fault.filename}", "run the doctor as the user of the service"))
    except Exception as fault:  # noqa: BLE001 — one failure must not hide the findings of other checks
        findings.append(error(f"the check failed ({type(fault).__name__})", "report this with the version and the system"))
    return findings


def _skipped(each: Check, settings: Sequence[str]) -> Sequence[Finding]:
    """The check of the settings has the reasons already."""
    names = ", ".join(f"VESTIBULE_{name.upper()}" for name in settings)
    return [] if each.name == "settings" else [ok(f"not checked: {names} is invalid")]


def _sorted(findings: Sequence[Finding]) -> Sequence[Finding]:
    """The gravest first, each once; a check without findings is in order."""
    unique = list(dict.fromkeys(findings)) or [ok("in order")]
    return sorted(unique, key=lambda finding: -finding.level)


def exit_code(findings: Sequence[Finding]) -> Level:
    return max((finding.level for finding in findings), default=Level.OK)
