"""Profile images over HTTP: accepted and refused uploads, and the response that serves them."""

import io
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image
from tests.http.conftest import ADA, URN, AppClient, OpenClient, call_asgi
from tests.support.world import PNG

from vestibule.adapters.images import PillowImages
from vestibule.entrypoints.http import create_app

LIMIT = 5 * 1024 * 1024
HEAD = b'--x\r\ncontent-disposition: form-data; name="profile_image"; filename="a"\r\n\r\n'
OTHER = b'--x\r\ncontent-disposition: form-data; name="other"\r\n\r\n'
FORM = (b"content-type", b"multipart/form-data; boundary=x")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def image_file(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, kind)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG of a few hundred bytes whose header claims 900 megapixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def upload(client: AppClient, token: str, data: bytes, name: str = "me.png", kind: str = "image/png", **more: Any) -> Any:
    return client.call("POST", "/upload-image/", token=token, files={"profile_image": (name, data, kind)}, **more)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_image_is_read_by_content_and_served_as_webp(kind: str, open_client: OpenClient, pillow: PillowImages) -> None:
    client = open_client(images=pillow, public_url="https://accounts.example.org", api_prefix="/api/user")
    assert client.post("/api/user/register/", ADA).status_code == 201
    token = client.post("/api/user/login/", {"username": "ada", "password": ADA["password"]}).json()["token"]
    files = {"profile_image": ("../../notes.txt", image_file(kind), "text/plain")}
    answer = client.call("POST", "/api/user/upload-image/", token=token, files=files)
    assert answer.status_code == 201, answer.text
    url = answer.json()["profile_image"]
    assert url.startswith("https://accounts.example.org/api/user/images/")
    assert client.call("GET", "/api/user/account/", token=token).json()["profile_image"] == url
    served = client.call("GET", url.removeprefix("https://accounts.example.org"))
    assert served.status_code == 200
    assert {name: served.headers[name] for name in EXPECTED} == EXPECTED
    with Image.open(io.BytesIO(served.content)) as stored:
        assert (stored.format, stored.size) == ("WEBP", (64, 48))


EXPECTED = {
    "content-type": "image/webp",
    "cache-control": "public, max-age=31536000, immutable",
    "content-security-policy": "default-src 'none'; sandbox",
    "content-disposition": 'inline; filename="image.webp"',
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
}


@pytest.mark.parametrize(
    "data",
    [b"just text", SVG, image_file("PNG")[:60], bomb(), b"\x89PNG\r\n\x1a\n", b"GIF89a", b"%PDF-1.7", b"\0" * 1000],
    ids=["text", "svg", "truncated", "bomb", "head only", "gif head only", "pdf", "zeros"],
)
def test_file_that_is_no_image_is_400(data: bytes, open_client: OpenClient, pillow: PillowImages) -> None:
    client = open_client(images=pillow)
    token = client.token()
    answer = upload(client, token, data)
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"profile_image"})
    assert client.call("GET", "/account/", token=token).json()["profile_image"] is None


def test_replaced_image_is_deleted(client: AppClient) -> None:
    token = client.token()
    old, new = (
        upload(client, token, PNG + tail).json()["profile_image"].removeprefix("http://127.0.0.1:8000") for tail in (b"1", b"2")
    )
    assert client.call("GET", old).status_code == 404
    assert client.call("GET", new).content == PNG + b"2"


@pytest.mark.parametrize("name", ["none.webp", "..%2f..%2fvestibule.db", "%00", "a" * 300, "%2e%2e", "é.webp"])
def test_unknown_image_name_is_404(name: str, client: AppClient) -> None:
    answer = client.call("GET", f"/images/{name}")
    assert (answer.status_code, answer.json()["type"]) == (404, f"{URN}not-found")


@pytest.mark.parametrize(
    "files",
    [
        {"profile_image": (None, PNG)},
        {"profile_image": ("me.png", b"", "image/png")},
        {"other": ("me.png", PNG, "image/png")},
        {"Profile_Image": ("me.png", PNG, "image/png")},
    ],
    ids=["a text part", "an empty file", "another part", "another case"],
)
def test_missing_file_is_named(files: Any, client: AppClient) -> None:
    answer = client.call("POST", "/upload-image/", token=client.token(), files=files)
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"profile_image"})


@pytest.mark.parametrize(
    "content_type",
    [None, "application/json", "image/png", "multipart/mixed; boundary=x", "application/x-www-form-urlencoded", "text/plain"],
)
def test_other_content_type_than_form_data_is_415(content_type: str | None, client: AppClient) -> None:
    headers = [(b"authorization", f"Bearer {client.token()}".encode())]
    headers += [(b"content-type", content_type.encode())] if content_type else []
    raw = call_asgi(_app(client), "POST", "/upload-image/", [b"{}"], headers=headers)
    assert (raw.status, b"unsupported-media-type" in raw.body) == (415, True)


def test_form_with_content_encoding_is_415(client: AppClient) -> None:
    assert upload(client, client.token(), PNG, headers={"Content-Encoding": "gzip"}).status_code == 415


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"no boundary in here"),
        ("multipart/form-data; boundary=x", b"--x\r\nno colon\r\n\r\n\r\n--x--"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\ncontent-disposition: form-data; name="profile_image"; filename="a"\r\n\r\nbroke of',
        ),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nno disposition\r\n--x--"),
        ("multipart/form-data; boundary=x", b'--x\r\ncontent-disposition: form-data; name="\xff"\r\n\r\n\r\n--x--'),
        ("multipart/form-data; boundary=\xe9", b"--\xe9--"),
    ],
)
def test_malformed_form_is_400(content_type: str, body: bytes, client: AppClient) -> None:
    headers = [(b"authorization", f"Bearer {client.token()}".encode()), (b"content-type", content_type.encode("latin-1"))]
    assert call_asgi(_app(client), "POST", "/upload-image/", [body], headers=headers).status == 400


def test_more_than_8_parts_are_413(client: AppClient) -> None:
    token = client.token()
    for others, status in ((7, 201), (8, 413)):
        files = [("other", (None, "text"))] * others + [("profile_image", ("me.png", PNG, "image/png"))]
        assert client.call("POST", "/upload-image/", token=token, files=files).status_code == status


def test_file_of_5_mib_is_the_largest_accepted(client: AppClient) -> None:
    token = client.token()
    assert upload(client, token, PNG.ljust(LIMIT, b"\0")).status_code == 201
    answer = upload(client, token, PNG.ljust(LIMIT + 1, b"\0"))
    assert (answer.status_code, answer.json()["type"]) == (413, f"{URN}image-too-large")


@pytest.mark.parametrize("head", [HEAD, OTHER], ids=["in the file", "in another part"])
def test_large_form_is_413_with_or_without_length(head: bytes, client: AppClient) -> None:
    headers = [(b"authorization", f"Bearer {client.token()}".encode()), FORM]
    chunks = [head, *[b"a" * 65_536] * 160]
    raw = call_asgi(_app(client), "POST", "/upload-image/", chunks, headers=headers)
    assert raw.status == 413
    assert raw.chunks_received < 85
    announced = call_asgi(_app(client), "POST", "/upload-image/", chunks, headers=[*headers, (b"content-length", b"10485839")])
    assert (announced.status, announced.chunks_received) == (413, 0)


def test_second_upload_of_an_account_is_429_until_the_first_one_ends(client: AppClient) -> None:
    """A client that sends half an upload, and another one meanwhile."""
    ada = [(b"authorization", f"Bearer {client.token()}".encode()), FORM]
    client.world.create_account("bob")
    bob = [(b"authorization", f"Bearer {client.tokens('bob')['token']}".encode()), FORM]
    app = _app(client)
    form = [HEAD + PNG + b"\r\n--x--\r\n"]
    statuses = []

    def others(chunk: bytes) -> bytes:
        """Returns the chunk after further uploads."""
        for headers in (ada, bob):
            raw = call_in_thread(app, form, headers)
            statuses.append((raw.status, dict(raw.headers).get(b"retry-after")))
        return chunk

    class HalfSent(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            yield form[0][:20]
            yield others(form[0][20:])

    assert call_asgi(app, "POST", "/upload-image/", HalfSent(), headers=ada).status == 201
    assert statuses == [(429, b"5"), (201, None)]
    assert call_asgi(app, "POST", "/upload-image/", form, headers=ada).status == 201


def call_in_thread(app: Any, form: list[bytes], headers: list[tuple[bytes, bytes]]) -> Any:
    """Makes a call in an event loop of its own, while this thread makes another one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call_asgi, app, "POST", "/upload-image/", form, headers=headers).result()


def test_request_without_token_is_refused_before_the_form_is_read(client: AppClient) -> None:
    raw = call_asgi(_app(client), "POST", "/upload-image/", [HEAD, PNG], headers=[FORM])
    assert (raw.status, raw.chunks_received) == (401, 0)


def test_file_in_single_byte_chunks_is_complete(client: AppClient) -> None:
    headers = [(b"authorization", f"Bearer {client.token()}".encode()), FORM]
    body = HEAD + PNG + b"\r\n--x--\r\n"
    raw = call_asgi(_app(client), "POST", "/upload-image/", [bytes([byte]) for byte in body], headers=headers)
    assert raw.status == 201
    stored = client.world.database.accounts.get(1)
    assert stored is not None
    assert client.world.read_image(stored.image or "") == PNG


def _app(client: AppClient) -> Any:
    return create_app(client.world)
