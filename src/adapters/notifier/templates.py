"""The words of every letter: Jinja templates of this package, and an operator's own in their place.

A letter's template `code` has four files: `code.subject.txt`, `code.txt`, `code.html` and, for SMS, `code.sms.txt`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from ...application.notifications import Notice
from ...application.ports import OutgoingMessage
from .text import one_line

if TYPE_CHECKING:
    from jinja2 import Environment

_OURS = Path(__file__).parent / "templates"
_CODE = "482193"
_KNOWN: Mapping[str, tuple[Mapping[str, str], ...]] = {
    "code": tuple(
        {"service": "Vestibule", "code": _CODE, "reference": "K7P2", "minutes": minutes, "purpose": purpose}
        for purpose, minutes in product(("otp", "otpreglogin"), ("1", "5"))
    ),
    "notice": tuple({"service": "Vestibule", "what": what.value, "at": "2026-11-23 16:05 UTC"} for what in Notice),
}
"""Every template, with examples of the values that it is given."""


@dataclass(frozen=True, slots=True)
class Mail:
    """What stands in an email. `subject` is one line."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


class Templates:
    """Writes letters. A file in the directory `override` stands in place of the package's file of that name.

    With an `override` everything is read and tried out once, here: raises `ValueError`, naming the file, where it is no
    directory, for a template that cannot be rendered or that wants a value it is not given, and a subject that holds the code.
    """

    def __init__(self, override: Path | None = None) -> None:
        self._places = [_OURS] if override is None else [override, _OURS]
        if override is None:
            return
        if not override.is_dir():
            raise ValueError(f"no directory of templates: {override}")
        for name, examples in _KNOWN.items():
            for values in examples:
                self._try(name, values)

    @cached_property
    def _environment(self) -> "Environment":
        """Made for the first letter: with Jinja it has two MiB, and takes a twentieth of a second of a start."""
        from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, select_autoescape  # noqa: PLC0415

        return Environment(
            loader=ChoiceLoader([FileSystemLoader(place) for place in self._places]),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            auto_reload=False,  # what was tried out at the start is what is sent
        )

    def mail(self, letter: OutgoingMessage) -> Mail:
        return Mail(
            subject=one_line(self._render(f"{letter.template}.subject.txt", letter.values)),
            text=self._render(f"{letter.template}.txt", letter.values).strip() + "\n",
            html=self._render(f"{letter.template}.html", letter.values).strip() + "\n",
        )

    def sms(self, letter: OutgoingMessage) -> str:
        """One line."""
        return one_line(self._render(f"{letter.template}.sms.txt", letter.values))

    def _render(self, file: str, values: Mapping[str, str]) -> str:
        return self._environment.get_template(file).render(values)

    def _try(self, name: str, values: Mapping[str, str]) -> None:
        for file in (f"{name}.subject.txt", f"{name}.txt", f"{name}.html", f"{name}.sms.txt"):
            try:
                written = self._render(file, values)
            except Exception as error:  # whatever an operator's template raises, the file is what must be named
                raise ValueError(f"the template {file} does not work: {_where(error, file)}{error}") from error
            if not written.strip():
                raise ValueError(f"the template {file} is empty")
            if file.endswith(".subject.txt") and _CODE in "".join(filter(str.isdigit, written)):
                raise ValueError(f"the template {file} shows the code: a subject is read on locked screens and kept in logs")


def _where(error: Exception, file: str) -> str:
    """Where in the template a mistake of syntax is; it may be in one that is included."""
    line = getattr(error, "lineno", None)
    included = getattr(error, "name", None) or file
    return f"{included}, line {line}: " if line else ""
