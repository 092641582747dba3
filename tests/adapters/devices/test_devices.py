"""Devices: the contract, and the names of real user agents."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.adapters.devices import UaParserDevices
from vestibule.testing.contracts import DevicesContract

_DEVICES = UaParserDevices()


class TestUaParserDevices(DevicesContract):
    @pytest.fixture
    def devices(self) -> UaParserDevices:
        return _DEVICES


_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_IOS = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
        ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Ubuntu"),
        ("Mozilla/5.0 (X11; FreeBSD amd64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on FreeBSD"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on macOS"),
        ("Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0", "Firefox on Android"),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {_IOS} FxiOS/145.0 Mobile/15E148 Safari/605.1.15",
            "Firefox on iOS",
        ),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/142.0.0.0 Safari/537.36", "Chrome on Windows"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Chrome/142.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        (
            f"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) {_IOS} CriOS/142.0.7444.77 Mobile/15E148 Safari/604.1",
            "Chrome on iOS",
        ),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_WEBKIT} Chrome/142.0.0.0 Safari/537.36", "Chrome on Chrome OS"),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
            "Edge on Windows",
        ),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/142.0.0.0 Safari/537.36 OPR/125.0.0.0",
            "Opera on Windows",
        ),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_IOS} Version/18.5 Safari/605.1.15", "Safari on macOS"),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {_IOS} Version/18.5 Mobile/15E148 Safari/604.1",
            "Safari on iOS",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 14; SM-S918B) {_WEBKIT} SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
            "Samsung Internet on Android",
        ),
        ("Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko", "Internet Explorer on Windows"),
        # apps
        (
            f"Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) {_WEBKIT} Version/4.0 Chrome/142.0.0.0 Mobile Safari/537.36",
            "an app on Android",
        ),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {_IOS} Mobile/15E148", "an app on iOS"),
        ("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UQ1A)", "an app on Android"),
        ("Example/1.2.3 CFNetwork/1496.0.7 Darwin/23.5.0", "an app on iOS"),
        ("Example/5.1 (com.example.app; build:3; iOS 18.1.0) Alamofire/5.9.1", "an app on iOS"),
        ("okhttp/4.12.0", "an app (okhttp)"),
        ("Dart/3.5 (dart:io)", "an app (Dart)"),
        # programs
        ("curl/8.9.1", "curl"),
        ("python-requests/2.32.3", "Python Requests"),
        ("Go-http-client/2.0", "Go-http-client"),
        ("Example/1.0", None),
    ],
)
def test_names_of_real_user_agents(user_agent: str, name: str | None) -> None:
    assert _DEVICES.name(user_agent) == name


@given(st.text(max_size=2000))
def test_any_text_is_taken(user_agent: str) -> None:
    name = _DEVICES.name(user_agent)
    assert name is None or name.isprintable()


def test_rules_are_loaded_for_the_first_user_agent() -> None:
    program = (
        "import sys\n"
        "from vestibule import Settings, build\n"
        "from vestibule.testing import World\n"
        "world = World()\n"
        "assert 'ua_parser' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
