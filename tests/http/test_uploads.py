"""Profile images over HTTP: accepted and refused uploads, and the response that serves them."""

import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.http.conftest import ADA, URN, AppClient, OpenClient, RawResponse, call_asgi
from tests.support.odd_images import Odd, no_images, odd_images
from tests.support.world import PASSWORD, PNG, World

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


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "AVIF", "HEIF"])
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
    [b"just text", SVG, image_file("PNG")[:40], bomb(), b"\x89PNG\r\n\x1a\n", b"GIF89a", b"%PDF-1.7", b"\0" * 1000],
    ids=["text", "svg", "truncated", "bomb", "head only", "gif head only", "pdf", "zeros"],
)
def test_file_that_is_no_image_is_400(data: bytes, open_client: OpenClient, pillow: PillowImages) -> None:
    client = open_client(images=pillow)
    token = client.token()
    answer = upload(client, token, data)
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"profile_image"})
    assert client.call("GET", "/account/", token=token).json()["profile_image"] is None


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(odd=odd_images())
def test_image_that_browsers_show_is_201(odd: Odd, image_uploader: "Uploader") -> None:
    assert image_uploader.upload_file(odd.data).status == 201, odd.description


@settings(max_examples=30, deadline=None)
@given(data=no_images())
def test_file_that_no_browser_shows_is_400(data: bytes, image_uploader: "Uploader") -> None:
    assert image_uploader.upload_file(data).status == 400


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
        {"profile_image": (None, b"")},
        {"profile_image": ("me.png", b"", "image/png")},
        {"other": ("me.png", PNG, "image/png")},
        {"Profile_Image": ("me.png", PNG, "image/png")},
    ],
    ids=["an empty field", "an empty file", "another part", "another case"],
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


class Form(NamedTuple):
    """A form as a client writes it, and how its body is cut into chunks."""

    content_type: bytes
    body: bytes
    chunk_size: int


DISPOSITIONS = [
    b'form-data; name="profile_image"; filename="me.jpg"',
    b'form-data; name="profile_image"; filename="gr\xf6\xdfe.jpg"',
    'form-data; name="profile_image"; filename="größe 😀.jpg"'.encode(),
    b'form-data; name="profile_image"; filename="\x83e\x83X\x83g.jpg"',
    b"form-data; name=\"profile_image\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.jpg",
    b'form-data; name="profile_image"; filename="groesse.jpg"; filename*=utf-8\'de\'gr%c3%b6%c3%9fe.jpg',
    b'form-data; name="profile_image"; filename="100%25 %22me%22%0D%0A.jpg"',
    b'form-data; name="profile_image"; filename="a \\"quoted\\" name.jpg"',
    b'form-data; name="profile_image"; filename="an "unescaped" name.jpg"',
    b'form-data; name="profile_image"; filename="C:\\fakepath\\me.jpg"',
    b'form-data; name="profile_image"; filename="ends in \\\\"',
    b'form-data; name="profile_image"; filename="a; name=other; b=c"',
    b'form-data; filename="me.jpg"; name="profile_image"',
    b'form-data; name="profile_image"; filename=""',
    b'form-data; name="profile_image"',
    b"form-data; name=profile_image; filename=me.jpg",
    b'Form-Data;name="profile_image";FileName="me.jpg"',
    b'form-data;  name = "profile_image" ; filename = "me.jpg"',
    b'form-data;\r\n name="profile_image";\r\n\tfilename="me.jpg"',
    b'form-data; name="profile_image"; filename="' + b"long" * 250 + b'.jpg"; size=12; creation-date="Tue, 1 Dec 2026"',
]
"""As browsers, curl, requests, OkHttp, URLSession, Apache HttpClient, old mail libraries and old browsers write them."""

BOUNDARIES = [
    b"x",
    b"----WebKitFormBoundary7MA4YWxkTrZu0gW",
    b"---------------------------735323031399963166993862150",
    b"Boundary+0xAbCdEf0123456789",
    b"Boundary-5E8FEA2D-6F58-4F29-9A3F-0E6B5E6B0C3F",
    b"----=_Part_3_1573410287.1764612345",
    b"=-(abc)'d+e_f,g./:=?",
    b"x" * 70,
]


@st.composite
def forms(draw: st.DrawFn) -> Form:
    """Draws a form with `PNG` as the image."""
    boundary = draw(st.sampled_from(BOUNDARIES))
    head = [(b"Content-Disposition", draw(st.sampled_from(DISPOSITIONS)))]
    if kind := draw(
        st.sampled_from([b"", b"image/jpg", b"application/octet-stream", b"image/heic; charset=x", b"text/plain", b"*/*"])
    ):
        head.append((b"Content-Type", kind))
    if encoding := draw(st.sampled_from([b"", b"binary", b"8bit"])):
        head.append((b"Content-Transfer-Encoding", encoding))
    if draw(st.booleans()):
        head.append((b"Content-Length", b"%d" % len(PNG)))
    if draw(st.booleans()):
        head.extend((b"X-Custom-%d" % number, b"\xe9 v\xc3\xa4lue") for number in range(draw(st.integers(1, 8))))
    head = draw(st.permutations(head))
    cases: list[Callable[[bytes], bytes]] = [bytes, bytes.lower, bytes.upper]
    case = draw(st.sampled_from(cases))
    gap = draw(st.sampled_from([b": ", b":", b":   ", b":\t"]))
    image = b"".join(case(name) + gap + value + b"\r\n" for name, value in head) + b"\r\n" + PNG
    text = (
        b'Content-Disposition: form-data; name="'
        + draw(st.sampled_from([b"caption", b"", b"n\xe4me", b"profile-image"]))
        + b'"\r\n\r\n'
    )
    others = st.lists(st.sampled_from([text, text + b"text", text + b"--" + boundary[:-1] + b"\r\n-- x"]), max_size=3)
    parts = [*draw(others), image, *draw(others)]
    preamble = draw(st.sampled_from([b"", b"\r\n", b"This is a multipart message.\r\n"]))
    epilogue = draw(st.sampled_from([b"\r\n", b"", b"\r\nThe end.\r\n", b"\r\n\r\n", b"\n"]))
    body = (
        preamble + b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--" + epilogue
    )
    quoted = draw(st.booleans())
    written = b'"' + boundary + b'"' if quoted else boundary
    form = draw(
        st.sampled_from(
            [
                b"multipart/form-data; boundary=%s",
                b"Multipart/Form-Data;BOUNDARY=%s",
                b"multipart/form-data; charset=utf-8; boundary=%s",
                b"multipart/form-data ; boundary=%s ; charset=UTF-8" if quoted else b"multipart/form-data;  boundary=%s",
            ]
        )
    )
    return Form(form % written, body, draw(st.sampled_from([1, 7, 64, 1 << 16])))


class Uploader:
    """Uploads forms to the account of Ada, one after the other, without limits."""

    def __init__(self, **adapters: Any) -> None:
        self.world = World(rate_limits=False, **adapters)
        self._app = create_app(self.world)
        self._account = self.world.create_account("ada")
        self._token = self.world.log_in(username="ada", password=PASSWORD).access_token

    def upload(self, form: Form) -> RawResponse:
        headers = [(b"authorization", f"Bearer {self._token}".encode()), (b"content-type", form.content_type)]
        chunks = [form.body[at : at + form.chunk_size] for at in range(0, len(form.body), form.chunk_size)]
        return call_asgi(self._app, "POST", "/upload-image/", chunks, headers=headers)

    def upload_file(self, data: bytes) -> RawResponse:
        return self.upload(Form(FORM[1], HEAD + data + b"\r\n--x--\r\n", 1 << 16))

    def stored(self) -> bytes | None:
        return self.world.read_image(self.world.now(self._account).image or "")


@pytest.fixture(scope="module")
def uploader() -> Uploader:
    return Uploader()


@pytest.fixture(scope="module")
def image_uploader(pillow: PillowImages) -> Uploader:
    return Uploader(images=pillow)


@settings(max_examples=150, deadline=None)
@given(form=forms())
def test_form_of_any_client_is_accepted(form: Form, uploader: Uploader) -> None:
    answer = uploader.upload(form)
    assert (answer.status, uploader.stored()) == (201, PNG), answer.body


@pytest.mark.parametrize("disposition", DISPOSITIONS, ids=range(len(DISPOSITIONS)))
def test_file_name_in_any_charset_or_none_is_accepted(disposition: bytes, uploader: Uploader) -> None:
    body = b"--x\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + PNG + b"\r\n--x--\r\n"
    assert uploader.upload(Form(FORM[1], body, len(body))).status == 201


def test_empty_chunk_does_not_end_the_form(client: AppClient) -> None:
    headers = [(b"authorization", f"Bearer {client.token()}".encode()), FORM]
    assert call_asgi(_app(client), "POST", "/upload-image/", [HEAD, b"", PNG, b"\r\n--x--\r\n"], headers=headers).status == 201


@settings(max_examples=100, deadline=None)
@given(
    content_type=st.sampled_from(
        [FORM[1], b"multipart/form-data; boundary*=utf-8''%e2%82%ac", b'multipart/form-data; boundary="x']
    )
    | st.binary(max_size=20).map(lambda value: b"multipart/form-data; boundary=" + value),
    parts=st.lists(
        st.sampled_from([HEAD, OTHER, b"--x", b"\r\n", b"\n", b"--", b"a: b", PNG, b"\r\n\r\n"]) | st.binary(max_size=20)
    ),
)
def test_any_bytes_as_a_form_are_accepted_or_rejected(content_type: bytes, parts: list[bytes], uploader: Uploader) -> None:
    assert uploader.upload(Form(content_type, b"".join(parts), 16)).status in {201, 400, 413, 415}


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
    assert (raw.status, json.loads(raw.body)["type"]) == (413, f"{URN}image-too-large")
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


class TestPace:
    """Uploads of which a chunk arrives every so many seconds."""

    @pytest.mark.parametrize(
        ("chunks", "size", "seconds_between", "status"),
        [
            (60, 61_000, 0.5, 201),  # 3.6 MB at 1 Mbit/s
            (300, 17_000, 1, 201),
            (20, 200_000, 11, 201),
            (300, 15_000, 1, 408),
            (300, 1, 1, 408),
            (20, 200_000, 16, 408),
        ],
        ids=["1 Mbit/s", "17 KB/s", "with pauses", "15 KB/s", "drops", "with long pauses"],
    )
    def test_upload_may_take_as_long_as_it_makes_progress(
        self, chunks: int, size: int, seconds_between: float, status: int, client: AppClient
    ) -> None:
        headers = [(b"authorization", f"Bearer {client.token()}".encode()), FORM]
        parts = [HEAD + PNG, *[bytes(size)] * chunks, b"\r\n--x--\r\n"]
        raw = call_asgi(_app(client), "POST", "/upload-image/", parts, headers=headers, seconds_between=seconds_between)
        assert (raw.status, b"body-too-slow" in raw.body) == (status, status == 408)
        assert raw.chunks_received == len(parts) or status == 408

    def test_upload_that_stops_after_much_is_408(self, client: AppClient) -> None:
        """Bytes that came before extend no pause: at 16 KiB a second, this megabyte would be a minute."""
        headers = [(b"authorization", f"Bearer {client.token()}".encode()), FORM]
        parts = [HEAD + PNG + bytes(1 << 20), b"a", b"a", b"a", b"\r\n--x--\r\n"]
        raw = call_asgi(_app(client), "POST", "/upload-image/", parts, headers=headers, seconds_between=14)
        assert (raw.status, b"body-too-slow" in raw.body) == (408, True)


def _app(client: AppClient) -> Any:
    return create_app(client.world)
