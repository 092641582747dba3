"""Mobiles that get no SMS: of countries that the settings do not name, and premium-rate numbers."""

import pytest
from tests.http.conftest import ADA, BOB, OpenClient
from tests.support.world import PASSWORD

GERMAN = "+49 170 1234567"


@pytest.mark.parametrize(
    "mobile", ["+41 78 123 45 67", "+49 900 1 123456", "0781234567"], ids=["elsewhere", "dear", "of no country"]
)
def test_refused_mobile_is_named_by_every_call_that_sends_a_code(mobile: str, open_client: OpenClient) -> None:
    client = open_client(mobile_regions=("DE",))
    client.registered(mobile=GERMAN)
    token = client.tokens()["token"]
    for path, body, field in (
        ("/register/", BOB | {"mobile": mobile}, "mobile"),
        ("/isunique/", {"prop": "mobile", "value": mobile}, "value"),
        ("/otp/", {"destination": mobile}, "destination"),
        ("/otpreglogin/", {"name": "Ada", "email": ADA["email"], "mobile": mobile}, "mobile"),
    ):
        answer = client.post(path, body)
        assert (answer.status_code, set(answer.json()["errors"])) == (400, {field}), path
    for method, change in (("PATCH", {"mobile": mobile}), ("PUT", ADA | {"mobile": mobile})):
        answer = client.call(method, "/account/", change, token=token)
        assert (answer.status_code, set(answer.json()["errors"])) == (400, {"mobile"}), method
    assert client.post("/login/", {"username": mobile, "password": PASSWORD}).status_code == 401
    assert client.post("/otp/", {"destination": GERMAN}).status_code == 201
