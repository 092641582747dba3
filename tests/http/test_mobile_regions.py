"""Mobiles that no SMS is paid for: of other countries than those that are named, and those that cost extra."""

import pytest
from tests.http.conftest import ADA, BOB, Open
from tests.support.world import PASSWORD

GERMAN = "+49 170 1234567"


@pytest.mark.parametrize(
    "mobile", ["+41 78 123 45 67", "+49 900 1 123456", "0781234567"], ids=["elsewhere", "dear", "of no country"]
)
def test_a_mobile_that_is_not_taken_is_named_wherever_a_code_could_go_to_it(mobile: str, open_site: Open) -> None:
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
