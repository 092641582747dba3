"""The texts of environment variables, and of the files that they name."""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

PREFIX = "VESTIBULE_"
IN_FILE = "_FILE"
"""The end of a variable that names the file with the text of a setting."""

_MAX_FILE_BYTES = 64 * 1024
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LINK = re.compile(r"(?:tcp|udp|sctp)://\S+", re.ASCII)
_OF_KUBERNETES = re.compile(
    rf"{PREFIX}(?:[A-Z0-9_]+_)??(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)",
    re.ASCII,
)


class SettingsError(ValueError):
    """A setting is unknown or invalid. The text is one line that names it, without its value."""


class Given(NamedTuple):
    """The text of a setting, and the variable that it came from, whose name may end in `_FILE`."""

    setting: str
    variable: str
    text: str


def given_texts(environ: Mapping[str, str], settings: Collection[str]) -> Iterator[Given]:
    """Yields the text of each setting that is not empty. Raises `SettingsError` for a variable that is unknown or unreadable.

    Blanks around a text are left out, and one pair of quotes, which `docker run --env-file` keeps.
    """
    found: set[str] = set()
    for variable in sorted(environ):
        text = _stripped(environ[variable])
        if not variable.startswith(PREFIX) or not text or _is_of_kubernetes(variable, text, settings):
            continue
        setting = variable if variable in settings else variable.removesuffix(IN_FILE)
        if setting not in settings:
            raise SettingsError(_unknown(variable, settings))
        if setting in found:
            raise SettingsError(f"{setting} and {setting}{IN_FILE} are both set: remove one of them.")
        found.add(setting)
        if setting != variable:
            text = _text_of_file(variable, text)
        if _CONTROL.search(text):
            raise SettingsError(f"{variable}: must be text in UTF-8, without control characters.")
        yield Given(setting, variable, text)


def _stripped(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" and text[0] not in text[1:-1]:
        return text[1:-1].strip()
    return text


def _is_of_kubernetes(variable: str, text: str, settings: Collection[str]) -> bool:
    """Returns whether Kubernetes set the variable, for a Service whose name is `vestibule` or begins with `vestibule-`.

    https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
    """
    if variable.endswith("_PORT") and _LINK.fullmatch(text):
        return True
    return variable not in settings and bool(_OF_KUBERNETES.fullmatch(variable))


def _unknown(variable: str, settings: Collection[str]) -> str:
    shown = variable if variable.isprintable() else ascii(variable)
    name = variable.removeprefix(PREFIX).removesuffix(IN_FILE).upper()
    nearest = get_close_matches(name, [setting.removeprefix(PREFIX) for setting in settings], 1)
    hint = f"did you mean {PREFIX}{nearest[0]}? " if nearest else ""
    return f"{shown} is not a setting; {hint}`vestibule settings` lists them."


def _text_of_file(variable: str, path: str) -> str:
    """Reads a regular file alone: every worker process reads it again, which a pipe does not allow."""
    try:
        if not S_ISREG(Path(path).stat().st_mode):
            raise SettingsError(f"{variable}: must name a regular file.")
        with Path(path).open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        text = _stripped(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise SettingsError(f"{variable}: the file must be text in UTF-8.") from None
    except OSError as error:
        raise SettingsError(f"{variable}: the file cannot be read ({error.strerror}).") from None
    if not text or len(content) > _MAX_FILE_BYTES:
        raise SettingsError(f"{variable}: the file {'is larger than 64 KiB' if text else 'is empty'}.")
    return text
