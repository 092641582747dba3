"""Schemas of response bodies, and the ASGI response that carries them."""

from collections.abc import AsyncIterator
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from litestar.types import HTTPResponseStartEvent, Receive, Scope, Send
from msgspec import Meta, Struct, convert, field
from msgspec.json import encode

from ...application import Account, RequestedCode, TokenSet
from ..account_response import URI, AccountResponse, account_fields
from ..settings import Settings

JSON = "application/json"
ZIP = "application/zip"

Detail = Annotated[str, Meta(description="The result, for people.", examples=["The password is changed."])]


_CLEARED = (
    "Those of password, sessions, email, mobile and image that the maker of an account without a verified address had left."
)
_RECOVERED = "Whether the code came from a recovery address and undid the change that had replaced or removed it."


class TokenSetResponse(Struct, omit_defaults=True):
    """A token set."""

    access_token: Annotated[str, Meta(description="A JWT, for `Authorization: Bearer <token>`.")] = field(name="token")
    refresh_token: Annotated[str, Meta(description="Valid for one call of `/refresh-token/`.")]
    session: Annotated[str, Meta(description="The id of the session of both tokens.")]
    token_type: Annotated[str, Meta(examples=["Bearer"])]
    expires_in: Annotated[int, Meta(ge=1, description="Seconds until the access token expires.", examples=[300])]
    created: Annotated[bool, Meta(description="Whether the login made the account.")] = False
    cleared: Annotated[tuple[str, ...], Meta(description=_CLEARED)] = ()
    recovered: Annotated[bool, Meta(description=_RECOVERED)] = False
    deletion_cancelled: Annotated[bool, Meta(description="Whether the account was to be deleted.")] = False


class CodeSentResponse(Struct):
    """A code is sent if the destination can receive one."""

    detail: Detail
    reference: Annotated[str, Meta(description="A short tag that the message repeats.", examples=["7K3D"])]


class CodeVerifiedResponse(Struct):
    """The address is verified."""

    detail: Detail
    proof: Annotated[str, Meta(description="A registration or a change within the hour may send this in `proofs`.")]


class DetailResponse(Struct):
    """The result, as text."""

    detail: Detail


class PasswordResetResponse(Struct, omit_defaults=True):
    """The password is changed."""

    detail: Detail
    cleared: Annotated[tuple[str, ...], Meta(description=_CLEARED)] = ()
    recovered: Annotated[bool, Meta(description=_RECOVERED)] = False


class UniquenessResponse(Struct):
    """The result of the check: whether a registration may use the value."""

    unique: bool


class UploadedImageResponse(Struct):
    """The image is stored."""

    detail: Detail
    profile_image: Annotated[str, Meta(description="The URL of the image.", extra_json_schema=URI)]


class DeletionResponse(Struct):
    """The account is deleted, or will be."""

    detail: Detail
    deleted_at: Annotated[datetime, Meta(tz=True, description="The time of the deletion.")]


class SessionResponse(Struct):
    """An active session."""

    id: str
    created_at: Annotated[datetime, Meta(tz=True, description="The time of the login.")]
    refreshed_at: Annotated[datetime, Meta(tz=True, description="The time of its last token set.")]
    expires_at: Annotated[datetime, Meta(tz=True, description="The time when it expires unless a refresh comes before.")]
    address: Annotated[str | None, Meta(description="The IP address of the login; of IPv6 its /64 network.")]
    agent: Annotated[str | None, Meta(description="The user agent of the login.")]
    current: Annotated[bool, Meta(description="Whether it is the session of this call.")]


class SessionListResponse(Struct):
    """The newest first."""

    sessions: list[SessionResponse]


class RevocationsResponse(Struct):
    """Revoked sessions. Refuse the tokens of each; keep a set, for an id may come more than once."""

    sessions: Annotated[list[str], Meta(description="Ids, the claim `sid` of a token, the earliest revocation first.")]
    after: Annotated[str, Meta(description="The parameter `after` of the next call, which continues here.")]
    more: Annotated[bool, Meta(description="Whether the next call may be made at once, for more ids.")]
    seconds: Annotated[int, Meta(description="Seconds for which one of their tokens may still be valid.", examples=[330])]


class StatusResponse(Struct):
    """The service is available."""

    status: Annotated[str, Meta(examples=["ok"])]


class AsgiResponse:
    """A complete response. Litestar sends a result that is an ASGI app unchanged, which halves the cost of a call."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, status: int, content: Any, media_type: str = JSON, **headers: str) -> None:
        """`content` is bytes, or is encoded as JSON. In the headers' names `_` stands for `-`."""
        self._body = content if isinstance(content, bytes) else encode(content)
        self._status = status
        self._headers: list[tuple[bytes, bytes]] = []
        if status != HTTPStatus.NO_CONTENT:
            self._headers = [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(self._body))]
        self._headers.extend((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 — ASGI's names
        start: HTTPResponseStartEvent = {"type": "http.response.start", "status": self._status, "headers": self._headers}
        await send(start)
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


class AsgiPieces:
    """A response whose body is sent piece by piece, as it is made; its length is not known before."""

    def __init__(self, status: int, first: bytes, others: AsyncIterator[bytes], media_type: str, **headers: str) -> None:
        self._status = status
        self._first = first
        self._others = others
        self._headers = [(b"content-type", media_type.encode())]
        self._headers.extend((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 — ASGI's names
        start: HTTPResponseStartEvent = {"type": "http.response.start", "status": self._status, "headers": self._headers}
        await send(start)
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        async for piece in self._others:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def zip_file(pieces: AsyncIterator[bytes], name: str) -> AsgiPieces:
    """Returns a file to download. Its first piece is made before the status is sent: a fault by then is refused like any."""
    first = await anext(pieces)
    return AsgiPieces(200, first, pieces, ZIP, content_disposition=f'attachment; filename="{name}"')


NO_CONTENT = AsgiResponse(204, b"")


def account_response(status: int, account: Account, settings: Settings) -> AsgiResponse:
    return AsgiResponse(status, AccountResponse(**account_fields(account, settings)))


def token_response(status: int, tokens: TokenSet) -> AsgiResponse:
    return AsgiResponse(status, convert(tokens, TokenSetResponse, from_attributes=True))


def code_sent_response(sent: RequestedCode) -> AsgiResponse:
    return AsgiResponse(201, CodeSentResponse("A code is sent if this email or mobile can receive one.", sent.reference))
