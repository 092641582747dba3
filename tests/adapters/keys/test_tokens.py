"""The port `Tokens`: accepts the tokens it issued, and rejects any other text."""

import base64
import hmac
import json
import string
from dataclasses import replace
from time import perf_counter
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt import api_jws

from vestibule.adapters.keys import JwtTokens, KeySet, SigningKey, SymmetricKey, access_tokens
from vestibule.application.ports import AccessClaims, Tokens
from vestibule.testing.contracts import TokensContract
from vestibule.testing.contracts.tokens import NOW, SESSION
from vestibule.verify.claims import Claims, read_claims

ISSUER = "https://accounts.example"
AUDIENCE = "https://api.example"
KEYS = KeySet.generate()
CLAIMS = ("iss", "aud", "sub", "iat", "nbf", "exp", "jti", "sid")

anything = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=200)
token_like = st.text(string.ascii_letters + string.digits + "-_.+/=", max_size=200)


def _tokens(keys: KeySet = KEYS, **settings: Any) -> JwtTokens:
    return JwtTokens(keys, **{"issuer": ISSUER, "audience": AUDIENCE, **settings})


@pytest.fixture
def tokens() -> Tokens:
    return _tokens()


def _claims(**changed: Any) -> dict[str, Any]:
    moment = int(NOW)
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "7", "iat": moment, "nbf": moment, "exp": moment + 300}
    return {**good, "jti": "x" * 22, "sid": SESSION, **changed}


def _signed(claims: dict[str, Any], key: SigningKey = KEYS.signing[0], **header: Any) -> str:
    """Signs below `jwt.encode`, which refuses to sign some claims that a forger may write."""
    body = json.dumps(claims, separators=(",", ":")).encode()
    return api_jws.encode(body, key.private, algorithm="EdDSA", headers={"kid": key.kid, "typ": "at+jwt", **header})


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _part(text: str, number: int) -> dict[str, Any]:
    part = text.split(".")[number]
    decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert isinstance(decoded, dict)
    return decoded


class TestEveryKind(TokensContract):
    """The contract of the port."""


# --- access tokens ----------------------------------------------------------------------------------------------------


def test_access_token_contains_account_session_and_expiry(tokens: Tokens) -> None:
    text = tokens.issue_access(7, SESSION, NOW + 0.9)
    assert tokens.verify_access(text, NOW + 1) == AccessClaims(account_id=7, session_id=SESSION, expires_at=NOW + 300)


@given(account_id=st.integers(1, 2**63 - 1), now=st.floats(0, 4e9))
@settings(max_examples=50, deadline=None)
def test_any_account_id_and_time_survive_a_token(account_id: int, now: float) -> None:
    tokens = _tokens()
    claims = tokens.verify_access(tokens.issue_access(account_id, SESSION, now), now)
    assert claims is not None
    assert claims.account_id == account_id
    assert now < claims.expires_at <= now + tokens.access_seconds


def test_access_token_follows_rfc_9068_and_contains_no_personal_data(tokens: Tokens) -> None:
    text = tokens.issue_access(7, SESSION, NOW + 0.9)
    assert _part(text, 0) == {"alg": "EdDSA", "kid": KEYS.signing[0].kid, "typ": "at+jwt"}
    claims = _part(text, 1)
    assert len(base64.urlsafe_b64decode(claims.pop("jti") + "==")) >= 16
    expected = {"iss": ISSUER, "aud": AUDIENCE, "sub": "7", "sid": SESSION, "iat": 1_700_000_000, "nbf": 1_700_000_000}
    assert claims == {**expected, "exp": 1_700_000_300}
    assert all(type(claims[name]) is int for name in ("iat", "nbf", "exp"))


def test_another_service_verifies_a_token_with_the_published_keys_only() -> None:
    tokens = _tokens()
    text = tokens.issue_access(7, SESSION, NOW)
    key = jwt.PyJWKSet.from_dict(tokens.jwks())[jwt.get_unverified_header(text)["kid"]]
    options: Any = {"verify_exp": False}
    assert jwt.decode(text, key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=ISSUER, options=options)["sub"] == "7"


def test_only_the_public_half_of_a_key_is_published() -> None:
    (key,) = _tokens().jwks()["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("OKP", "Ed25519", "sig", "EdDSA")


def test_token_is_accepted_until_just_before_its_expiry(tokens: Tokens) -> None:
    text = tokens.issue_access(7, SESSION, NOW)
    assert tokens.verify_access(text, NOW + 299.999) is not None
    assert tokens.verify_access(text, NOW + 300) is None
    assert tokens.verify_access(text, NOW + 299.999) is not None


def test_leeway_accepts_a_clock_ahead_and_never_extends_a_lifetime() -> None:
    text = _tokens().issue_access(7, SESSION, NOW)
    reader = _tokens(leeway=5)
    assert reader.verify_access(text, NOW - 5) is not None
    assert reader.verify_access(text, NOW - 5.001) is None
    assert reader.verify_access(text, NOW + 300) is None


@given(st.lists(st.floats(NOW - 400, NOW + 400), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_cached_token_gives_the_same_result_as_a_new_one(moments: list[float]) -> None:
    kept, text = _tokens(), _tokens().issue_access(7, SESSION, NOW)
    for moment in moments:
        assert kept.verify_access(text, moment) == _tokens(cache_size=0).verify_access(text, moment)


def test_cached_token_costs_no_signature_check() -> None:
    kept, checked = _tokens(), _tokens(cache_size=0)
    text = kept.issue_access(7, SESSION, NOW)

    def cost(tokens: Tokens) -> float:
        begun = perf_counter()
        for _ in range(200):
            assert tokens.verify_access(text, NOW) is not None
        return perf_counter() - begun

    assert min(cost(kept) for _ in range(3)) * 5 < min(cost(checked) for _ in range(3))


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The claims of each token whose signature was checked."""
    payloads: list[object] = []

    def recording(payload: Any) -> Claims:
        payloads.append(payload)
        return read_claims(payload)

    monkeypatch.setattr(access_tokens, "read_claims", recording)
    return payloads


def test_cache_keeps_the_latest_tokens_only(checked: list[object]) -> None:
    tokens = _tokens(cache_size=3)
    texts = [tokens.issue_access(number, SESSION, NOW) for number in range(1, 11)]
    for text in [*texts, *texts[-3:]]:
        assert tokens.verify_access(text, NOW) is not None
    assert len(checked) == 10
    assert tokens.verify_access(texts[6], NOW) is not None
    assert len(checked) == 11


def test_invalid_token_takes_no_place_in_the_cache(checked: list[object]) -> None:
    tokens = _tokens(cache_size=1)
    text = tokens.issue_access(7, SESSION, NOW)
    for presented in (text, f"{text[:-4]}AAAA", "", text):
        tokens.verify_access(presented, NOW)
    assert len(checked) == 1


def test_more_tokens_than_the_cache_holds_are_all_verified() -> None:
    tokens = _tokens(cache_size=2)
    texts = {number: tokens.issue_access(number, SESSION, NOW) for number in range(1, 6)}
    for _ in range(2):
        for number, text in texts.items():
            claims = tokens.verify_access(text, NOW)
            assert claims is not None
            assert claims.account_id == number


def test_template_of_the_forged_tokens_is_accepted(tokens: Tokens) -> None:
    assert tokens.verify_access(_signed(_claims()), NOW) is not None


@pytest.mark.parametrize("name", CLAIMS)
def test_token_without_one_of_its_claims_is_rejected(tokens: Tokens, name: str) -> None:
    claims = _claims()
    del claims[name]
    assert tokens.verify_access(_signed(claims), NOW) is None
    assert tokens.verify_access(_signed({**claims, name: None}), NOW) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": [ISSUER]},
        {"aud": "https://elsewhere.example"},
        {"aud": [AUDIENCE, "https://elsewhere.example"]},
        {"sub": 7},
        {"sub": ""},
        {"sub": "0"},
        {"sub": "-7"},
        {"sub": "07"},
        {"sub": " 7"},
        {"sub": "7\n"},
        {"sub": "\u0667"},
        {"sub": "7.0"},
        {"sub": str(2**63)},
        {"sub": "9" * 400},
        {"sid": 7},
        {"sid": ""},
        {"sid": "x" * 65},
        {"sid": "a b"},
        {"jti": 7},
        {"exp": "1800000000"},
        {"exp": 1_800_000_000.5},
        {"exp": True},
        {"exp": 10**400},
        {"exp": int(NOW) - 1},
        {"iat": "1700000000"},
        {"iat": int(NOW) + 31},
        {"iat": True},
        {"nbf": True},
        {"nbf": 1_700_000_000.0},
        {"nbf": int(NOW) + 31},
    ],
    ids=lambda changed: "-".join(f"{name}={value!r:.30}" for name, value in changed.items()),
)
def test_signed_token_with_an_invalid_claim_is_rejected(tokens: Tokens, changed: dict[str, Any]) -> None:
    assert tokens.verify_access(_signed(_claims(**changed)), NOW) is None


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"typ": "AT+JWT"},
        {"kid": "another"},
        {"kid": "../../etc/passwd"},
        {"crit": ["exp"], "exp": 1},
        {"jwk": {"kty": "OKP"}},
        {"jku": "https://elsewhere.example/keys"},
        {"b64": False},
    ],
    ids="-".join,
)
def test_token_with_another_header_is_rejected(tokens: Tokens, header: dict[str, Any]) -> None:
    assert tokens.verify_access(_signed(_claims(), **header), NOW) is None


def test_token_signed_by_another_key_is_rejected_even_with_a_known_key_id(tokens: Tokens) -> None:
    other = SigningKey.generate()
    assert tokens.verify_access(_signed(_claims(), other, kid=KEYS.signing[0].kid), NOW) is None
    assert tokens.verify_access(_signed(_claims(), other), NOW) is None


def test_unsigned_token_is_rejected(tokens: Tokens) -> None:
    header = {"kid": KEYS.signing[0].kid, "typ": "at+jwt"}
    unsigned = jwt.encode(_claims(), "", algorithm="none", headers=header)
    assert tokens.verify_access(unsigned, NOW) is None
    assert tokens.verify_access(unsigned + _base64url(bytes(64)), NOW) is None
    ours = _signed(_claims()).split(".")
    assert tokens.verify_access(f"{ours[0]}.{ours[1]}.", NOW) is None
    assert tokens.verify_access(f"{ours[0]}.{ours[1]}.{_base64url(bytes(64))}", NOW) is None


@pytest.mark.parametrize(
    ("encoding", "form"),
    [
        (Encoding.Raw, PublicFormat.Raw),
        (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ],
    ids=["raw", "der", "pem"],
)
@pytest.mark.parametrize(("algorithm", "digest"), [("HS256", "sha256"), ("HS512", "sha512"), ("EdDSA", "sha512")])
def test_public_key_is_not_accepted_as_a_shared_secret(
    tokens: Tokens, encoding: Encoding, form: PublicFormat, algorithm: str, digest: str
) -> None:
    key = KEYS.signing[0]
    header = json.dumps({"alg": algorithm, "kid": key.kid, "typ": "at+jwt"}, separators=(",", ":")).encode()
    forged = f"{_base64url(header)}.{_base64url(json.dumps(_claims()).encode())}"
    seal = hmac.digest(key.public.public_bytes(encoding, form), forged.encode(), digest)
    assert tokens.verify_access(f"{forged}.{_base64url(seal)}", NOW) is None


def test_access_token_has_one_spelling(tokens: Tokens) -> None:
    text = next(text for text in iter(lambda: tokens.issue_access(7, SESSION, NOW), "") if {"-", "_"} <= set(text))
    head, body, signature = text.split(".")
    respelled = [
        text.replace("-", "+").replace("_", "/"),
        text.replace("-", "+"),
        text + "=",
        text + "==",
        f"{head}==.{body}.{signature}",
        f"{head}.{body}=.{signature}",
        f"{text}\n",
        f" {text}",
        f"{text}.",
        f"{head}.{body}.{signature[:-1]}{chr(ord(signature[-1]) + 1)}",
        text.replace(".", "\uff0e"),
    ]
    assert [tokens.verify_access(spelling, NOW) for spelling in respelled] == [None] * len(respelled)
    assert tokens.verify_access(text, NOW) is not None


@given(place=st.integers(0, 360), character=st.sampled_from(string.ascii_letters + string.digits + "-_.=+/ é\0\ud800"))
@settings(max_examples=150, deadline=None)
def test_token_with_one_character_changed_is_rejected(place: int, character: str) -> None:
    tokens = _tokens()
    text = _signed(_claims())
    changed = text[:place] + character + text[place + 1 :]
    assert (tokens.verify_access(changed, NOW) is not None) == (changed == text)


def test_text_above_8192_characters_is_rejected(tokens: Tokens) -> None:
    assert tokens.verify_access(_signed(_claims(more="x" * 5500)), NOW) is not None
    assert tokens.verify_access(_signed(_claims(more="x" * 6200)), NOW) is None
    assert tokens.verify_access("a." * 500_000, NOW) is None


@given(st.one_of(anything, token_like))
@settings(max_examples=200, deadline=None)
def test_arbitrary_text_is_rejected_as_either_kind_of_token(text: str) -> None:
    tokens = _tokens()
    assert tokens.verify_access(text, NOW) is None
    assert tokens.verify_refresh(text) is None
    assert tokens.verify_refresh("vst_rt_" + text) is None


@given(st.one_of(st.binary(max_size=200), st.just(b"[" * 2500), st.just(b'{"a":' * 500)))
@settings(max_examples=100, deadline=None)
def test_arbitrary_body_with_a_known_header_is_rejected(body: bytes) -> None:
    tokens = _tokens()
    head = tokens.issue_access(7, SESSION, NOW).split(".")[0]
    assert tokens.verify_access(f"{head}.{_base64url(body)}.{_base64url(bytes(64))}", NOW) is None
    private = KEYS.signing[0].private
    assert isinstance(private, Ed25519PrivateKey)
    signature = private.sign(f"{head}.{_base64url(body)}".encode())
    assert tokens.verify_access(f"{head}.{_base64url(body)}.{_base64url(signature)}", NOW) is None


@pytest.mark.parametrize(("account_id", "session_id"), [(0, SESSION), (-1, SESSION), (2**63, SESSION), (7, ""), (7, "ä")])
def test_access_token_that_could_not_be_verified_is_not_issued(tokens: Tokens, account_id: int, session_id: str) -> None:
    with pytest.raises(ValueError, match="account_id must be"):
        tokens.issue_access(account_id, session_id, NOW)


@pytest.mark.parametrize(
    "settings",
    [{"access_seconds": 0}, {"access_seconds": 3601}, {"leeway": -1}, {"leeway": 31}, {"issuer": ""}, {"audience": ""}],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"access_seconds|leeway|issuer"):
        _tokens(**settings)


# --- refresh tokens ---------------------------------------------------------------------------------------------------


@given(st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=64), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_refresh_token_contains_session_and_generation(session_id: str, generation: int) -> None:
    tokens = _tokens()
    text = tokens.issue_refresh(session_id, generation)
    assert text == tokens.issue_refresh(session_id, generation)
    assert text.startswith("vst_rt_")
    assert tokens.verify_refresh(text) == (session_id, generation)


@given(place=st.integers(0, 75), character=st.sampled_from(string.ascii_letters + string.digits + "-_=+/ é\0\ud800"))
@settings(max_examples=200, deadline=None)
def test_changed_refresh_token_is_rejected(place: int, character: str) -> None:
    tokens = _tokens()
    for session_id in (SESSION, SESSION[:-1]):  # the second one leaves spare bits in the last character
        text = tokens.issue_refresh(session_id, 3)
        for changed in (text[:place] + character + text[place + 1 :], text[:place] + character + text[place:], text[:place]):
            assert (tokens.verify_refresh(changed) is not None) == (changed == text)


def test_refresh_token_of_other_secrets_is_rejected(tokens: Tokens) -> None:
    assert tokens.verify_refresh(_tokens(KeySet.generate()).issue_refresh(SESSION, 3)) is None


@pytest.mark.parametrize(("session_id", "generation"), [("", 0), ("x" * 65, 0), ("ä", 0), (SESSION, -1), (SESSION, 2**32)])
def test_refresh_token_that_could_not_be_verified_is_not_issued(tokens: Tokens, session_id: str, generation: int) -> None:
    with pytest.raises(ValueError, match="session id"):
        tokens.issue_refresh(session_id, generation)


# --- rotation ---------------------------------------------------------------------------------------------------------


DAY = 86_400.0
OLD, NEW = SigningKey.generate(1), SigningKey.generate(2, active_from=NOW + DAY)
OLD_SECRET, NEW_SECRET = SymmetricKey.generate(1), SymmetricKey.generate(2, active_from=NOW + 60)
ROTATED = replace(KEYS, signing=(OLD, NEW), refresh=(OLD_SECRET, NEW_SECRET))


class RotatedKeys:
    """A source whose keys are replaced while they are in use."""

    def __init__(self, keys: KeySet) -> None:
        self.keys = keys

    def current(self) -> KeySet:
        return self.keys


def _kid(text: str) -> str:
    return str(_part(text, 0)["kid"])


def _published(keys: KeySet, now: float) -> list[str]:
    return [key["kid"] for key in _tokens(keys, clock=lambda: now).jwks()["keys"]]


def test_new_signing_key_is_published_before_it_signs() -> None:
    tokens = _tokens(ROTATED)
    assert _published(ROTATED, NOW) == [OLD.kid, NEW.kid]
    assert _kid(tokens.issue_access(7, SESSION, NOW + DAY - 0.001)) == OLD.kid
    assert _kid(tokens.issue_access(7, SESSION, NOW + DAY)) == NEW.kid


def test_server_with_a_slow_clock_accepts_tokens_of_the_pending_key() -> None:
    text = _tokens(ROTATED).issue_access(7, SESSION, NOW + DAY)
    assert _tokens(ROTATED).verify_access(text, NOW + DAY - 30) is not None


def test_token_survives_a_rotation() -> None:
    tokens = _tokens(ROTATED)
    text = tokens.issue_access(7, SESSION, NOW + DAY - 1)
    assert _kid(text) == OLD.kid
    assert tokens.verify_access(text, NOW + DAY + 298.999) is not None
    assert tokens.verify_access(text, NOW + DAY + 299) is None


def test_retired_key_verifies_for_the_longest_token_lifetime_and_the_leeway_and_is_then_unpublished() -> None:
    end = NOW + DAY + 3630
    forged = _signed(_claims(exp=int(NOW + 10 * DAY)), OLD)
    tokens = _tokens(ROTATED)
    assert tokens.verify_access(forged, end - 0.001) is not None
    assert tokens.verify_access(forged, end) is None
    assert _tokens(ROTATED).verify_access(forged, end) is None
    assert _published(ROTATED, end - 0.001) == [OLD.kid, NEW.kid]
    assert _published(ROTATED, end) == [NEW.kid]


def test_key_without_a_start_time_is_active_and_the_previous_one_verifies_until_it_is_removed() -> None:
    newer = SigningKey.generate(2)
    keys = replace(KEYS, signing=(OLD, newer))
    before, after = _tokens(replace(KEYS, signing=(OLD,))), _tokens(keys)
    assert _kid(after.issue_access(7, SESSION, NOW)) == newer.kid
    assert after.verify_access(before.issue_access(7, SESSION, NOW), NOW) is not None
    assert before.verify_access(after.issue_access(7, SESSION, NOW), NOW) is None
    assert _published(keys, NOW + 365 * DAY) == [OLD.kid, newer.kid]


def test_first_key_signs_if_the_clock_is_earlier_than_all_keys() -> None:
    keys = replace(KEYS, signing=(SigningKey.generate(1, NOW + 5), NEW))
    tokens = _tokens(keys)
    text = tokens.issue_access(7, SESSION, NOW)
    assert _kid(text) == keys.signing[0].kid
    assert tokens.verify_access(text, NOW) is not None


def test_key_changes_apply_without_a_restart_even_to_cached_tokens() -> None:
    source = RotatedKeys(replace(ROTATED, signing=(OLD,), refresh=(OLD_SECRET,)))
    tokens = JwtTokens(source, issuer=ISSUER, audience=AUDIENCE, clock=lambda: NOW + DAY)
    text, refresh = tokens.issue_access(7, SESSION, NOW + DAY), tokens.issue_refresh(SESSION, 3)
    assert tokens.verify_access(text, NOW + DAY) is not None

    source.keys = ROTATED
    assert _kid(tokens.issue_access(7, SESSION, NOW + DAY)) == NEW.kid
    assert tokens.verify_access(text, NOW + DAY) is not None
    assert tokens.verify_refresh(refresh) == (SESSION, 3)
    assert tokens.issue_refresh(SESSION, 3) != refresh

    source.keys = replace(ROTATED, signing=(NEW,), refresh=(NEW_SECRET,))
    assert tokens.verify_access(text, NOW + DAY) is None
    assert tokens.verify_refresh(refresh) is None
    assert [key["kid"] for key in tokens.jwks()["keys"]] == [NEW.kid]


def test_retired_refresh_secret_verifies_for_the_longest_lifetime_of_a_session() -> None:
    def at(now: float, keys: KeySet = ROTATED) -> JwtTokens:
        return _tokens(keys, clock=lambda: now)

    begins = NOW + 60
    old = at(begins - 1).issue_refresh(SESSION, 3)
    assert at(NOW, replace(KEYS, refresh=(OLD_SECRET,))).verify_refresh(old) == (SESSION, 3)
    assert at(begins).issue_refresh(SESSION, 3) != old
    assert at(begins).verify_refresh(at(begins).issue_refresh(SESSION, 3)) == (SESSION, 3)
    assert at(begins + 365 * DAY - 1).verify_refresh(old) == (SESSION, 3)
    assert at(begins + 365 * DAY).verify_refresh(old) is None
