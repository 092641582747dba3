"""Mobiles that get no SMS: of countries that the settings do not name, and premium-rate numbers."""

import pytest
from tests.http.conftest import ADA, BOB, Open
from tests.support.world import PASSWORD

GERMAN = "+49 170 1234567"


@pytest.mark.parametrize(
    "mobile", ["+41 78 123 45 67", "+49 900 1 123456", "0781234567"], ids=["elsewhere", "dear", "of no country"]
)
def test_refused_mobile_is_named_by_every_call_that_sends_a_code(mobile: str, open_site: Open) -> None:
    site = open_site(mobile_regions=("DE",))
    site.registered(mobile=GERMAN)
    token = site.tokens()["token"]
    for path, body, field in (
        ("/register/", BOB | {"mobile": mobile}, "mobile"),
        ("/isunique/", {"prop": "mobile", "value": mobile}, "value"),
        ("/otp/", {"destination": mobile}, "destination"),
        ("/otpreglogin/", {"name": "Ada", "email": ADA["email"], "mobile": mobile}, "mobile"),
    ):
        answer = site.post(path, body)
        assert (answer.status_code, set(answer.json()["errors"])) == (400, {field}), path
    for method, change in (("PATCH", {"mobile": mobile}), ("PUT", ADA | {"mobile": mobile})):
        answer = site.call(method, "/account/", change, token=token)
        assert (answer.status_code, set(answer.json()["errors"])) == (400, {"mobile"}), method
    assert site.post("/login/", {"username": mobile, "password": PASSWORD}).status_code == 401
    assert site.post("/otp/", {"destination": GERMAN}).status_code == 201
