"""What is answered: the shapes of the JSON, and the plain ASGI answer that carries it."""

from datetime import datetime
from typing import Annotated, Any

from litestar.types import HTTPResponseStartEvent, Receive, Scope, Send
from msgspec import Meta, Struct, convert
from msgspec.json import encode

from ...application import Account, CodeSent, TokenSet
from ..settings import Settings

JSON = "application/json"

Detail = Annotated[str, Meta(description="What happened, for people.", examples=["A code is on its way."])]


class AccountAnswer(Struct):
    """An account, as its holder sees it."""

    id: int
    username: Annotated[str, Meta(description="As it was written.")]
    name: str
    email: str | None
    mobile: Annotated[str | None, Meta(description="As it was written; null where there is none.")]
    is_superuser: Annotated[bool, Meta(description="Implies `is_staff`.")]
    is_staff: bool
    profile_image: Annotated[str | None, Meta(description="The URL of the picture; null where there is none.")]


class TokenAnswer(Struct):
    """A token set."""

    token: Annotated[str, Meta(description="The access token, a JWT: `Authorization: Bearer <token>`.")]
    refresh_token: Annotated[str, Meta(description="Good for one call of `/refresh-token/`.")]
    session: Annotated[str, Meta(description="The id of the session that both belong to.")]
    token_type: Annotated[str, Meta(examples=["Bearer"])]
    expires_in: Annotated[int, Meta(description="Seconds that the access token is good for.", examples=[300])]


class SentAnswer(Struct):
    """A code is on its way, if the destination is one that gets it."""

    detail: Detail
    reference: Annotated[str, Meta(description="A short tag that the message repeats.", examples=["7K3D"])]


class ProvenAnswer(Struct):
    """The address is proven."""

    detail: Detail
    proof: Annotated[str, Meta(description="A registration within the hour may carry this in `proofs`.")]


class DetailAnswer(Struct):
    """It is done."""

    detail: Detail


class UniqueAnswer(Struct):
    """Whether a registration would find it free."""

    unique: bool


class ImageAnswer(Struct):
    """The picture is stored."""

    detail: Detail
    profile_image: Annotated[str, Meta(description="The URL of the picture.")]


class SessionAnswer(Struct):
    """A sign-in that is still good."""

    id: str
    created_at: datetime
    refreshed_at: Annotated[datetime, Meta(description="When its last token set was made.")]
    expires_at: Annotated[datetime, Meta(description="When it ends unless it is refreshed before.")]
    address: Annotated[str | None, Meta(description="The network address that began it.")]
    agent: Annotated[str | None, Meta(description="The user agent that began it.")]
    current: Annotated[bool, Meta(description="Whether it is the one that asks.")]


class SessionsAnswer(Struct):
    """The newest first."""

    sessions: list[SessionAnswer]


class RevocationsAnswer(Struct):
    """Sessions that were ended. Refuse the tokens of each; keep a set, for some are told more than once."""

    sessions: Annotated[list[str], Meta(description="Ids, as `sid` in a token has them, the earliest end first.")]
    after: Annotated[str, Meta(description="Ask with this next time, to be told what follows.")]
    more: Annotated[bool, Meta(description="Whether there is more to ask for at once.")]
    seconds: Annotated[int, Meta(description="How long a token of these may be good for yet.", examples=[330])]


class StatusAnswer(Struct):
    """The service is well."""

    status: Annotated[str, Meta(examples=["ok"])]


class Answer:
    """An answer that is ready: Litestar sends what is an ASGI app itself as it is, which halves the cost of a call."""

    __slots__ = ("_body", "_fields", "_status")

    def __init__(self, status: int, content: Any, media_type: str = JSON, **headers: str) -> None:
        """`content` is bytes, or what becomes JSON. In the headers' names `_` stands for `-`."""
        self._body = content if isinstance(content, bytes) else encode(content)
        self._status = status
        self._fields = [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(self._body))]
        self._fields.extend((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 — ASGI's names
        start: HTTPResponseStartEvent = {"type": "http.response.start", "status": self._status, "headers": self._fields}
        await send(start)
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


def account_answer(status: int, account: Account, settings: Settings) -> Answer:
    shown = AccountAnswer(
        id=account.id,
        username=account.username.text,
        name=account.name,
        email=account.email.text if account.email else None,
        mobile=account.mobile.text if account.mobile else None,
        is_superuser=account.is_superuser,
        is_staff=account.is_staff,
        profile_image=image_url(account, settings),
    )
    return Answer(status, shown)


def image_url(account: Account, settings: Settings) -> str | None:
    return f"{settings.url}{settings.api_prefix}/images/{account.image}" if account.image else None


def token_answer(status: int, tokens: TokenSet) -> Answer:
    return Answer(status, convert(tokens, TokenAnswer, from_attributes=True))


def sent_answer(sent: CodeSent) -> Answer:
    return Answer(201, SentAnswer("If it can be reached, a code is on its way.", sent.reference))
