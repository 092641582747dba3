"""The profile image."""

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath
from msgspec import Meta, Struct

from ....application import ImageTooLarge, InvalidInput
from ....application.ports import PresignedUrl
from ..authentication import authenticated
from ..dependencies import Call, Uploads, UseCases
from ..middleware.request_context import caller_of
from ..multipart import read_file
from ..operations import Login, described
from ..problems import NotFound
from ..responses import Answer, ImageAnswer, image_url

_MARGIN_SECONDS = 60
"""What a link must still be good for when a cache hands it out for the last time."""


class UploadBody(Struct):
    """A form with a file."""

    profile_image: Annotated[
        str,
        Meta(
            description="PNG, JPEG, WebP or GIF, at most 5 MiB and 16.8 megapixels.",
            extra_json_schema={"format": "binary"},
        ),
    ]


@post(
    "/upload-image",
    opt=described(
        "Account",
        "Set one's profile image",
        ImageAnswer,
        status=201,
        body=UploadBody,
        refusals=(InvalidInput, ImageTooLarge),
        login=Login.NEEDED,
    ),
)
async def upload_image(request: Call, vestibule: UseCases, uploads: Uploads) -> Answer:
    identity = await authenticated(request, vestibule)
    with uploads:
        file = await read_file(request, "profile_image")
        account = await vestibule.upload_image(identity=identity, profile_image=file, caller=caller_of(request))
    return Answer(201, ImageAnswer("The image is stored.", image_url(account, vestibule.settings) or ""))


@get(
    "/images/{name:str}",
    opt=described("Account", "Read a profile image", media_type="image/webp", refusals=(NotFound,), redirects=True),
)
async def read_image(name: FromPath[str], vestibule: UseCases) -> Answer:
    if vestibule.settings.images_redirect:
        link = await vestibule.get_image_url(name)
        if link is not None:
            return _sent_to(link)
    picture = await vestibule.read_image(name)
    if picture is None:
        raise NotFound
    return Answer(
        200,
        picture,
        "image/webp",
        cache_control="public, max-age=31536000, immutable",
        content_disposition='inline; filename="image.webp"',
        content_security_policy="default-src 'none'; sandbox",
        cross_origin_resource_policy="cross-origin",
    )


def _sent_to(link: PresignedUrl) -> Answer:
    return Answer(
        307,
        b"",
        "text/plain",
        location=link.url,
        cache_control=f"public, max-age={link.seconds - _MARGIN_SECONDS}",
        cross_origin_resource_policy="cross-origin",
    )
