"""The algorithms that can sign access tokens: each key verifies its own alone, and foreign libraries read them."""

import base64
import hmac
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import api_jws
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from vestibule.adapters.keys import FileKeyStore, JwtTokens, KeySet, ReloadingKeys, SigningKey, open_keys
from vestibule.application.ports import SIGNING_ALGORITHMS, Tokens
from vestibule.testing.contracts import TokensContract
from vestibule.testing.contracts.tokens import NOW, SESSION
from vestibule.verify import InvalidToken, StaticKeys, Verifier

URL = "https://accounts.example"
KEYS = {algorithm: KeySet.generate(algorithm=algorithm) for algorithm in SIGNING_ALGORITHMS}
THUMBPRINTED = {"EdDSA": ["crv", "kty", "x"], "ES256": ["crv", "kty", "x", "y"], "RS256": ["e", "kty", "n"]}


def tokens_of(keys: KeySet) -> JwtTokens:
    return JwtTokens(keys, issuer=URL, audience=URL, clock=lambda: NOW)


def verifier_of(keys: KeySet) -> Verifier:
    return Verifier(issuer=URL, keys=StaticKeys(json.dumps(tokens_of(keys).jwks())), clock=lambda: NOW)


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signing_entry(key: SigningKey, **changed: Any) -> bytes:
    entry = {"kind": "signing", "number": 1, **key.private_jwk(), **changed}
    return json.dumps({"keys": [entry]}).encode()


@pytest.fixture(params=SIGNING_ALGORITHMS)
def algorithm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestEveryAlgorithm(TokensContract):
    """The contract of the port."""

    @pytest.fixture
    def tokens(self, algorithm: str) -> Tokens:
        return tokens_of(KEYS[algorithm])


def test_keys_are_stored_and_read_again(algorithm: str) -> None:
    keys = KEYS[algorithm]
    read = KeySet.from_json(keys.to_json())
    assert read == keys
    text = tokens_of(keys).issue_access(7, SESSION, NOW)
    assert jwt.get_unverified_header(text) == {"alg": algorithm, "typ": "at+jwt", "kid": keys.signing[0].kid}
    assert tokens_of(read).verify_access(text, NOW) is not None


def test_key_id_is_the_thumbprint_of_the_public_key(algorithm: str) -> None:
    (key,) = tokens_of(KEYS[algorithm]).jwks()["keys"]
    members = ",".join(f'"{name}":"{key[name]}"' for name in THUMBPRINTED[algorithm])
    assert key["kid"] == base64url(sha256(f"{{{members}}}".encode()).digest())
    assert set(key) == {*THUMBPRINTED[algorithm], "kid", "use", "alg"}, "nothing of the private half"
    assert (key["use"], key["alg"]) == ("sig", algorithm)


def test_pyjwt_and_our_verifier_take_the_published_keys(algorithm: str) -> None:
    tokens = tokens_of(KEYS[algorithm])
    text = tokens.issue_access(7, SESSION, NOW)
    key = jwt.PyJWKSet.from_dict(tokens.jwks())[jwt.get_unverified_header(text)["kid"]]
    options: Any = {"verify_exp": False}
    assert jwt.decode(text, key, algorithms=[algorithm], audience=URL, issuer=URL, options=options)["sub"] == "7"
    assert verifier_of(KEYS[algorithm])(text).account_id == 7


def forgeries(keys: KeySet) -> Iterator[str]:
    """Tokens with the key id of the deployment's key, signed by every other algorithm."""
    key = keys.signing[0]
    claims = tokens_of(keys).issue_access(7, SESSION, NOW).split(".")[1]
    payload = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))
    header = {"kid": key.kid, "typ": "at+jwt"}
    for other, foreign in KEYS.items():
        if other != key.algorithm:
            yield api_jws.encode(payload, foreign.signing[0].private, algorithm=other, headers=header)
    if isinstance(key.private, rsa.RSAPrivateKey):  # the right key, in another way
        for other in ("RS512", "PS256"):
            yield api_jws.encode(payload, key.private, algorithm=other, headers=header)
    pem = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, json.dumps(key.public_jwk()).encode(), key.kid.encode()):
        head = base64url(json.dumps({"alg": "HS256", **header}).encode())
        signature = base64url(hmac.digest(secret, f"{head}.{claims}".encode(), "sha256"))
        yield f"{head}.{claims}.{signature}"
    yield api_jws.encode(payload, "", algorithm="none", headers=header)


def test_key_verifies_no_other_algorithm(algorithm: str) -> None:
    tokens, verifier = tokens_of(KEYS[algorithm]), verifier_of(KEYS[algorithm])
    forged = list(forgeries(KEYS[algorithm]))
    assert len(forged) >= 6
    for text in forged:
        assert tokens.verify_access(text, NOW) is None, jwt.get_unverified_header(text)
        with pytest.raises(InvalidToken):
            verifier(text)


def test_signature_of_another_key_under_the_header_of_a_known_one_is_refused(algorithm: str) -> None:
    tokens = tokens_of(KEYS[algorithm])
    head = tokens.issue_access(7, SESSION, NOW).split(".")[0]
    for other in SIGNING_ALGORITHMS:
        _, body, signature = tokens_of(KeySet.generate(algorithm=other)).issue_access(7, SESSION, NOW).split(".")
        assert tokens.verify_access(f"{head}.{body}.{signature}", NOW) is None


@pytest.mark.parametrize(
    "entry",
    [
        {**RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024), as_dict=True)},  # noqa: S505 — the test's subject
        {**ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()), as_dict=True)},
        {**KEYS["RS256"].signing[0].private_jwk(), "alg": "PS256"},
        {**KEYS["RS256"].signing[0].private_jwk(), "n": SigningKey.generate(algorithm="RS256").private_jwk()["n"]},
        {**KEYS["ES256"].signing[0].private_jwk(), "x": SigningKey.generate(algorithm="ES256").private_jwk()["x"]},
        {**KEYS["ES256"].signing[0].private_jwk(), "d": SigningKey.generate(algorithm="ES256").private_jwk()["d"]},
        KEYS["RS256"].signing[0].public_jwk(),
        KEYS["ES256"].signing[0].public_jwk(),
        {"kty": ["RSA"], "n": "AQAB", "e": "AQAB"},
    ],
    ids=["1024 bits", "P-384", "PS256", "other n", "other x", "other d", "public RSA", "public EC", "list"],
)
def test_unsuitable_signing_key_is_refused(entry: dict[str, Any]) -> None:
    document = json.dumps({"keys": [{"kind": "signing", "number": 1, **entry}]}).encode()
    with pytest.raises(ValueError, match=r"^signing-1: not a private key for EdDSA .* ES256 .* or RS256 .*$"):
        KeySet.from_json(document)


def test_own_key_of_any_algorithm_is_taken(algorithm: str) -> None:
    key = KEYS[algorithm].signing[0]
    assert KeySet.from_json(signing_entry(key)).signing == (key,)


def test_unchanged_keys_are_parsed_once(tmp_path: Path) -> None:
    """A server reads its keys every two seconds, and to check an RSA key takes 40 ms."""
    store = FileKeyStore(tmp_path / "keys.json")
    open_keys(store, algorithm="RS256")
    assert store.read() is store.read()


def test_first_keys_are_of_the_algorithm_of_the_settings(tmp_path: Path, algorithm: str) -> None:
    store = FileKeyStore(tmp_path / "keys.json")
    assert ReloadingKeys(store, algorithm=algorithm).current().signing[0].algorithm == algorithm
    assert open_keys(store).signing[0].algorithm == algorithm
