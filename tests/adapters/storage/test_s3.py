"""Promises of S3 beyond the port, shown with a real server over HTTP; the contract is in `test_contract`."""

import json
import logging
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.redis_server import FakeServer
from tests.support.s3_server import ANY_CREDENTIALS, S3Server, set_environment

from vestibule.adapters.storage import S3Storage
from vestibule.application.ports import PresignedUrl
from vestibule.domain.errors import Unavailable

OPERATING = Path(__file__).parents[3] / "docs" / "operating.md"
UNKNOWN = "a" * 32 + ".webp"
IMAGE = bytes(range(256)) * 300


@pytest.fixture
def own_server() -> Iterator[S3Server]:
    """A server that a test may kill."""
    with S3Server() as server:
        yield server


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket; the environment of this process leads to it."""
    set_environment(s3_server.environment(), monkeypatch)
    name = f"images-{token_hex(8)}"
    s3_server.make(name)
    return name


@pytest.fixture
def storage(bucket: str) -> S3Storage:
    return S3Storage(f"s3://{bucket}/a/prefix")


def calls_of(storage: S3Storage) -> list[Callable[[], object]]:
    return [
        lambda: storage.put(IMAGE),
        lambda: storage.get(UNKNOWN),
        lambda: storage.delete(UNKNOWN),
        lambda: list(storage.names(older_than=0)),
    ]


def errors_of(storage: S3Storage) -> list[type | None]:
    """Returns the exception of each call."""
    return [error_of(call) for call in calls_of(storage)]


def error_of(call: Callable[[], object]) -> type | None:
    error: Unavailable | None = None
    try:
        call()
    except Unavailable as unavailable:
        error = unavailable
    if error is None:
        return None
    assert (error.__cause__, error.__context__) == (None, None), "the error of obstore repeats the signed request"
    return type(error)


DOWN = [Unavailable] * 4
UP = [None] * 4


def fetched(url: str) -> tuple[HTTPResponse, bytes]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


class TestObjects:
    def test_images_are_the_only_objects_under_the_prefix(self, s3_server: S3Server, bucket: str, storage: S3Storage) -> None:
        name = storage.put(IMAGE)
        assert s3_server.names(bucket) == [f"a/prefix/{name}"]
        storage.delete(name)
        assert s3_server.names(bucket) == []

    @pytest.mark.parametrize("ending", ["", "/"])
    def test_images_without_a_prefix_are_at_the_top(self, s3_server: S3Server, bucket: str, ending: str) -> None:
        name = S3Storage(f"s3://{bucket}{ending}").put(IMAGE)
        assert s3_server.names(bucket) == [name]

    def test_same_bucket_and_prefix_share_images(self, bucket: str) -> None:
        first, second, elsewhere = (S3Storage(f"s3://{bucket}/{prefix}") for prefix in ("here", "here/", "there"))
        name = first.put(IMAGE)
        assert (second.get(name), elsewhere.get(name)) == (IMAGE, None)
        elsewhere.delete(name)
        assert first.get(name) == IMAGE
        second.delete(name)
        assert first.get(name) is None

    def test_names_reads_every_page_and_lists_only_images(
        self, bucket: str, storage: S3Storage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("vestibule.adapters.storage.s3._PAGE_SIZE", 10)
        S3Storage(f"s3://{bucket}/a/prefix/deeper").put(IMAGE)
        S3Storage(f"s3://{bucket}/a").put(IMAGE)
        put = {storage.put(IMAGE) for _ in range(25)}
        names = list(storage.names(older_than=0))
        assert (len(names), set(names)) == (25, put)

    def test_large_image_is_one_object(self, s3_server: S3Server, bucket: str, storage: S3Storage) -> None:
        large = IMAGE * 150
        assert storage.get(storage.put(large)) == large
        assert len(s3_server.names(bucket)) == 1

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
    @given(st.one_of(st.text(), st.from_regex(r"[a-z2-7]{30,33}\.webp.?", fullmatch=True)))
    def test_any_unknown_name_is_absent_from_s3(self, storage: S3Storage, text: str) -> None:
        storage.delete(text)
        assert storage.get(text) is None


class TestPresignedUrl:
    def test_presigned_url_serves_the_image_with_its_headers(self, storage: S3Storage) -> None:
        presigned = storage.presigned_url(storage.put(IMAGE))
        assert presigned is not None
        response, content = fetched(presigned.url)
        assert (response.status, content) == (200, IMAGE)
        assert response.headers["Content-Type"] == "image/webp"
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["Content-Disposition"] == 'inline; filename="image.webp"'

    def test_presigned_url_names_one_object_expires_and_is_hidden_from_repr(self, storage: S3Storage) -> None:
        presigned = storage.presigned_url(UNKNOWN)
        assert presigned is not None
        assert f"/a/prefix/{UNKNOWN}?" in presigned.url
        assert f"X-Amz-Expires={presigned.seconds}&" in presigned.url
        assert "Signature" not in repr(presigned)
        assert "s3cret" not in presigned.url

    def test_url_without_its_signature_is_forbidden(self, storage: S3Storage) -> None:
        presigned = storage.presigned_url(storage.put(IMAGE))
        assert presigned is not None
        assert fetched(presigned.url.partition("?")[0])[0].status == 403

    @pytest.mark.parametrize("text", ["", "../secret", "a" * 32, UNKNOWN + "\n", "\udc80" * 32 + ".webp"])
    def test_invalid_name_has_no_url(self, storage: S3Storage, text: str) -> None:
        assert storage.presigned_url(text) is None

    def test_presigned_url_needs_no_connection(self, own_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        set_environment(own_server.environment(), monkeypatch)
        storage = S3Storage("s3://images")
        own_server.kill()
        assert isinstance(storage.presigned_url(UNKNOWN), PresignedUrl)


@pytest.mark.slow
class TestOutage:
    def test_storage_is_unavailable_while_s3_is_down(
        self, own_server: S3Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        set_environment(own_server.environment(), monkeypatch)
        own_server.make("images")
        storage = S3Storage("s3://images")
        assert errors_of(storage) == UP

        own_server.kill()
        assert errors_of(storage) == DOWN
        assert errors_of(storage) == DOWN

        own_server.start()
        assert errors_of(storage) == DOWN, "the bucket does not exist"
        own_server.make("images")
        assert errors_of(storage) == UP
        assert storage.get(storage.put(IMAGE)) == IMAGE

        logged = [(record.levelno, record.getMessage()) for record in caplog.records]
        assert [level for level, _ in logged] == [logging.WARNING] * 2
        assert "s3://images is unavailable (Connect" in logged[0][1]
        assert logged[1][1] == "s3://images is available again"

    def test_image_survives_a_hang_of_s3(self, own_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        set_environment(own_server.environment(), monkeypatch)
        own_server.make("images")
        storage = S3Storage("s3://images", timeout=0.3)
        patient = S3Storage("s3://images")
        name = patient.put(IMAGE)

        own_server.freeze()
        try:
            assert errors_of(storage) == DOWN
        finally:
            own_server.resume()

        assert patient.get(name) == IMAGE

    def test_timeout_bounds_each_call(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            set_environment(endpoint(silent.getsockname()[1]), monkeypatch)
            storage = S3Storage("s3://images", timeout=0.5)
            for call in (lambda: storage.put(IMAGE), lambda: storage.get(UNKNOWN), lambda: storage.delete(UNKNOWN)):
                begun = time.monotonic()
                assert error_of(call) is Unavailable
                assert time.monotonic() - begun < 3.5

    @pytest.mark.slow
    def test_default_timeout_limits_a_call_to_ten_seconds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(4) as pool:
            set_environment(endpoint(silent.getsockname()[1]), monkeypatch)
            storage = S3Storage("s3://images")
            begun = time.monotonic()
            assert list(pool.map(error_of, calls_of(storage))) == DOWN
            assert time.monotonic() - begun < 10

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: 1\r\nLast-Modified: Mon, 23 Nov 2026 00:00:00 GMT\r\n\r\nhalf",
            b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            b"220 mail.example.org ESMTP\r\n",
        ],
    )
    def test_invalid_answer_is_unavailable(self, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = FakeServer(answer)
        try:
            set_environment(endpoint(urlsplit(fake.url).port or 0), monkeypatch)
            storage = S3Storage("s3://images", timeout=0.3)
            assert error_of(lambda: storage.get(UNKNOWN)) is Unavailable
        finally:
            fake.close()

    def test_not_found_answer_fails_a_put(self, monkeypatch: pytest.MonkeyPatch) -> None:
        nothing = b"<Error><Code>NoSuchKey</Code></Error>"
        fake = FakeServer(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(nothing), nothing))
        try:
            set_environment(endpoint(urlsplit(fake.url).port or 0), monkeypatch)
            storage = S3Storage("s3://images", timeout=0.3)
            assert error_of(lambda: storage.put(IMAGE)) is Unavailable
        finally:
            fake.close()

    def test_probe_logs_an_outage_and_raises_nothing(
        self, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        S3Storage(f"s3://{bucket}").probe()
        assert caplog.messages == []
        S3Storage("s3://there-is-none").probe()
        assert caplog.messages == ["s3://there-is-none is unavailable (404 NoSuchBucket): images cannot be read or stored"]


def endpoint(port: int) -> dict[str, str]:
    key, secret = ANY_CREDENTIALS
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "NO_PROXY": "127.0.0.1",
    }


def policy_for(bucket: str) -> object:
    """Returns the policy of docs/operating.md."""
    (policy,) = re.findall(r'^    (\{\n      "Version".*?^    \})$', OPERATING.read_text(), re.DOTALL | re.MULTILINE)
    return json.loads(policy.replace("my-bucket/accounts", bucket).replace("my-bucket", bucket))


class TestCredentials:
    def test_documented_policy_suffices(self, own_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        own_server.make("images")
        set_environment(own_server.environment(own_server.user(policy_for("images"))), monkeypatch)
        own_server.enforce_policies()
        storage = S3Storage("s3://images/here")
        assert errors_of(storage) == UP
        name = storage.put(IMAGE)
        assert storage.get(name) == IMAGE
        storage.delete(name)
        assert storage.get(name) is None

    @pytest.mark.parametrize(
        ("session", "reason"), [({}, "403 SignatureDoesNotMatch"), ({"AWS_SESSION_TOKEN": "t0ken"}, "400 InvalidToken")]
    )
    def test_wrong_credentials_are_unavailable_and_not_logged(
        self,
        own_server: S3Server,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        session: dict[str, str],
        reason: str,
    ) -> None:
        own_server.make("images")
        key, _ = own_server.user(policy_for("images"))
        own_server.enforce_policies()
        set_environment(own_server.environment((key, "wr0ng")) | session, monkeypatch)
        storage = S3Storage("s3://images")
        assert errors_of(storage) == DOWN
        assert caplog.messages == [f"s3://images is unavailable ({reason}): images cannot be read or stored"]
        for secret in (key, "wr0ng", "t0ken"):
            assert secret not in caplog.text + repr(storage) + repr(vars(storage))

    @pytest.mark.parametrize(
        ("variable", "missing"), [("AWS_ACCESS_KEY_ID", "SecretAccessKey"), ("AWS_SECRET_ACCESS_KEY", "AccessKeyId")]
    )
    def test_incomplete_credentials_are_rejected(self, variable: str, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
        set_environment({variable: "s3cret"}, monkeypatch)
        with pytest.raises(ValueError, match=f"variables cannot be used .Missing {missing}") as refusal:
            S3Storage("s3://images")
        assert "s3cret" not in str(refusal.value)

    def test_denied_access_is_unavailable_and_not_absent(self, own_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        own_server.make("images")
        set_environment(own_server.environment(own_server.user(policy_for("other"))), monkeypatch)
        own_server.enforce_policies()
        assert error_of(lambda: S3Storage("s3://images").get(UNKNOWN)) is Unavailable


class TestConfiguration:
    @pytest.mark.parametrize(
        "url",
        [
            "s3:",
            "s3://",
            "s3:///prefix",
            "s3://ab",
            "s3://UPPER",
            "s3://bucket/../other",
            "s3://bucket/a//b",
            "s3://bucket/a b",
            "s3://bucket?region=x",
            "s3://bucket#x",
            "s3://id:secret@bucket",
            "s3://bucket:9000/x",
            "http://127.0.0.1/bucket",
            "s3://bucket/\udc80",
        ],
    )
    def test_invalid_s3_url_is_rejected_and_not_repeated(self, url: str) -> None:
        with pytest.raises(ValueError, match="must be s3://bucket or s3://bucket/prefix") as refusal:
            S3Storage(url)
        assert "secret" not in str(refusal.value)

    @pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"])
    @pytest.mark.parametrize("endpoint", ["", "127.0.0.1:9000", "ftp://host", "http://", "https://id:secret@host"])
    def test_invalid_endpoint_is_rejected_with_its_variable(
        self, variable: str, endpoint: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_environment({variable: endpoint}, monkeypatch)
        with pytest.raises(ValueError, match=f"{variable} must be http") as refusal:
            S3Storage("s3://images")
        assert "secret" not in str(refusal.value)

    def test_missing_obstore_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "obstore", None)
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'vestibule-accounts\[s3\]'"):
            S3Storage("s3://images")

    def test_s3_endpoint_variable_takes_precedence(
        self, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        set_environment(s3_server.environment() | {"AWS_ENDPOINT_URL": "https://127.0.0.1:1"}, monkeypatch)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.url)
        assert errors_of(S3Storage(f"s3://{bucket}")) == UP

    def test_region_is_read_from_either_variable(self, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            set_environment(s3_server.environment(), monkeypatch)
            monkeypatch.delenv("AWS_REGION")
            monkeypatch.setenv(variable, "ap-south-2")
            presigned = S3Storage("s3://images").presigned_url(UNKNOWN)
            assert presigned is not None
            assert "%2Fap-south-2%2Fs3%2F" in presigned.url
