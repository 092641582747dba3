"""The profile image."""

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath
from msgspec import Meta, Struct

from ...application import ImageTooLarge, InvalidInput
from .answers import Answer, ImageAnswer, image_url
from .authentication import authenticated
from .describing import Login, described
from .front import caller_of
from .given import Call, Threads, UseCases
from .problems import NotFound
from .uploads import read_file


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
async def upload_image(request: Call, vestibule: UseCases, lanes: Threads) -> Answer:
    identity = await authenticated(request, vestibule, lanes)
    with lanes.uploads:
        file = await read_file(request, "profile_image")
        account = await lanes.slow(vestibule.upload_image, identity=identity, profile_image=file, caller=caller_of(request))
    return Answer(201, ImageAnswer("The image is stored.", image_url(account, vestibule.settings) or ""))


@get(
    "/images/{name:str}",
    opt=described("Account", "Read a profile image", media_type="image/webp", refusals=(NotFound,)),
)
async def read_image(name: FromPath[str], vestibule: UseCases, lanes: Threads) -> Answer:
    picture = await lanes.reads(vestibule.read_image, name)
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
