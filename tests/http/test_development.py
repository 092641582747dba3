"""Development mode: nothing is in one's way, every code is on a page, and no other machine reaches it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from tests.http.conftest import ADA, URN, OpenClient, call_asgi
from tests.support.world import PASSWORD

from vestibule import Limits, RateLimit, Settings, Vestibule, build
from vestibule.entrypoints.http import create_app
from vestibule.entrypoints.settings import SettingsError

LOCAL = {"Host": "localhost:8000"}


def test_six_codes_and_wrong_logins_in_a_row_are_refused_only_without_it(open_client: OpenClient) -> None:
    for dev in (True, False):
        client = open_client(dev=dev)
        client.registered()
        codes = [client.post("/otp/", {"destination": ADA["email"]}).status_code for _ in range(12)]
        logins = [client.post("/login/", {"username": "ada", "password": "wrong"}).status_code for _ in range(40)]
        right = client.post("/login/", {"username": "ada", "password": PASSWORD}).status_code
        assert (set(codes), set(logins), right) == (({201}, {401}, 200) if dev else ({201, 429}, {401, 429}, 429))


def test_latest_code_of_several_is_valid_and_five_guesses_end_it(open_client: OpenClient) -> None:
    client = open_client(dev=True)
    for _ in range(4):
        code = client.code(ADA["email"])
    assert client.post("/otp/", {"destination": ADA["email"], "verify_otp": code}).status_code == 201
    code = client.code(ADA["email"])
    wrong = f"{(int(code) + 1) % 10**6:06}"
    for _ in range(5):
        assert client.post("/otp/", {"destination": ADA["email"], "verify_otp": wrong}).status_code == 403
    assert client.post("/otp/", {"destination": ADA["email"], "verify_otp": code}).status_code == 403


def test_limits_that_were_changed_hold(open_client: OpenClient) -> None:
    limits = Limits(codes_per_destination_and_network=(RateLimit(2, 60),))
    client = open_client(dev=True, limits=limits)
    answers = [client.post("/otp/", {"destination": ADA["email"]}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    client = open_client(dev=True, otp_cooldown=30)
    answers = [client.post("/otp/", {"destination": ADA["email"]}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 429]


@pytest.mark.parametrize("domain", ["company.test", "shop.example", "example.com", "app.localhost"])
def test_emails_of_domains_for_tests_are_taken(open_client: OpenClient, domain: str) -> None:
    client = open_client(dev=True)
    client.registered(email=f"ada@{domain}")
    assert client.post("/otp/", {"destination": f"ada@{domain}", "verify_otp": client.code(f"ada@{domain}")}).status_code == 201


@dataclass
class Development:
    """An app in development mode with messages in files."""

    vestibule: Vestibule
    http: TestClient[Litestar]

    def page(self, path: str = "/dev/outbox") -> str:
        self.vestibule.deliver_messages()
        answer = self.http.get(path, headers=LOCAL)
        assert answer.status_code == 200
        return answer.text


@pytest.fixture
def digits() -> int:
    return 6


@pytest.fixture
def development(tmp_path: Path, digits: int) -> Iterator[Development]:
    settings = Settings(data_dir=tmp_path / "data", dev=True, service_name="<b>Bold</b>", otp_length=digits)
    with build(settings, run_workers=False) as vestibule, TestClient(create_app(vestibule)) as http:
        yield Development(vestibule, http)


def test_page_shows_each_mail_and_sms_with_its_code_the_newest_first(development: Development) -> None:
    assert "No message yet" in development.page()
    for destination in ("ada@company.test", "+4915112345678", "bob@app.localhost"):
        assert development.http.post("/otp/", json={"destination": destination}).status_code == 201
        development.vestibule.deliver_messages()
    page = development.page()
    shown = re.findall(r"<h2>(Mail|SMS) to (\S+) <time>", page)
    assert shown == [("Mail", "bob@app.localhost"), ("SMS", "+4915112345678"), ("Mail", "ada@company.test")]
    codes = re.findall(r'<p class="code">(\d{6})</p>', page)
    for (_, destination), code in zip(shown, codes, strict=True):
        assert page.count(code) >= 2, "the text of the message has it too"
        answer = development.http.post("/otp/", json={"destination": destination, "verify_otp": code})
        assert answer.status_code == 201


@pytest.mark.parametrize("digits", [4, 6, 8])
def test_page_shows_a_notice_without_a_code(development: Development, digits: int) -> None:
    vestibule = development.vestibule
    vestibule.request_code(destination=ADA["email"])
    [code] = re.findall(rf'<p class="code">(\d{{{digits}}})</p>', development.page())
    proof = vestibule.verify_code(destination=ADA["email"], verify_otp=code).proof
    assert development.http.post("/register/", json={**ADA, "proofs": [proof]}).status_code == 201
    tokens = vestibule.log_in(username="ada", password=PASSWORD)
    identity = vestibule.authenticate(tokens.access_token)
    vestibule.change_account(identity=identity, password="nine quiet orange boats")
    latest = development.page().partition("<article")[2].partition("</article>")[0]
    assert "password" in unescape(latest)
    assert "changed" in latest
    assert 'class="code"' not in latest


def test_page_escapes_what_messages_say_and_runs_no_script_of_them(development: Development) -> None:
    development.http.post("/otp/", json={"destination": "ada@company.test"})
    page = development.page()
    assert "<b>" not in page
    assert "&lt;b&gt;Bold&lt;/b&gt;" in page
    headers = development.http.get("/dev/outbox", headers=LOCAL).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?! src=)|<style|style=|onclick", page)
    for path in re.findall(r'(?:src|href)="\.\./([^"]+)"', page):
        assert development.http.get(f"/{path}", headers=LOCAL).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/", "/dev/outbox", "/dev/outbox/"])
def test_every_page_says_that_it_is_for_development_and_leads_to_the_outbox(development: Development, path: str) -> None:
    page = development.http.get(path, headers={**LOCAL, "Accept": "text/html"}).text
    link = re.search(r'class="development".*?<a href="([^"]+)"', page, re.DOTALL)
    assert link is not None
    target = development.http.base_url.join(path).join(link[1]).path
    assert development.http.get(target, headers=LOCAL).status_code == 200


def test_without_it_there_is_no_page_and_no_line(open_client: OpenClient) -> None:
    client = open_client()
    for path in ("/dev/outbox", "/dev/outbox/", "/dev/outbox.js"):
        assert client.call("GET", path, headers=LOCAL).status_code == 404
    for path in ("/", "/docs"):
        assert "evelopment mode" not in client.call("GET", path, headers={"Accept": "text/html"}).text


@pytest.mark.parametrize(
    "host", ["accounts.example.org", "accounts.example.org:8000", "localhost.example.org", "192.0.2.1", ""]
)
def test_page_is_not_shown_under_the_name_of_another_host(development: Development, host: str) -> None:
    """The name of a stranger's page may resolve to this machine, and a browser would let that page read ours."""
    answer = development.http.get("/dev/outbox", headers={"Host": host})
    assert (answer.status_code, answer.json()["type"]) == (403, f"{URN}development-only")


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]", "app.localhost:80"])
def test_page_is_shown_under_the_names_of_this_machine(development: Development, host: str) -> None:
    assert development.http.get("/dev/outbox", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("peer", "header", "status"),
    [
        (("127.0.0.1", 4000), None, 200),
        (("::1", 4000), None, 200),
        (("::ffff:127.0.0.1", 4000), None, 200),
        (("127.0.0.1", 4000), (b"x-forwarded-proto", b"http"), 200),
        (("192.0.2.1", 4000), None, 403),
        (("10.0.0.7", 4000), None, 403),
        (("2001:db8::1", 4000), None, 403),
        (("127.0.0.1", 4000), (b"x-forwarded-proto", b"https"), 403),
        (("127.0.0.1", 4000), (b"x-forwarded-proto", b"HTTPS, http"), 403),
        (("127.0.0.1", 4000), (b"forwarded", b"for=192.0.2.7;proto=https"), 403),
        (("127.0.0.1", 4000), (b"x-forwarded-scheme", b"https"), 403),
        (("127.0.0.1", 4000), (b"x-forwarded-ssl", b"on"), 403),
    ],
)
def test_calls_from_elsewhere_or_through_https_are_refused(
    open_client: OpenClient, peer: tuple[str, int], header: tuple[bytes, bytes] | None, status: int
) -> None:
    app = open_client(dev=True).http.app
    raw = call_asgi(app, "GET", "/.well-known/jwks.json", headers=[header] if header else [], peer=peer)
    assert raw.status == status


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"host": "0.0.0.0"}, "VESTIBULE_HOST"),  # noqa: S104 — to be refused
        ({"host": "::"}, "VESTIBULE_HOST"),
        ({"host": "192.0.2.1"}, "VESTIBULE_HOST"),
        ({"host": "accounts.example.org"}, "VESTIBULE_HOST"),
        ({"public_url": "https://accounts.example.org"}, "VESTIBULE_PUBLIC_URL"),
        ({"trusted_proxies": ("10.0.0.0/8",)}, "VESTIBULE_TRUSTED_PROXIES"),
    ],
)
def test_it_is_refused_where_others_could_reach_it(settings: dict[str, Any], named: str, tmp_path: Path) -> None:
    configured = Settings(**settings, data_dir=tmp_path / "data")
    with build(configured, run_workers=False):
        pass
    refused = Settings(**settings, data_dir=tmp_path / "other", dev=True)
    with pytest.raises(SettingsError, match=rf"VESTIBULE_DEV.*{named}") as refusal, build(refused, run_workers=False):
        pass
    assert len(str(refusal.value).splitlines()) == 1
