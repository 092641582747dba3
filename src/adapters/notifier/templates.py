"""The texts of messages: Jinja templates of this package, each of which the operator may override.

A template `code` has four files: `code.subject.txt`, `code.txt`, `code.html` and, for SMS, `code.sms.txt`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from ... import forks
from ...application.notifications import Notice
from ...application.ports import OutgoingMessage
from .text import one_line

if TYPE_CHECKING:
    from jinja2 import Environment

_BUILT_IN = Path(__file__).parent / "templates"
_CODE = "482193"
_TOKEN = "q3Xn0bJ1kZ5vT8wYcL2m4A"  # noqa: S105 — an example
_EXAMPLES: Mapping[str, tuple[Mapping[str, str], ...]] = {
    "code": tuple(
        {"service": "Vestibule", "code": _CODE, "reference": "K7P2", "minutes": minutes, "purpose": purpose}
        for purpose, minutes in product(("otp", "otpreglogin"), ("1", "5"))
    ),
    "notice": tuple(
        {"service": "Vestibule", "what": what.value, "at": "2026-11-23 16:05 UTC", **optional}
        for what, optional in product(
            Notice,
            (
                {"until": "2026-11-30 16:05 UTC"},
                {
                    "device": "Firefox on Linux",
                    "network": "203.0.113.7",
                    "until": "2026-11-30 16:05 UTC",
                    "recovery_days": "7",
                    "reason": "spam",
                },
            ),
        )
    ),
    "invitation": tuple(
        {"service": "Vestibule", "token": _TOKEN, "until": "2026-11-30 16:05 UTC", **link}
        for link in ({}, {"link": f"https://app.example.org/join?invitation={_TOKEN}"})
    ),
}
"""Every template, with examples of its values."""

_OPTIONAL: Mapping[str, str] = dict.fromkeys(("device", "network", "until", "recovery_days", "reason", "link"), "")
"""Values that a message need not have; a template may ask for them all the same."""


@dataclass(frozen=True, slots=True)
class MailTexts:
    """The texts of an email; `subject` is one line."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


@forks.watch_cached_properties
class Templates:
    """Renders messages. A file in the directory `override` replaces the built-in file of that name.

    With `override` every template is rendered once at construction. Raises `ValueError`, which names the file, if the
    directory does not exist, a template cannot be rendered or uses an unknown value, or a subject contains the code.
    """

    def __init__(self, override: Path | None = None) -> None:
        self._directories = [_BUILT_IN] if override is None else [override, _BUILT_IN]
        if override is None:
            return
        if not override.is_dir():
            raise ValueError(f"there is no directory of templates {override}")
        for name, examples in _EXAMPLES.items():
            for values in examples:
                self._check(name, values)

    @cached_property
    def _environment(self) -> "Environment":
        """Created for the first message: with Jinja it takes 2 MiB and 50 ms, which a start can do without."""
        from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, select_autoescape  # noqa: PLC0415

        return Environment(
            loader=ChoiceLoader([FileSystemLoader(directory) for directory in self._directories]),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            auto_reload=False,  # only templates that were checked at the start are used
        )

    def mail(self, message: OutgoingMessage) -> MailTexts:
        return MailTexts(
            subject=one_line(self._render(f"{message.template}.subject.txt", message.values)),
            text=self._render(f"{message.template}.txt", message.values).strip() + "\n",
            html=self._render(f"{message.template}.html", message.values).strip() + "\n",
        )

    def sms(self, message: OutgoingMessage) -> str:
        """Returns one line."""
        return one_line(self._render(f"{message.template}.sms.txt", message.values))

    def _render(self, file: str, values: Mapping[str, str]) -> str:
        return self._environment.get_template(file).render({**_OPTIONAL, **values})

    def _check(self, name: str, values: Mapping[str, str]) -> None:
        for file in (f"{name}.subject.txt", f"{name}.txt", f"{name}.html", f"{name}.sms.txt"):
            try:
                rendered = self._render(file, values)
            except Exception as error:  # an operator's template may raise anything, and the message must name the file
                raise ValueError(f"the template {file} is invalid: {_position(error, file)}{error}") from error
            if not rendered.strip():
                raise ValueError(f"the template {file} is empty")
            if file.endswith(".subject.txt") and (_CODE in "".join(filter(str.isdigit, rendered)) or _TOKEN in rendered):
                raise ValueError(f"the template {file} contains the code: subjects appear on lock screens and in logs")


def _position(error: Exception, file: str) -> str:
    """Returns file and line of a syntax error; the file may be an included one."""
    line = getattr(error, "lineno", None)
    included = getattr(error, "name", None) or file
    return f"{included}, line {line}: " if line else ""
