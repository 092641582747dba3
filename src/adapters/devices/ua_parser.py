"""Browser and system of a user agent, by the rules of uap-core."""

import re
from collections.abc import Iterable
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from ... import forks

if TYPE_CHECKING:
    from ua_parser import Parser

_MAX_LENGTH = 512
_MAX_CACHED = 1024

_BROWSERS = {
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": None,
    "DuckDuckGo Mobile": "DuckDuckGo",
    "Edge Mobile": "Edge",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "IE": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": None,
    "Opera Mobile": "Opera",
    # the libraries of apps, which say nothing to the owner where the system is known
    "Android": None,
    "CFNetwork": None,
}
"""Families that a person calls otherwise; None for those of an app's own window or network library."""

_APP_LIBRARIES = re.compile(r"\b(Alamofire|CFNetwork|Dart|okhttp)\b", re.ASCII)
_SYSTEMS = {"Mac OS X": "macOS"}

_GROUP = re.compile(r"(?<!\\)\((?!\?)")
_WORDS = re.compile(r"(?:[\w %&'!|.-]\??|\\[-.b]|\(\?:(?:[\w |-]|\\b)*\)\??)*\)", re.ASCII)

_Rule = TypeVar("_Rule", bound=Any)


class UaParserDevices:
    """Names devices after families of browsers and systems, without versions: "Firefox on Linux", "an app on iOS".

    The rules are loaded for the first user agent, which takes 0.1 s and 17 MiB. The later ones take microseconds, whatever
    they are: the regular expressions run in linear time, on the first 512 characters.
    """

    def __init__(self) -> None:
        self._cached_name = lru_cache(_MAX_CACHED)(self._name)
        self._parser: Parser | None = None
        self.renew()
        forks.watch(self)

    def name(self, user_agent: str | None) -> str | None:
        return self._cached_name(user_agent[:_MAX_LENGTH]) if user_agent else None

    def before_fork(self) -> None:
        """Waits for another thread that loads the rules: a child could never import the modules that are half imported."""
        self._is_held = self._loading.acquire(timeout=forks.WAIT_SECONDS)

    def after_fork(self) -> None:
        if self._is_held:
            self._loading.release()

    def renew(self) -> None:
        self._loading = Lock()

    def _loaded(self) -> "Parser":
        with self._loading:
            if self._parser is None:
                self._parser = self._load()
            return self._parser

    def _load(self) -> "Parser":
        from ua_parser import Parser, load_lazy_builtins  # noqa: PLC0415 — for the first user agent
        from ua_parser.regex import Resolver  # noqa: PLC0415

        browsers, systems, _ = load_lazy_builtins()
        return Parser(Resolver((_with_fixed_family(browsers), _with_fixed_family(systems), [])))

    def _name(self, user_agent: str) -> str | None:
        from ua_parser import Domain  # noqa: PLC0415

        found = (self._parser or self._loaded())(user_agent.encode(errors="replace").decode(), Domain.USER_AGENT | Domain.OS)
        family = found.user_agent and found.user_agent.family
        system = found.os and _SYSTEMS.get(found.os.family, found.os.family)
        browser = _BROWSERS.get(family, family) if family else None
        library = _APP_LIBRARIES.search(user_agent)
        if system and (browser is None or library):
            return f"an app on {system}"
        if library:
            return f"an app ({library[0]})"
        return f"{browser} on {system}" if browser and system else browser


def _with_fixed_family(rules: Iterable[_Rule]) -> list[_Rule]:
    """Leaves out rules that take the family from the user agent itself: a stranger could write a message to the owner there."""
    return [rule for rule in rules if _has_fixed_family(rule.family, rule.regex)]


def _has_fixed_family(family: str | None, regex: str) -> bool:
    """Returns whether the family is a constant, or a group of words that the rule itself lists."""
    if family is not None and "$" not in family:
        return True
    group = _GROUP.search(regex)
    return group is not None and _WORDS.match(regex, group.end()) is not None
