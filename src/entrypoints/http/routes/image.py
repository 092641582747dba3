"""Uploads and serves profile images."""

from typing import Annotated

from litestar import delete, get, post
from litestar.params import FromPath
from msgspec import Meta, Struct

from ....application.ports import PresignedUrl
from ....domain import errors
from ...account_response import image_url
from ...concurrency.shares import UploadPlaces
from ..authentication import authenticate
from ..dependencies import HttpRequest, Uploads, caller_of, use_cases
from ..multipart import read_file
from ..openapi import Auth, Operation
from ..problems import NotFound
from ..responses import NO_CONTENT, AsgiResponse, UploadedImageResponse

_MARGIN_SECONDS = 60
"""Time that a URL must still be valid when a cache returns it for the last time."""


class UploadBody(Struct):
    """A form with a file."""

    profile_image: Annotated[
        str,
        Meta(
            description="PNG, JPEG, WebP, GIF, HEIC or AVIF, at most 5 MiB and 50 megapixels.",
            extra_json_schema={"format": "binary"},
        ),
    ]


@post(
    "/upload-image",
    operation=Operation(
        "Account",
        "Set the caller's profile image",
        (UploadedImageResponse,),
        status=201,
        body=UploadBody,
        body_type="multipart/form-data",
        refusals=(errors.InvalidInput, errors.ImageTooLarge),
        auth=Auth.REQUIRED,
    ),
)
async def upload_image(request: HttpRequest, uploads: Uploads) -> AsgiResponse:
    return AsgiResponse(201, UploadedImageResponse("The image is stored.", await store_image(request, uploads)))


async def store_image(request: HttpRequest, uploads: UploadPlaces) -> str:
    """Stores the file of the body as the image of the caller's account, and returns its URL."""
    vestibule = use_cases(request)
    identity = await authenticate(request)
    caller = caller_of(request)
    with uploads.one(identity.account.id, caller.ip_address):
        file = await read_file(request, "profile_image")
        account = await vestibule.upload_image(identity=identity, profile_image=file, caller=caller)
    return image_url(account, vestibule.settings) or ""


@delete(
    "/upload-image",
    operation=Operation("Account", "Remove the caller's profile image", status=204, auth=Auth.REQUIRED),
    status_code=200,  # Litestar's own check: the response below is sent as it is
)
async def remove_image(request: HttpRequest) -> AsgiResponse:
    identity = await authenticate(request)
    await use_cases(request).remove_image(identity=identity, caller=caller_of(request))
    return NO_CONTENT


@get(
    "/images/{name:str}",
    operation=Operation("Account", "Read a profile image", media_type="image/webp", refusals=(NotFound,), redirects=True),
)
async def read_image(request: HttpRequest, name: FromPath[str]) -> AsgiResponse:
    vestibule = use_cases(request)
    if vestibule.settings.images_redirect:
        url = await vestibule.get_image_url(name)
        if url is not None:
            return _redirect(url)
    image = await vestibule.read_image(name)
    if image is None:
        raise NotFound
    return AsgiResponse(
        200,
        image,
        "image/webp",
        cache_control="public, max-age=31536000, immutable",
        content_disposition='inline; filename="image.webp"',
        content_security_policy="default-src 'none'; sandbox",
        cross_origin_resource_policy="cross-origin",
    )


def _redirect(url: PresignedUrl) -> AsgiResponse:
    return AsgiResponse(
        307,
        b"",
        "text/plain",
        location=url.url,
        cache_control=f"public, max-age={url.seconds - _MARGIN_SECONDS}",
        cross_origin_resource_policy="cross-origin",
    )
