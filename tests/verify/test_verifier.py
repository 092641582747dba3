"""Which tokens are taken, and which are not."""

import asyncio
import hmac
import json
import subprocess
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from tests.support.world import World
from tests.verify.signing import ISSUER, NOW, Clock, Signer, good_claims, jwks, verifier_of

from vestibule.verify import GivenKeys, Identity, InvalidToken, Key, NotAuthenticated, Refusal, Verifier

SIGNER = Signer()
VERIFIER = verifier_of(SIGNER)


def part(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: bytes, payload: bytes, signer: Signer = SIGNER) -> str:
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(signer.private.sign(text.encode()))}"


HEADER = b'{"alg":"EdDSA","kid":"one","typ":"at+jwt"}'
PAYLOAD = json.dumps(good_claims()).encode()


def refused(token: Any, verifier: Verifier = VERIFIER) -> InvalidToken:
    with pytest.raises(InvalidToken) as refusal:
        verifier(token)
    with pytest.raises(InvalidToken):
        asyncio.run(verifier.verify(token))
    return refusal.value


def test_a_good_token_is_whose_it_is() -> None:
    identity = VERIFIER(SIGNER.token(extra=[1]))
    assert identity == Identity(account_id=7, session_id="session", issued_at=NOW, expires_at=NOW + 300, claims={})
    assert identity.claims["extra"] == [1]
    assert asyncio.run(VERIFIER.verify(SIGNER.token())) == identity
    with pytest.raises(TypeError):
        identity.claims["sub"] = "8"  # type: ignore[index]  # it is to be refused at run time too


def test_a_token_that_vestibule_signs_is_taken() -> None:
    world = World()
    world.create_account("ann")
    tokens = world.log_in(username="ann", password="a sea of green glass")
    keys = GivenKeys(json.dumps(world.jwks()))
    verifier = Verifier(issuer=world.settings.url, keys=keys, clock=world.clock)
    assert verifier(tokens.token).session_id == tokens.session


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_key_serves_the_algorithm_of_its_own_kind_alone(algorithm: str) -> None:
    signer, other = Signer(algorithm=algorithm), Signer(algorithm="ES256" if algorithm == "EdDSA" else "EdDSA")
    verifier = verifier_of(signer)
    assert verifier(signer.token()).account_id == 7
    refused(other.token(), verifier)
    if algorithm == "RS256":
        for stranger in ("RS512", "PS256"):
            headers = {"kid": "one", "typ": "at+jwt"}
            refused(jwt.encode(good_claims(), signer.private, algorithm=stranger, headers=headers), verifier)


def test_no_token_at_all_is_told_from_a_bad_one() -> None:
    for nothing in (None, ""):
        with pytest.raises(NotAuthenticated) as refusal:
            VERIFIER(nothing)
        assert (refusal.value.status, refusal.value.headers["WWW-Authenticate"]) == (401, "Bearer")
    bad = refused("x")
    assert bad.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    assert json.loads(bad.body)["type"] == "urn:vestibule:problem:invalid-token"


def test_what_signs_nothing_or_signs_with_what_is_public_is_refused() -> None:
    public = SIGNER.private.public_key()
    secrets = [
        public.public_bytes(Encoding.Raw, PublicFormat.Raw),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(SIGNER.jwk).encode(),
    ]
    for secret in secrets:
        text = f"{part(HEADER.replace(b'EdDSA', b'HS256'))}.{part(PAYLOAD)}"
        refused(f"{text}.{part(hmac.digest(secret, text.encode(), 'sha256'))}")
    unsigned = f"{part(HEADER.replace(b'EdDSA', b'none'))}.{part(PAYLOAD)}."
    refused(unsigned)
    refused(unsigned + "AA")
    refused(f"{part(HEADER)}.{part(PAYLOAD)}.")


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "sid"])
def test_a_claim_that_is_missing_or_of_another_kind_is_refused(name: str) -> None:
    refused(SIGNER.token(without=name))
    wrong: Any
    for wrong in (None, True, 1.5, [], {}, "", "x y", "\u0667", [ISSUER, ISSUER]):
        if not (name == "jti" and isinstance(wrong, str)):
            said = {**good_claims(), name: wrong}
            refused(signed(HEADER, json.dumps(said).encode()))


@pytest.mark.parametrize("subject", ["0", "-1", "07", "9" * 19, "9" * 4000, "1 ", "1\n", 7])
def test_a_subject_that_is_no_account_is_refused(subject: Any) -> None:
    said = {**good_claims(), "sub": subject}
    refused(signed(HEADER, json.dumps(said).encode()))


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"EdDSA","kid":"one"}',
        b'{"alg":"EdDSA","kid":"one","typ":"JWT"}',
        b'{"alg":"EdDSA","kid":"one","typ":["at+jwt"]}',
        b'{"alg":"EdDSA","typ":"at+jwt"}',
        b'{"alg":"EdDSA","kid":["one"],"typ":"at+jwt"}',
        b'{"alg":"EdDSA","kid":"../one","typ":"at+jwt"}',
        b'{"alg":"EdDSA","kid":"one","typ":"at+jwt","crit":["b64"],"b64":true}',
        b'{"alg":"EdDSA","kid":"one","typ":"at+jwt","crit":[]}',
        b'{"alg":"none","alg":"EdDSA","kid":"one","typ":"at+jwt"}',
        b'{"alg":"EdDSA","kid":"two","kid":"one","typ":"at+jwt"}',
        b'["at+jwt"]',
        b"\xff",
        b"[" * 2000,
        b'{"alg":"EdDSA","kid":"one","typ":"at+jwt"',
    ],
)
def test_a_header_that_is_not_that_of_an_access_token_is_refused(header: bytes) -> None:
    refused(signed(header, PAYLOAD))


def test_a_header_of_an_access_token_may_be_spelled_in_other_ways_and_say_more() -> None:
    assert VERIFIER(signed(b'{ "typ":"application/at+jwt", "kid":"one", "x":1, "alg":"EdDSA" }', PAYLOAD)).account_id == 7


def test_a_name_that_stands_twice_in_what_is_signed_is_refused() -> None:
    twice = PAYLOAD.replace(b'"sub": "7"', b'"sub": "1", "sub": "7"')
    assert twice != PAYLOAD
    refused(signed(HEADER, twice))
    refused(signed(HEADER, PAYLOAD.replace(b"{", b'{"x": {"a": 1, "a": 2}, ')))
    refused(signed(HEADER, PAYLOAD.replace(b"{", b'{"x": NaN, ')))


def test_the_alphabet_is_that_of_a_url() -> None:
    for number in range(200):
        token = SIGNER.token(jti=str(number))
        other = token.replace("-", "+").replace("_", "/")
        if other != token:
            refused(other)
            refused(token + "=")
            refused(token + "\n")
            refused(f" {token}")
            return
    raise AssertionError("no token had a letter that differs")


def test_a_token_is_at_most_4096_bytes() -> None:
    token = SIGNER.token()
    padding = (4096 - len(token)) * 3 // 4 - 20
    assert len(SIGNER.token(extra="x" * padding)) <= 4096
    assert VERIFIER(SIGNER.token(extra="x" * padding)).account_id == 7
    refused(SIGNER.token(extra="x" * (padding + 30)))


def test_a_token_is_good_from_its_beginning_less_a_leeway_until_its_end() -> None:
    clock = Clock()
    verifier = verifier_of(SIGNER, clock=clock)
    token = SIGNER.token()
    for moment, good in ((NOW - 31, False), (NOW - 30, True), (NOW + 299.9, True), (NOW + 300, False), (NOW + 299, True)):
        clock.now = moment
        if good:
            assert verifier(token).account_id == 7
        else:
            refused(token, verifier)
    refused(SIGNER.token(nbf=NOW + 330), verifier_of(SIGNER))
    clock.now = NOW + 300
    assert refused(token, verifier).detail == "The access token has expired."


def test_other_issuers_audiences_and_keys_are_refused() -> None:
    refused(SIGNER.token(iss="https://accounts.example.com"))
    refused(SIGNER.token(aud="https://accounts.example.com"))
    refused(Signer().token())
    refused(Signer("two").token())
    elsewhere = Verifier(issuer=ISSUER, audience="api", keys=GivenKeys(jwks(SIGNER)), clock=Clock())
    assert elsewhere(SIGNER.token(aud="api")).account_id == 7
    refused(SIGNER.token(), elsewhere)


class Changing:
    """Keys that are taken away and put back by hand."""

    def __init__(self, *signers: Signer) -> None:
        self.keys = GivenKeys(jwks(*signers))

    def find(self, kid: str) -> Key | None:
        return self.keys.find(kid)

    async def find_awaited(self, kid: str) -> Key | None:
        return self.find(kid)


def test_a_token_that_was_verified_ends_with_its_key() -> None:
    other = Signer("two")
    source = Changing(SIGNER, other)
    verifier = Verifier(issuer=ISSUER, keys=source, clock=Clock())
    token = SIGNER.token()
    verifier(token)
    source.keys = GivenKeys(jwks(other))
    refused(token, verifier)
    source.keys = GivenKeys(jwks(Signer("one")))
    refused(token, verifier)
    source.keys = GivenKeys(jwks(SIGNER))
    assert verifier(token).account_id == 7


def test_as_many_tokens_are_remembered_as_is_said() -> None:
    verifier = verifier_of(SIGNER, keep=3)
    for number in range(10):
        verifier(SIGNER.token(jti=str(number)))
    assert len(verifier._verified) == 3  # noqa: SLF001 — nothing else shows what is remembered


@pytest.mark.parametrize("given", [{"issuer": ""}, {"audience": ""}, {"leeway": 31}, {"leeway": -1}])
def test_settings_out_of_range_are_refused(given: Any) -> None:
    with pytest.raises(ValueError, match=r"issuer|leeway"):
        Verifier(**{"issuer": ISSUER, "keys": GivenKeys(jwks(SIGNER)), **given})


@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")))
def test_junk_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(Refusal):
        VERIFIER(text)


GOOD = SIGNER.token()
ORIGINAL = [urlsafe_b64decode(one + "==") for one in GOOD.split(".")]


@given(st.integers(0, len(GOOD) - 1), st.characters())
def test_a_token_with_one_letter_changed_is_refused_or_says_the_same(place: int, letter: str) -> None:
    changed = GOOD[:place] + letter + GOOD[place + 1 :]
    try:
        VERIFIER(changed)
    except InvalidToken:
        return
    assert [urlsafe_b64decode(one + "==") for one in changed.split(".")] == ORIGINAL


Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)


@given(st.dictionaries(st.sampled_from([*good_claims(), "x"]), Json, min_size=1))
def test_whatever_a_signed_token_says_it_is_taken_or_refused(said: dict[str, Any]) -> None:
    token = signed(HEADER, json.dumps({**good_claims(), **said}).encode())
    try:
        identity = VERIFIER(token)
    except InvalidToken:
        return
    assert (type(identity.account_id), type(identity.expires_at)) == (int, int)


def test_it_pulls_in_nothing_else_of_vestibule_and_no_framework() -> None:
    program = """
import sys
import vestibule.verify, vestibule.verify.asgi, vestibule.verify.wsgi
print(*sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)))
print(*sorted(name for name in sys.modules if name.startswith("vestibule.") and not name.startswith("vestibule.verify")))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    libraries, others = run.stdout.split("\n")[:2]
    assert others == ""
    frameworks = {"litestar", "fastapi", "starlette", "django", "msgspec", "sqlalchemy", "anyio", "httpx", "requests"}
    assert not frameworks & set(libraries.split())
    assert {"jwt", "cryptography", "vestibule"} <= set(libraries.split())
