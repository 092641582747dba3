"""Real servers with images on a real S3 server: through the service, by pre-signed URLs, and while S3 is down."""

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image
from tests.support.s3_server import S3Server
from tests.support.server import Server

PASSWORD = "the engine weaves algebra"
ADA = {"username": "ada", "name": "Ada", "email": "ada@mail.example.com", "password": PASSWORD}
UNKNOWN = "/images/" + "a" * 32 + ".webp"


@pytest.fixture
def bucket(s3_server: S3Server) -> str:
    name = f"images-{token_hex(8)}"
    s3_server.make(name)
    return name


@pytest.fixture
def own_s3() -> Iterator[S3Server]:
    """An S3 server that the test may kill."""
    with S3Server() as server:
        yield server


def image(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "PNG")
    return file.getvalue()


def client_of(server: Server) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=20)


def log_in(client: httpx.Client) -> None:
    """Logs Ada in, after a registration if needed."""
    assert client.post("/register/", json=ADA).status_code in {201, 400}
    answer = client.post("/login/", json={"username": "ada", "password": PASSWORD})
    assert answer.status_code == 200
    client.headers["Authorization"] = f"Bearer {answer.json()['token']}"


def upload(client: httpx.Client, data: bytes) -> httpx.Response:
    return client.post("/upload-image/", files={"profile_image": ("me.png", data)})


def uploaded(client: httpx.Client, colour: str) -> str:
    """Uploads an image of that colour; returns the path of its URL."""
    answer = upload(client, image(colour))
    assert answer.status_code == 201, answer.text
    return urlsplit(str(answer.json()["profile_image"])).path


def image_of(account: httpx.Response) -> str | None:
    url: str | None = account.json()["profile_image"]
    return url


def size_of(data: bytes) -> tuple[str | None, tuple[int, int]]:
    with Image.open(io.BytesIO(data)) as image:
        return image.format, image.size


def test_images_are_shared_by_nodes_and_replaced_ones_deleted(tmp_path: Path, s3_server: S3Server, bucket: str) -> None:
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(
                Server(tmp_path / name, environment=s3_server.environment(), images_url=f"s3://{bucket}/profile", workers="2")
            )
            for name in ("one", "other")
        )
        ada = stack.enter_context(client_of(one))
        log_in(ada)
        first = uploaded(ada, "teal")

        for server in (one, other):
            for _ in range(6):
                with client_of(server) as visitor:
                    answer = visitor.get(first)
                assert answer.status_code == 200
                assert size_of(answer.content) == ("WEBP", (64, 48))
                assert answer.headers["content-type"] == "image/webp"
                assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
                assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
                assert answer.headers["x-content-type-options"] == "nosniff"

        second = uploaded(ada, "orange")
        assert s3_server.names(bucket) == [second.replace("/images/", "profile/")]
        assert ada.get(first).status_code == ada.get(UNKNOWN).status_code == ada.get("/images/..%2Fx").status_code == 404
        assert ada.get(second).status_code == 200
        assert list((tmp_path / "one").glob("images/*")) == []
        assert f"Images are kept in    s3://{bucket}/profile" in one.output
        assert "s3cret" not in one.output


def test_image_url_redirects_to_s3_while_the_presigned_url_is_valid(tmp_path: Path, s3_server: S3Server, bucket: str) -> None:
    settings = {"images_url": f"s3://{bucket}", "images_redirect": "on"}
    with Server(tmp_path / "data", environment=s3_server.environment(), **settings) as server, client_of(server) as ada:
        log_in(ada)
        sent = ada.get(uploaded(ada, "teal"))

        assert (sent.status_code, sent.content) == (307, b"")
        target = httpx.URL(sent.headers["location"])
        assert (target.host, target.port) == ("127.0.0.1", s3_server.port)
        assert sent.headers["cache-control"] == "public, max-age=240"
        assert int(target.params["X-Amz-Expires"]) == 300

        with httpx.Client(trust_env=False) as visitor:
            answer = visitor.get(target)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert size_of(answer.content) == ("WEBP", (64, 48))
            assert visitor.get(ada.get(UNKNOWN).headers["location"]).status_code == 404

        assert ada.get("/images/none.webp").status_code == 404


def test_s3_that_is_down_at_start_is_logged_and_used_when_it_returns(tmp_path: Path, own_s3: S3Server) -> None:
    own_s3.kill()
    settings = {"images_url": "s3://images"}
    with Server(tmp_path / "data", environment=own_s3.environment(), **settings) as server, client_of(server) as ada:
        log_in(ada)
        assert "s3://images is unavailable (Connect" in output_with(server, "is unavailable")

        refused = upload(ada, image("teal"))
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:vestibule:problem:unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert ada.get(UNKNOWN).status_code == 503
        assert image_of(ada.get("/account/")) is None

        own_s3.start()
        assert upload(ada, image("teal")).status_code == 503, "the bucket does not exist yet"
        own_s3.make("images")
        before = uploaded(ada, "teal")
        assert "s3://images is available again" in output_with(server, "available again")

        own_s3.kill()
        assert ada.get(before).status_code == 503
        assert upload(ada, image("orange")).status_code == 503
        assert (image_of(ada.get("/account/")) or "").endswith(before), "nothing was changed"
        assert "Traceback" not in server.output
        assert server.stop() == 0


def test_hanging_s3_delays_only_images(tmp_path: Path, own_s3: S3Server) -> None:
    own_s3.make("images")
    settings = {"images_url": "s3://images", "rate_limits": "off"}
    with Server(tmp_path / "data", environment=own_s3.environment(), **settings) as server, client_of(server) as ada:
        log_in(ada)
        path = uploaded(ada, "teal")
        own_s3.freeze()
        try:
            with ThreadPoolExecutor(80) as pool:
                reads = [pool.submit(ada.get, path) for _ in range(40)]
                uploads = [pool.submit(upload, ada, image("teal")) for _ in range(30)]
                time.sleep(1)
                for _ in range(5):
                    begun = time.monotonic()
                    log_in(ada)
                    assert ada.get("/account/").status_code == ada.get("/readyz").status_code == 200
                    assert time.monotonic() - begun < 2
                assert {answer.result().status_code for answer in reads + uploads} == {503}
        finally:
            own_s3.resume()
        assert ada.get(path).status_code == 200
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("settings", "environment", "line"),
    [
        ({"images_url": "s3://Images/x"}, {}, "VESTIBULE_IMAGES_URL: must be s3://bucket or s3://bucket/prefix"),
        (
            {"images_url": "s3://images"},
            {"AWS_ENDPOINT_URL": "https://id:s3cret@host"},
            "VESTIBULE_IMAGES_URL: AWS_ENDPOINT_URL must be http:// or https:// and a host",
        ),
        (
            {"images_url": "s3://images"},
            {"AWS_SECRET_ACCESS_KEY": "s3cret"},
            "VESTIBULE_IMAGES_URL: the AWS_ variables cannot be used .Missing AccessKeyId",
        ),
        ({"images_redirect": "on"}, {}, "VESTIBULE_IMAGES_REDIRECT: clients can be redirected only if"),
    ],
)
def test_impossible_s3_setting_stops_the_start_in_one_line(
    tmp_path: Path, settings: dict[str, str], environment: dict[str, str], line: str
) -> None:
    with pytest.raises(RuntimeError, match=line) as refusal, Server(tmp_path / "data", environment=environment, **settings):
        pass
    assert "s3cret" not in str(refusal.value)
    assert "Traceback" not in str(refusal.value)


def output_with(server: Server, words: str) -> str:
    """Waits until the words are in the output; returns the output."""
    deadline = time.monotonic() + 10
    while words not in server.output and time.monotonic() < deadline:
        time.sleep(0.02)
    return server.output
