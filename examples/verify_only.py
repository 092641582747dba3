"""A service of its own that only checks Vestibule's tokens: plain ASGI, no database, no framework.

    VESTIBULE_REVOCATIONS_SECRET=… vestibule serve
    VESTIBULE_REVOCATIONS_SECRET=… granian --interface asgi --factory --port 8001 examples/verify_only.py:create_app

Then `curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8001/` says who calls, until seconds after a log-out.
"""

import json
import os

from vestibule.verify import Identity, Revocations, UrlKeys, Verifier
from vestibule.verify.asgi import App, Receive, Scope, Send, TokenMiddleware


async def hello(scope: Scope, _: Receive, send: Send) -> None:
    identity: Identity = scope["state"]["identity"]
    body = json.dumps({"account": identity.account_id, "session": identity.session_id}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


async def lifespan(_: Scope, receive: Receive, send: Send) -> None:
    for _phase in ("startup", "shutdown"):
        message = await receive()
        await send({"type": f"{message['type']}.complete"})


async def service(scope: Scope, receive: Receive, send: Send) -> None:
    await (lifespan if scope["type"] == "lifespan" else hello)(scope, receive, send)


def create_app(vestibule: str = "http://127.0.0.1:8000", *, every: float = 2.0) -> App:
    """`vestibule` is where it is reached, as its `VESTIBULE_PUBLIC_URL` has it: the issuer of its tokens."""
    verifier = Verifier(
        issuer=vestibule,
        keys=UrlKeys(f"{vestibule}/.well-known/jwks.json"),
        revocations=Revocations(f"{vestibule}/revocations/", os.environ["VESTIBULE_REVOCATIONS_SECRET"], every=every),
    )
    return TokenMiddleware(service, verifier)
