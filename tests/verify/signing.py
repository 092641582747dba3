"""Tokens and key sets of an issuer, a clock that tests set, and an HTTP server with the responses of a test."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from vestibule.verify import StaticKeys, Unavailable, Verifier

NOW = 1_800_000_000
ISSUER = "https://accounts.example.org"


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Signer:
    """One private key, its public half as a JWK, and tokens by it."""

    def __init__(self, kid: str = "one", algorithm: str = "EdDSA", bits: int = 2048) -> None:
        self.kid, self.algorithm = kid, algorithm
        public: dict[str, Any]
        self.private: Any
        if algorithm == "EdDSA":
            self.private = Ed25519PrivateKey.generate()
            public = OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        elif algorithm == "ES256":
            self.private = generate_private_key(SECP256R1())
            public = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            self.private = generate_rsa(65537, bits)
            public = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
            public.pop("key_ops", None)
        self.jwk: dict[str, Any] = {**public, "kid": kid, "use": "sig", "alg": algorithm}

    def token(self, *, headers: Mapping[str, Any] | None = None, without: str = "", **claims: Any) -> str:
        payload = {**valid_claims(), **claims}
        payload.pop(without, None)
        return jwt.encode(
            payload, self.private, algorithm=self.algorithm, headers={"kid": self.kid, "typ": "at+jwt", **(headers or {})}
        )


def valid_claims() -> dict[str, Any]:
    return {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": "7",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 300,
        "jti": "token",
        "sid": "session",
    }


def jwks(*signers: Signer) -> bytes:
    return json.dumps({"keys": [signer.jwk for signer in signers]}).encode()


def verifier_of(*signers: Signer, clock: Clock | None = None, **more: Any) -> Verifier:
    return Verifier(issuer=ISSUER, keys=StaticKeys(jwks(*signers)), clock=clock or Clock(), **more)


class NoKeys:
    """Keys that cannot be read now."""

    def find(self, kid: str) -> None:
        raise Unavailable(7)

    async def find_async(self, kid: str) -> None:
        raise Unavailable(7)


DOWN = Verifier(issuer=ISSUER, keys=NoKeys(), clock=Clock())

Respond = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(respond: Respond) -> Iterator[str]:
    """An HTTP server on this machine whose every GET gets the response of `respond`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                respond(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Logs nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send_response(to: BaseHTTPRequestHandler, body: bytes, **headers: str) -> None:
    to.send_response(200)
    to.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        to.send_header(name.replace("_", "-"), value)
    to.end_headers()
    to.wfile.write(body)
