"""A separate service that only verifies Vestibule's access tokens: plain ASGI, no database, no framework.

    VESTIBULE_REVOCATIONS_SECRET=… vestibule serve
    VESTIBULE_REVOCATIONS_SECRET=… granian --interface asgi --factory --port 8001 examples/verify_only.py:create_app

Then `curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8001/` shows the caller's account, until seconds after a log-out.
"""

import json
import os

from vestibule.verify import Identity, JwksClient, Revocations, Verifier
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


def create_app(vestibule: str = "http://127.0.0.1:8000", *, interval: float = 2.0) -> App:
    """Creates the service. `vestibule` is the value of `VESTIBULE_PUBLIC_URL`: the issuer of the tokens."""
    verifier = Verifier(
        issuer=vestibule,
        keys=JwksClient(f"{vestibule}/.well-known/jwks.json"),
        revocations=Revocations(f"{vestibule}/revocations/", os.environ["VESTIBULE_REVOCATIONS_SECRET"], interval=interval),
    )
    return TokenMiddleware(service, verifier)
