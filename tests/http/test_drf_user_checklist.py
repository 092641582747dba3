"""The HTTP tests of drf-user 1.1.0, by number, as its clients see Vestibule in compatibility mode.

`DIFFERENCES` are those of the 47 whose result is another one here, with the reasons; docs/drf-user.md has the same table.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from litestar.testing import TestClient
from PIL import Image
from tests.http.conftest import AppClient, OpenClient
from tests.support.interfaces import with_client_address
from tests.support.world import World, wrong

from vestibule.adapters.images import PillowImages
from vestibule.application import Account
from vestibule.entrypoints.http import create_app

if TYPE_CHECKING:
    from litestar import Litestar

PAGE = Path(__file__).parents[2] / "docs" / "drf-user.md"
DIFFERENCES = {
    21: "400 in place of 500",
    22: "201 in place of 400, which told that no account has the destination",
    23: "201 in place of 404, which told that no account has the destination",
    31: "no number of attempts, which told that a code is pending",
    32: "403 in place of 404, which told that no code is pending",
    34: "400 in place of 500",
    35: "400 after the right code only, which told strangers whose address it is",
    36: "400 after the right code only, which told strangers whose address it is",
    39: "403 in place of 404, which told that no account has the email",
}
"""By number. An entry fails if its reason is not in the document."""
INVALID_CODE = "OTP Validation failed! Check the code, or ask for a new one."
MISMATCH = (
    "This email and this mobile do not open the same account. "
    "Enter the code that came to the other one, or log in with a code sent to one of them alone."
)
REQUIRED = ["This field is required."]


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    return str(request.param)


@pytest.fixture
def client(open_client: OpenClient, pillow: PillowImages) -> AppClient:
    return open_client(compatibility="drf-user", images=pillow)


def stored(world: World, username: str, email: str, mobile: str | None = None, password: str | None = None) -> Account:
    """An account as an import from drf-user leaves it: its addresses are verified, and its password may be a short one."""
    account = world.create_account(f"{username}-somebody", name=username, email=email, mobile=mobile)
    account = world.alter(account, email_verified=True, mobile_verified=mobile is not None, ever_verified=True)
    return account if password is None else world.alter(account, password_hash=world.hasher.hash(password))


def claims_of(tokens: Any) -> dict[str, Any]:
    payload = tokens["token"].split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def test_every_difference_is_in_the_document_with_its_reason() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert {int(number): reason for number, reason in rows} == DIFFERENCES


# --- login ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def user(client: AppClient) -> Account:
    """The user of the tests of login (2)."""
    return stored(client.world, "user", "user@email.com", "1234569877", "pass123")


def test_01_login_without_fields(client: AppClient) -> None:
    answer = client.post("/login/", {})
    assert (answer.status_code, answer.json()) == (400, {"username": REQUIRED, "password": REQUIRED})


@pytest.mark.parametrize("username", ["user-somebody", "1234569877", "user@email.com"])
def test_02_to_05_login_by_username_mobile_and_email(client: AppClient, user: Account, username: str) -> None:
    answer = client.post("/login/", {"username": username, "password": "pass123"})
    assert answer.status_code == 200
    tokens = answer.json()
    assert {"refresh_token", "token", "session"} <= tokens.keys()
    sessions = client.call("GET", "/sessions/", token=tokens["token"]).json()["sessions"]
    assert [session["id"] for session in sessions] == [tokens["session"]]
    assert {name: claims_of(tokens)[name] for name in ("user_id", "username", "email", "mobile", "name", "is_admin")} == {
        "user_id": user.id,
        "username": "user-somebody",
        "email": "user@email.com",
        "mobile": "1234569877",
        "name": "user",
        "is_admin": False,
    }


def test_06_login_with_a_wrong_password(client: AppClient, user: Account) -> None:
    for username in (user.username.text, "unknown"):
        answer = client.post("/login/", {"username": username, "password": "pass1234"})
        assert answer.status_code == 401, (
            "by drf-user's documentation; its tests run with session authentication, which has 403"
        )
        assert answer.json()["detail"] == "username or password is invalid."
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["www-authenticate"].startswith("Bearer ")


# --- account ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def token(client: AppClient, user: Account) -> str:
    """An access token of the user (7)."""
    tokens = client.tokens(user.username.text, "pass123")
    return str(tokens["token"])


def test_07_08_account_is_read(client: AppClient, token: str) -> None:
    answer = client.call("GET", "/account/", token=token)
    assert answer.status_code == 200
    expected = {"username": "user-somebody", "name": "user", "email": "user@email.com", "mobile": "1234569877"}
    assert answer.json().items() >= {**expected, "is_superuser": False, "is_staff": False}.items()
    assert client.call("GET", "/account", token=token).json() == answer.json()


def test_09_username_is_changed(client: AppClient, token: str, user: Account) -> None:
    answer = client.call("PATCH", "/account/", {"username": "updated_username"}, token=token)
    assert (answer.status_code, answer.json()["username"]) == (200, "updated_username")
    assert client.world.now(user).username.text == "updated_username"


def test_10_password_is_changed_and_stored_as_a_hash(client: AppClient, token: str, user: Account) -> None:
    answer = client.call("PATCH", "/account/", {"password": "my_unique_password"}, token=token)
    assert answer.status_code == 200
    stored_hash = client.world.now(user).password_hash
    assert stored_hash
    assert "my_unique_password" not in stored_hash
    assert client.tokens(user.username.text, "my_unique_password")


# --- uniqueness -------------------------------------------------------------------------------------------------------


def test_11_12_free_username_is_unique(client: AppClient, user: Account) -> None:
    answer = client.post("/isunique/", {"prop": "username", "value": "user7"})
    assert (answer.status_code, answer.json()["data"][0]["unique"]) == (200, True)
    assert answer.json() == {"data": [{"unique": True}, 200], "status_code": None, "unique": True}


def test_13_taken_username_is_not_unique(client: AppClient, user: Account) -> None:
    answer = client.post("/isunique/", {"prop": "username", "value": user.username.text})
    assert (answer.status_code, answer.json()["data"][0]["unique"]) == (200, False)


def test_14_unknown_property_is_refused(client: AppClient) -> None:
    answer = client.post("/isunique/", {"prop": "invalid", "value": "user"})
    assert answer.status_code == 422
    assert answer.json() == {"data": {"prop": ['"invalid" is not a valid choice.']}, "status_code": 422}


# --- registration -----------------------------------------------------------------------------------------------------

NEW = {"username": "my_username", "name": "random_name", "password": "test@123 4 me"}


def verified(client: AppClient, *destinations: str) -> None:
    for destination in destinations:
        code = client.code(destination, email="other@django.com")
        answer = client.post("/otp/", {"destination": destination, "verify_otp": code})
        assert answer.status_code == 202, answer.text


@pytest.fixture
def validating(new_world: Callable[..., World]) -> Iterator[AppClient]:
    """A client, in a network of its own, of a service that wants verified addresses, as drf-user does by default."""
    world = new_world(compatibility="drf-user", email_validation=True, mobile_validation=True)
    with TestClient(with_client_address(create_app(world))) as http:
        http.headers["X-From"] = "198.51.100.7"
        client = AppClient(cast("TestClient[Litestar]", http), world)
        verified(client, "random@django.com", "1234567890")
        yield client


def test_15_registration_with_validated_email_and_mobile(validating: AppClient) -> None:
    answer = validating.post("/register/", {**NEW, "email": "random@django.com", "mobile": "1234567890"})
    assert answer.status_code == 201, answer.text
    expected = {"username": "my_username", "name": "random_name", "email": "random@django.com", "mobile": "1234567890"}
    assert answer.json().items() >= expected.items()


def test_16_registration_with_other_email_and_mobile(validating: AppClient) -> None:
    answer = validating.post("/register/", {**NEW, "email": "random1@django.com", "mobile": "1234567891"})
    assert (answer.status_code, answer.json()) == (
        400,
        {"email": ["The email must be pre-validated via OTP."], "mobile": ["The mobile must be pre-validated via OTP."]},
    )


def test_17_registration_without_mobile(validating: AppClient) -> None:
    answer = validating.post("/register/", {**NEW, "name": "jake", "email": "random@django.com"})
    assert (answer.status_code, answer.json()["name"], answer.json()["mobile"]) == (201, "jake", None)


def test_18_mobile_is_required_by_the_setting(open_client: OpenClient) -> None:
    client = open_client(compatibility="drf-user", mobile_required=True)
    answer = client.post("/register/", {**NEW, "email": "random@django.com"})
    assert (answer.status_code, answer.json()) == (400, {"error": "Mobile is required."})
    assert client.post("/register/", NEW).json() == {"email": REQUIRED, "mobile": REQUIRED}
    answer = client.post("/register/", {**NEW, "email": "random@django.com", "mobile": "1234567890"})
    assert (answer.status_code, answer.json()["mobile"]) == (201, "1234567890")


# --- codes ------------------------------------------------------------------------------------------------------------

SENT = {"success": True, "message": "Message sent successfully!"}


@pytest.fixture
def owner(client: AppClient) -> Account:
    return stored(client.world, "owner", "user@example.com", "1122334455")


def test_19_code_is_sent_to_an_email(client: AppClient) -> None:
    answer = client.post("/otp/", {"destination": "email@django.com", "email": "email@django.com"})
    assert answer.status_code == 201
    assert answer.json() == {**SENT, "reference": answer.json()["reference"]}
    assert re.fullmatch(r"\d{5}", client.world.code_for("email@django.com"))


def test_20_code_is_sent_to_a_mobile_and_an_email(client: AppClient) -> None:
    answer = client.post("/otp/", {"destination": "1231242492", "email": "email@django.com"})
    assert (answer.status_code, answer.json()["message"]) == (201, "Message sent successfully!")
    mobile, email = client.world.code_for("1231242492"), client.world.code_for("email@django.com")
    answer = client.post("/otp/", {"destination": "1231242492", "verify_otp": email})
    assert answer.status_code == 202
    number = {**NEW, "email": "email@django.com", "mobile": "1231242492", "proofs": [answer.json()["proof"]]}
    account = client.post("/register/", number).json()
    assert (account["email_verified"], account["mobile_verified"]) == (True, False), "a mail proves no mobile"
    assert client.post("/otp/", {"destination": "1231242492", "verify_otp": mobile}).status_code == 202


def test_21_bad_destination_is_refused(client: AppClient) -> None:
    assert 21 in DIFFERENCES
    answer = client.post("/otp/", {"destination": "a.b", "email": "abc@d.com"})
    assert (answer.status_code, set(answer.json())) == (400, {"destination"})


def test_22_code_without_email_to_a_destination_of_no_account(client: AppClient, owner: Account) -> None:
    assert 22 in DIFFERENCES
    for destination in ("5566778899", "1122334455"):
        answer = client.post("/otp/", {"destination": destination})
        assert (answer.status_code, answer.json()["message"]) == (201, "Message sent successfully!")


def test_23_code_for_a_login_to_no_account(client: AppClient, owner: Account) -> None:
    assert 23 in DIFFERENCES
    for destination, is_sent in (("stranger@django.com", False), ("user@example.com", True)):
        answer = client.post("/otp/", {"destination": destination, "is_login": True})
        assert (answer.status_code, answer.json()["message"]) == (201, "Message sent successfully!")
        assert bool(client.world.codes_at(destination)) is is_sent


def test_24_right_code_verifies(client: AppClient) -> None:
    code = client.code("email@django.com", email="email@django.com")
    body = {"destination": "email@django.com", "email": "email@django.com", "verify_otp": code}
    answer = client.post("/otp/", body)
    assert (answer.status_code, answer.json()["OTP"]) == (202, ["OTP Validated successfully!"])
    assert client.post("/otp/", body).status_code == 403, "a code is used once"


def test_25_right_code_logs_in(client: AppClient, owner: Account) -> None:
    code = client.code("user@example.com", is_login="True")
    answer = client.post("/otp/", {"destination": "user@example.com", "verify_otp": int(code), "is_login": "True"})
    assert answer.status_code == 202
    assert claims_of(answer.json())["user_id"] == owner.id


# --- registration or login by a code ----------------------------------------------------------------------------------

MEMBER = {"name": "my_user", "email": "my_user@django.com", "mobile": "2848482848"}
STRANGER = {"name": "random", "email": "random@django.com", "mobile": "2848482849"}


@pytest.fixture
def member(client: AppClient) -> Account:
    return stored(client.world, "my_user", MEMBER["email"], MEMBER["mobile"])


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(["name"], id="26"),
        pytest.param(["name", "email"], id="27"),
        pytest.param(["name", "mobile"], id="28"),
        pytest.param(["email", "mobile"], id="29"),
    ],
)
def test_26_to_29_missing_fields_are_named(client: AppClient, given: list[str]) -> None:
    answer = client.post("/otpreglogin/", {name: STRANGER[name] for name in given})
    assert (answer.status_code, answer.json()) == (400, {name: REQUIRED for name in STRANGER if name not in given})


def requested(client: AppClient, **fields: str) -> dict[str, str]:
    body = STRANGER | fields
    answer = client.post("/otpreglogin/", body)
    assert answer.status_code == 201, answer.text
    return body


def test_30_codes_are_sent(client: AppClient, member: Account) -> None:
    for fields in (STRANGER, MEMBER):
        answer = client.post("/otpreglogin/", fields)
        assert answer.status_code == 201
        assert answer.json()["email"]["otp"] == answer.json()["mobile"]["otp"] == "OTP has been sent successfully."


def test_31_wrong_code_is_refused(client: AppClient, member: Account) -> None:
    assert 31 in DIFFERENCES
    for fields in (STRANGER, MEMBER):
        body = requested(client, **fields)
        answer = client.post("/otpreglogin/", {**body, "verify_otp": wrong(client.world.code_for(body["email"]))})
        assert (answer.status_code, answer.json()["detail"]) == (403, INVALID_CODE)


def test_32_code_that_was_never_sent_is_refused_alike(client: AppClient) -> None:
    assert 32 in DIFFERENCES
    answer = client.post("/otpreglogin/", {**STRANGER, "verify_otp": "88383"})
    assert (answer.status_code, answer.json()["detail"]) == (403, INVALID_CODE)


def test_33_right_code_registers_and_logs_in(client: AppClient) -> None:
    body = requested(client)
    answer = client.post("/otpreglogin/", {**body, "verify_otp": client.world.code_for("random@django.com")})
    assert answer.status_code == 202
    tokens = answer.json()
    assert (tokens["created"], claims_of(tokens)["email"]) == (True, "random@django.com")
    account = client.world.owner("random@django.com")
    assert account is not None
    assert (account.id, account.username.text) == (claims_of(tokens)["user_id"], "2848482849")


def test_34_bad_mobile_is_refused(client: AppClient) -> None:
    assert 34 in DIFFERENCES
    answer = client.post("/otpreglogin/", {**STRANGER, "mobile": "97", "verify_otp": "88383"})
    assert (answer.status_code, set(answer.json())) == (400, {"mobile"})
    assert client.world.messages == ()


@pytest.mark.parametrize(
    ("fields", "read_at"),
    [
        pytest.param({"email": "ser@django.com", "mobile": MEMBER["mobile"]}, "ser@django.com", id="35"),
        pytest.param({"email": MEMBER["email"], "mobile": "2846482848"}, "2846482848", id="36"),
    ],
)
def test_35_36_address_of_another_account(client: AppClient, member: Account, fields: dict[str, str], read_at: str) -> None:
    assert {35, 36} <= DIFFERENCES.keys()
    body = requested(client, **fields)
    answer = client.post("/otpreglogin/", {**body, "verify_otp": client.world.code_for(read_at)})
    assert (answer.status_code, answer.json()) == (400, {"non_field_errors": [MISMATCH]})


# --- reset ------------------------------------------------------------------------------------------------------------


def test_37_38_reset_without_fields(client: AppClient, user: Account) -> None:
    answer = client.post("/password/reset/", {})
    assert (answer.status_code, answer.json()) == (400, {"otp": REQUIRED, "email": REQUIRED, "password": REQUIRED})


def test_39_40_reset_with_an_unknown_email_or_a_wrong_code(client: AppClient, user: Account) -> None:
    assert 39 in DIFFERENCES
    code = client.code("user@email.com")
    for email, otp in (("unknown@django.com", code), ("user@email.com", wrong(code))):
        answer = client.post("/password/reset/", {"email": email, "otp": otp, "password": "test@123"})
        assert (answer.status_code, answer.json()["detail"]) == (403, INVALID_CODE)


def test_41_reset_with_the_right_code(client: AppClient, user: Account) -> None:
    before = client.tokens("user-somebody", "pass123")
    body = {"email": "user@email.com", "otp": client.code("user@email.com"), "password": " test@123 "}
    answer = client.post("/password/reset/", body)
    assert answer.status_code == 202
    assert answer.json().items() >= {"data": "Password Updated Successfully.", "status_code": 202}.items()
    assert client.tokens("user-somebody", "test@123")
    assert client.call("GET", "/account/", token=before["token"]).status_code == 401, "every session has ended"


# --- image ------------------------------------------------------------------------------------------------------------


def test_42_43_upload_without_a_file(client: AppClient, token: str) -> None:
    form = {"content-type": "multipart/form-data; boundary=BoUnDaRyStRiNg"}
    answer = client.post("/upload-image/", token=token, headers=form, content=b"--BoUnDaRyStRiNg--\r\n")
    assert (answer.status_code, answer.json()) == (400, {"profile_image": ["No file was submitted."]})


def test_44_upload(client: AppClient, token: str) -> None:
    jpeg = BytesIO()
    Image.new("RGB", (8, 8), "red").save(jpeg, "JPEG")
    answer = client.post("/upload-image/", token=token, files={"profile_image": ("test.jpg", jpeg.getvalue(), "image/jpeg")})
    assert (answer.status_code, answer.json()["detail"]) == (201, "Profile Image Uploaded.")
    assert client.call("GET", answer.json()["profile_image"]).status_code == 200


# --- refresh ----------------------------------------------------------------------------------------------------------


def test_45_refresh_without_fields(client: AppClient) -> None:
    answer = client.post("/refresh-token/", {})
    assert (answer.status_code, answer.json()) == (400, {"refresh": REQUIRED})


def test_46_refresh_token_that_is_expired_or_none_of_ours(client: AppClient, user: Account) -> None:
    tokens = client.tokens(user.username.text, "pass123")
    client.world.clock.advance(15 * 86_400)
    for refresh in (tokens["refresh_token"], tokens["refresh_token"][:-4], tokens["token"], "x.y.z"):
        answer = client.post("/refresh-token/", {"refresh": refresh})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")
        assert answer.json()["detail"] == "Token is invalid or expired"


def test_47_refresh_token_is_used_as_often_as_wanted(client: AppClient, user: Account) -> None:
    tokens = client.tokens(user.username.text, "pass123")
    for _ in range(3):
        client.world.clock.advance(3600)
        answer = client.post("/refresh-token/", {"refresh": f" {tokens['refresh_token']} "})
        assert answer.status_code == 200
        assert client.call("GET", "/account/", token=answer.json()["token"]).status_code == 200
    assert client.post("/logout/", {"refresh": tokens["refresh_token"]}).status_code == 204
    assert client.post("/refresh-token/", {"refresh": tokens["refresh_token"]}).status_code == 401
