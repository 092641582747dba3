"""Valid and invalid access tokens."""

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
from jwt import PyJWK
from tests.support.world import World
from tests.verify.signing import ISSUER, NOW, Clock, Signer, jwks, valid_claims, verifier_of

from vestibule.domain import errors
from vestibule.verify import Identity, InvalidToken, NotAuthenticated, Refusal, StaticKeys, Verifier

SIGNER = Signer()
VERIFIER = verifier_of(SIGNER)


def part(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: bytes, payload: bytes, signer: Signer = SIGNER) -> str:
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(signer.private.sign(text.encode()))}"


HEADER = b'{"alg":"EdDSA","kid":"one","typ":"at+jwt"}'
PAYLOAD = json.dumps(valid_claims()).encode()


def refused(token: Any, verifier: Verifier = VERIFIER) -> InvalidToken:
    with pytest.raises(InvalidToken) as refusal:
        verifier(token)
    with pytest.raises(InvalidToken):
        asyncio.run(verifier.verify(token))
    return refusal.value


def test_valid_token_returns_its_identity() -> None:
    identity = VERIFIER(SIGNER.token(extra=[1]))
    assert identity == Identity(account_id=7, session_id="session", issued_at=NOW, expires_at=NOW + 300, claims={})
    assert identity.claims["extra"] == [1]
    assert asyncio.run(VERIFIER.verify(SIGNER.token())) == identity
    with pytest.raises(TypeError):
        identity.claims["sub"] = "8"  # type: ignore[index]  # refused at run time too


def test_token_signed_by_vestibule_is_accepted() -> None:
    world = World()
    world.create_account("ann")
    tokens = world.log_in(username="ann", password="a sea of green glass")
    keys = StaticKeys(json.dumps(world.jwks()))
    verifier = Verifier(issuer=world.settings.url, keys=keys, clock=world.clock)
    assert verifier(tokens.access_token).session_id == tokens.session


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_key_verifies_only_the_algorithm_of_its_type(algorithm: str) -> None:
    signer, other = Signer(algorithm=algorithm), Signer(algorithm="ES256" if algorithm == "EdDSA" else "EdDSA")
    verifier = verifier_of(signer)
    assert verifier(signer.token()).account_id == 7
    refused(other.token(), verifier)
    if algorithm == "RS256":
        for other_algorithm in ("RS512", "PS256"):
            headers = {"kid": "one", "typ": "at+jwt"}
            refused(jwt.encode(valid_claims(), signer.private, algorithm=other_algorithm, headers=headers), verifier)


def test_missing_token_differs_from_an_invalid_one() -> None:
    for token in (None, ""):
        with pytest.raises(NotAuthenticated) as refusal:
            VERIFIER(token)
        assert (refusal.value.status, refusal.value.headers["WWW-Authenticate"]) == (401, "Bearer")
    bad = refused("x")
    assert bad.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    assert json.loads(bad.body)["type"] == "urn:vestibule:problem:invalid-token"


def test_unsigned_token_and_hmac_with_the_public_key_are_refused() -> None:
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
def test_missing_claim_or_claim_of_the_wrong_type_is_refused(name: str) -> None:
    refused(SIGNER.token(without=name))
    wrong: Any
    for wrong in (None, True, 1.5, [], {}, "", "x y", "\u0667", [ISSUER, ISSUER]):
        if not (name == "jti" and isinstance(wrong, str)):
            payload = {**valid_claims(), name: wrong}
            refused(signed(HEADER, json.dumps(payload).encode()))


@pytest.mark.parametrize("subject", ["0", "-1", "07", "9" * 19, "9" * 4000, "1 ", "1\n", 7])
def test_subject_that_is_not_an_account_id_is_refused(subject: Any) -> None:
    payload = {**valid_claims(), "sub": subject}
    refused(signed(HEADER, json.dumps(payload).encode()))


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
        b'["at+jwt"]',
        b"\xff",
        b"[" * 2000,
        b'{"alg":"EdDSA","kid":"one","typ":"at+jwt"',
    ],
)
def test_header_of_another_kind_of_token_is_refused(header: bytes) -> None:
    refused(signed(header, PAYLOAD))


def test_header_may_have_other_spacing_and_more_members() -> None:
    assert VERIFIER(signed(b'{ "typ":"application/at+jwt", "kid":"one", "x":1, "alg":"EdDSA" }', PAYLOAD)).account_id == 7


def test_token_outside_the_base64url_alphabet_is_refused() -> None:
    for number in range(200):
        token = SIGNER.token(jti=str(number))
        other = token.replace("-", "+").replace("_", "/")
        if other != token:
            refused(other)
            refused(token + "=")
            refused(token + "\n")
            refused(f" {token}")
            return
    raise AssertionError("no token had a character that differs")


def test_token_over_8192_bytes_is_refused() -> None:
    token = SIGNER.token()
    padding = (8192 - len(token)) * 3 // 4 - 20
    assert len(SIGNER.token(extra="x" * padding)) <= 8192
    assert VERIFIER(SIGNER.token(extra="x" * padding)).account_id == 7
    refused(SIGNER.token(extra="x" * (padding + 30)))


def test_token_is_valid_from_nbf_minus_leeway_until_exp() -> None:
    clock = Clock()
    verifier = verifier_of(SIGNER, clock=clock)
    token = SIGNER.token()
    for moment, is_valid in ((NOW - 31, False), (NOW - 30, True), (NOW + 299.9, True), (NOW + 300, False), (NOW + 299, True)):
        clock.now = moment
        if is_valid:
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
    elsewhere = Verifier(issuer=ISSUER, audience="api", keys=StaticKeys(jwks(SIGNER)), clock=Clock())
    assert elsewhere(SIGNER.token(aud="api")).account_id == 7
    refused(SIGNER.token(), elsewhere)


class ReplaceableKeys:
    """A source whose keys the test replaces."""

    def __init__(self, *signers: Signer) -> None:
        self.keys = StaticKeys(jwks(*signers))

    def find(self, kid: str) -> PyJWK | None:
        return self.keys.find(kid)

    async def find_async(self, kid: str) -> PyJWK | None:
        return self.find(kid)


def test_verified_token_is_refused_once_its_key_is_gone() -> None:
    other = Signer("two")
    source = ReplaceableKeys(SIGNER, other)
    verifier = Verifier(issuer=ISSUER, keys=source, clock=Clock())
    token = SIGNER.token()
    verifier(token)
    source.keys = StaticKeys(jwks(other))
    refused(token, verifier)
    source.keys = StaticKeys(jwks(Signer("one")))
    refused(token, verifier)
    source.keys = StaticKeys(jwks(SIGNER))
    assert verifier(token).account_id == 7


def test_cache_holds_at_most_cache_size_tokens() -> None:
    verifier = verifier_of(SIGNER, cache_size=3)
    for number in range(10):
        verifier(SIGNER.token(jti=str(number)))
    assert len(verifier._cache) == 3  # noqa: SLF001 — the size shows nowhere else


@pytest.mark.parametrize("given", [{"issuer": ""}, {"audience": ""}, {"leeway": 31}, {"leeway": -1}])
def test_settings_out_of_range_are_refused(given: Any) -> None:
    with pytest.raises(ValueError, match=r"issuer|leeway"):
        Verifier(**{"issuer": ISSUER, "keys": StaticKeys(jwks(SIGNER)), **given})


@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")))
def test_arbitrary_text_is_refused_as_a_token(text: str) -> None:
    with pytest.raises(Refusal):
        VERIFIER(text)


VALID = SIGNER.token()
ORIGINAL = [urlsafe_b64decode(one + "==") for one in VALID.split(".")]


@given(st.integers(0, len(VALID) - 1), st.characters())
def test_token_with_one_changed_character_is_refused_or_decodes_alike(place: int, letter: str) -> None:
    changed = VALID[:place] + letter + VALID[place + 1 :]
    try:
        VERIFIER(changed)
    except InvalidToken:
        return
    assert [urlsafe_b64decode(one + "==") for one in changed.split(".")] == ORIGINAL


Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)


@given(st.dictionaries(st.sampled_from([*valid_claims(), "x"]), Json, min_size=1))
def test_any_signed_payload_is_accepted_or_refused(payload: dict[str, Any]) -> None:
    token = signed(HEADER, json.dumps({**valid_claims(), **payload}).encode())
    try:
        identity = VERIFIER(token)
    except InvalidToken:
        return
    assert (type(identity.account_id), type(identity.expires_at)) == (int, int)


def test_import_loads_nothing_else_of_vestibule_and_no_framework() -> None:
    program = """
import sys
import vestibule.verify, vestibule.verify.asgi, vestibule.verify.wsgi
print(*sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)))
print(*sorted(name for name in sys.modules if name.startswith("vestibule.") and not name.startswith("vestibule.verify")))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    libraries, others = run.stdout.split("\n")[:2]
    assert others == "vestibule.forks"
    frameworks = {"litestar", "fastapi", "starlette", "django", "msgspec", "sqlalchemy", "anyio", "httpx", "requests"}
    assert not frameworks & set(libraries.split())
    assert {"jwt", "cryptography", "vestibule"} <= set(libraries.split())


def test_service_and_verifier_refuse_in_the_same_words() -> None:
    for mine, theirs in ((InvalidToken, errors.InvalidToken), (NotAuthenticated, errors.NotAuthenticated)):
        assert (mine.slug, mine.title) == (theirs.slug, theirs.title)
