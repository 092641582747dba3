"""The contract of the port `Devices`."""

import pytest

from ...application.ports import Devices

LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{0}.0.0.0 Safari/537.36"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_{0} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.{0} Mobile/15E148 Safari/604.1"
)
TYPED = "Call-0900-123456-now"


class DevicesContract:
    """The promises of every `Devices`. Define the fixture `devices`."""

    @pytest.mark.parametrize("user_agent", [LINUX, WINDOWS, PHONE])
    def test_two_versions_have_one_name(self, devices: Devices, user_agent: str) -> None:
        name = devices.name(user_agent.format(4))
        assert name
        assert name == devices.name(user_agent.format(5))

    def test_different_browsers_have_different_names(self, devices: Devices) -> None:
        assert len({devices.name(user_agent.format(5)) for user_agent in (LINUX, WINDOWS, PHONE)}) == 3

    @pytest.mark.parametrize("user_agent", [None, "", " ", "\0", "\ud800", "\U0010ffff" * 10_000])
    def test_nothing_known_has_no_name(self, devices: Devices, user_agent: str | None) -> None:
        assert devices.name(user_agent) is None

    @pytest.mark.parametrize(
        "user_agent",
        [
            TYPED,
            f"{TYPED}/1 CFNetwork/1496.0.7 Darwin/23.5.0",
            f"{TYPED} bot/1.0",
            f"{TYPED}bot",
            f"Mozilla/5.0 (X11; {TYPED}; rv:5.0) Gecko/20100101 Firefox/5.0 {TYPED}/5.0",
            f"Mozilla/5.0 (Linux; Android 14; {TYPED}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1.0 Mobile Safari/537.36",
            f"Mozilla/5.0 HbbTV/1.4.1 (;{TYPED};2015)",
            "Mozilla/5.0 (X11; Linux x86_64; rv:5.0) Gecko/20100101 Firefox/5.0\r\nBcc: call-0900-123456-now@example.com",
        ],
    )
    def test_name_holds_nothing_that_a_client_chose(self, devices: Devices, user_agent: str) -> None:
        name = devices.name(user_agent) or ""
        assert not {"0900", "call", "now"} & set(name.lower().replace("-", " ").split())
        assert name.isprintable()
        assert len(name) <= 80
