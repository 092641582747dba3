"""What pictures on S3 alone can be held to, on a real server over HTTP; the port's own suite is in `test_storage`."""

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
from tests.support.redis_server import Stranger
from tests.support.s3_server import ANYBODY, S3Server, become

from vestibule.adapters.storage import S3Storage
from vestibule.application.ports import PresignedUrl
from vestibule.domain.errors import Unavailable

OPERATING = Path(__file__).parents[3] / "docs" / "operating.md"
UNKNOWN = "a" * 32 + ".webp"
PICTURE = bytes(range(256)) * 300


@pytest.fixture
def own_server() -> Iterator[S3Server]:
    """One that may be killed."""
    with S3Server() as server:
        yield server


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new one, which this process finds."""
    become(s3_server.environment(), monkeypatch)
    name = f"images-{token_hex(8)}"
    s3_server.make(name)
    return name


@pytest.fixture
def storage(bucket: str) -> S3Storage:
    return S3Storage(f"s3://{bucket}/a/prefix")


def asks_of(storage: S3Storage) -> list[Callable[[], object]]:
    return [
        lambda: storage.put(PICTURE),
        lambda: storage.get(UNKNOWN),
        lambda: storage.delete(UNKNOWN),
        lambda: list(storage.names(older_than=0)),
    ]


def faults_of(storage: S3Storage) -> list[type | None]:
    """What each call raises."""
    return [fault_of(ask) for ask in asks_of(storage)]


def fault_of(ask: Callable[[], object]) -> type | None:
    fault: Unavailable | None = None
    try:
        ask()
    except Unavailable as refusal:
        fault = refusal
    if fault is None:
        return None
    assert (fault.__cause__, fault.__context__) == (None, None), "the error of obstore repeats what was signed"
    return type(fault)


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


class TestWhatIsThere:
    def test_pictures_are_under_the_prefix_and_nothing_but_pictures(
        self, s3_server: S3Server, bucket: str, storage: S3Storage
    ) -> None:
        name = storage.put(PICTURE)
        assert s3_server.names(bucket) == [f"a/prefix/{name}"]
        storage.delete(name)
        assert s3_server.names(bucket) == []

    @pytest.mark.parametrize("ending", ["", "/"])
    def test_without_a_prefix_they_are_at_the_top(self, s3_server: S3Server, bucket: str, ending: str) -> None:
        name = S3Storage(f"s3://{bucket}{ending}").put(PICTURE)
        assert s3_server.names(bucket) == [name]

    def test_whoever_names_the_same_place_has_the_same_pictures(self, bucket: str) -> None:
        one, other, elsewhere = (S3Storage(f"s3://{bucket}/{prefix}") for prefix in ("here", "here/", "there"))
        name = one.put(PICTURE)
        assert (other.get(name), elsewhere.get(name)) == (PICTURE, None)
        elsewhere.delete(name)
        assert one.get(name) == PICTURE
        other.delete(name)
        assert one.get(name) is None

    def test_pictures_are_named_page_after_page_and_nothing_but_pictures(
        self, bucket: str, storage: S3Storage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("vestibule.adapters.storage.s3._PAGE", 10)
        S3Storage(f"s3://{bucket}/a/prefix/deeper").put(PICTURE)
        S3Storage(f"s3://{bucket}/a").put(PICTURE)
        put = {storage.put(PICTURE) for _ in range(25)}
        names = list(storage.names(older_than=0))
        assert (len(names), set(names)) == (25, put)

    def test_a_picture_of_many_mebibytes_is_one_object(self, s3_server: S3Server, bucket: str, storage: S3Storage) -> None:
        large = PICTURE * 150
        assert storage.get(storage.put(large)) == large
        assert len(s3_server.names(bucket)) == 1

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
    @given(st.one_of(st.text(), st.from_regex(r"[a-z2-7]{30,33}\.webp.?", fullmatch=True)))
    def test_whatever_the_text_there_is_no_such_picture(self, storage: S3Storage, text: str) -> None:
        storage.delete(text)
        assert storage.get(text) is None


class TestLink:
    def test_a_link_gives_the_picture_with_its_headers_to_whoever_has_it(self, storage: S3Storage) -> None:
        link = storage.presigned_url(storage.put(PICTURE))
        assert link is not None
        response, content = fetched(link.url)
        assert (response.status, content) == (200, PICTURE)
        assert response.headers["Content-Type"] == "image/webp"
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["Content-Disposition"] == 'inline; filename="image.webp"'

    def test_a_link_is_of_one_name_for_so_long_and_not_shown(self, storage: S3Storage) -> None:
        link = storage.presigned_url(UNKNOWN)
        assert link is not None
        assert f"/a/prefix/{UNKNOWN}?" in link.url
        assert f"X-Amz-Expires={link.seconds}&" in link.url
        assert "Signature" not in repr(link)
        assert "s3cret" not in link.url

    def test_without_its_signature_nobody_gets_it(self, storage: S3Storage) -> None:
        link = storage.presigned_url(storage.put(PICTURE))
        assert link is not None
        assert fetched(link.url.partition("?")[0])[0].status == 403

    @pytest.mark.parametrize("text", ["", "../secret", "a" * 32, UNKNOWN + "\n", "\udc80" * 32 + ".webp"])
    def test_there_is_no_link_to_what_is_no_name(self, storage: S3Storage, text: str) -> None:
        assert storage.presigned_url(text) is None

    def test_a_link_needs_nobody_to_answer(self, own_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        become(own_server.environment(), monkeypatch)
        storage = S3Storage("s3://images")
        own_server.kill()
        assert isinstance(storage.presigned_url(UNKNOWN), PresignedUrl)


class TestAway:
    def test_a_server_that_dies_makes_it_unavailable_until_it_is_back(
        self, own_server: S3Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        become(own_server.environment(), monkeypatch)
        own_server.make("images")
        storage = S3Storage("s3://images")
        assert faults_of(storage) == UP

        own_server.kill()
        assert faults_of(storage) == DOWN
        assert faults_of(storage) == DOWN

        own_server.start()
        assert faults_of(storage) == DOWN, "its bucket is not there"
        own_server.make("images")
        assert faults_of(storage) == UP
        assert storage.get(storage.put(PICTURE)) == PICTURE

        told = [(record.levelno, record.getMessage()) for record in caplog.records]
        assert [level for level, _ in told] == [logging.WARNING] * 2
        assert "s3://images is unavailable (Connect" in told[0][1]
        assert told[1][1] == "s3://images is available again"

    def test_what_was_put_before_a_hang_is_there_after_it(self, own_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        become(own_server.environment(), monkeypatch)
        own_server.make("images")
        storage = S3Storage("s3://images", timeout=0.3)
        patient = S3Storage("s3://images")
        name = patient.put(PICTURE)

        own_server.hang()
        try:
            assert faults_of(storage) == DOWN
        finally:
            own_server.wake()

        assert patient.get(name) == PICTURE

    def test_who_never_answers_is_waited_for_as_long_as_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            become(reaching(silent.getsockname()[1]), monkeypatch)
            storage = S3Storage("s3://images", timeout=0.5)
            for ask in (lambda: storage.put(PICTURE), lambda: storage.get(UNKNOWN), lambda: storage.delete(UNKNOWN)):
                begun = time.monotonic()
                assert fault_of(ask) is Unavailable
                assert time.monotonic() - begun < 3.5

    def test_by_itself_no_call_takes_ten_seconds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(4) as pool:
            become(reaching(silent.getsockname()[1]), monkeypatch)
            storage = S3Storage("s3://images")
            begun = time.monotonic()
            assert list(pool.map(fault_of, asks_of(storage))) == DOWN
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
    def test_nonsense_is_neither_a_picture_nor_the_lack_of_one(self, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        stranger = Stranger(answer)
        try:
            become(reaching(urlsplit(stranger.url).port or 0), monkeypatch)
            storage = S3Storage("s3://images", timeout=0.3)
            assert fault_of(lambda: storage.get(UNKNOWN)) is Unavailable
        finally:
            stranger.close()

    def test_no_put_succeeds_by_an_answer_that_there_is_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        nothing = b"<Error><Code>NoSuchKey</Code></Error>"
        stranger = Stranger(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(nothing), nothing))
        try:
            become(reaching(urlsplit(stranger.url).port or 0), monkeypatch)
            storage = S3Storage("s3://images", timeout=0.3)
            assert fault_of(lambda: storage.put(PICTURE)) is Unavailable
        finally:
            stranger.close()

    def test_an_early_look_tells_of_it_and_raises_nothing(
        self, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        S3Storage(f"s3://{bucket}").probe()
        assert caplog.messages == []
        S3Storage("s3://there-is-none").probe()
        assert caplog.messages == ["s3://there-is-none is unavailable (404 NoSuchBucket): images cannot be read or stored"]


def reaching(port: int) -> dict[str, str]:
    key, secret = ANYBODY
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "NO_PROXY": "127.0.0.1",
    }


def policy_for(bucket: str) -> object:
    """What docs/operating.md says that Vestibule needs."""
    (shown,) = re.findall(r'^    (\{\n      "Version".*?^    \})$', OPERATING.read_text(), re.DOTALL | re.MULTILINE)
    return json.loads(shown.replace("my-bucket/accounts", bucket).replace("my-bucket", bucket))


class TestCredentials:
    def test_the_rights_that_operators_are_told_of_are_enough(
        self, own_server: S3Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own_server.make("images")
        become(own_server.environment(own_server.user(policy_for("images"))), monkeypatch)
        own_server.lock()
        storage = S3Storage("s3://images/here")
        assert faults_of(storage) == UP
        name = storage.put(PICTURE)
        assert storage.get(name) == PICTURE
        storage.delete(name)
        assert storage.get(name) is None

    @pytest.mark.parametrize(
        ("session", "reason"), [({}, "403 SignatureDoesNotMatch"), ({"AWS_SESSION_TOKEN": "t0ken"}, "400 InvalidToken")]
    )
    def test_wrong_ones_are_unavailable_and_neither_told_nor_logged(
        self,
        own_server: S3Server,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        session: dict[str, str],
        reason: str,
    ) -> None:
        own_server.make("images")
        key, _ = own_server.user(policy_for("images"))
        own_server.lock()
        become(own_server.environment((key, "wr0ng")) | session, monkeypatch)
        storage = S3Storage("s3://images")
        assert faults_of(storage) == DOWN
        assert caplog.messages == [f"s3://images is unavailable ({reason}): images cannot be read or stored"]
        for secret in (key, "wr0ng", "t0ken"):
            assert secret not in caplog.text + repr(storage) + repr(vars(storage))

    @pytest.mark.parametrize(
        ("given", "lacking"), [("AWS_ACCESS_KEY_ID", "SecretAccessKey"), ("AWS_SECRET_ACCESS_KEY", "AccessKeyId")]
    )
    def test_half_of_them_is_refused(self, given: str, lacking: str, monkeypatch: pytest.MonkeyPatch) -> None:
        become({given: "s3cret"}, monkeypatch)
        with pytest.raises(ValueError, match=f"variables cannot be used .Missing {lacking}") as refusal:
            S3Storage("s3://images")
        assert "s3cret" not in str(refusal.value)

    def test_what_may_not_be_listed_is_not_known_to_be_absent(
        self, own_server: S3Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own_server.make("images")
        become(own_server.environment(own_server.user(policy_for("other"))), monkeypatch)
        own_server.lock()
        assert fault_of(lambda: S3Storage("s3://images").get(UNKNOWN)) is Unavailable


class TestForm:
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
    def test_what_is_no_place_is_refused_without_repeating_it(self, url: str) -> None:
        with pytest.raises(ValueError, match="must be s3://bucket or s3://bucket/prefix") as refusal:
            S3Storage(url)
        assert "secret" not in str(refusal.value)

    @pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"])
    @pytest.mark.parametrize("endpoint", ["", "127.0.0.1:9000", "ftp://host", "http://", "https://id:secret@host"])
    def test_an_endpoint_that_cannot_be_is_refused_by_its_name(
        self, variable: str, endpoint: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        become({variable: endpoint}, monkeypatch)
        with pytest.raises(ValueError, match=f"{variable} must be http") as refusal:
            S3Storage("s3://images")
        assert "secret" not in str(refusal.value)

    def test_without_obstore_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "obstore", None)
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'vestibule-accounts\[s3\]'"):
            S3Storage("s3://images")

    def test_a_name_of_the_endpoint_for_s3_alone_goes_first(
        self, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        become(s3_server.environment() | {"AWS_ENDPOINT_URL": "https://127.0.0.1:1"}, monkeypatch)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.url)
        assert faults_of(S3Storage(f"s3://{bucket}")) == UP

    def test_the_region_is_taken_by_either_name(self, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            become(s3_server.environment(), monkeypatch)
            monkeypatch.delenv("AWS_REGION")
            monkeypatch.setenv(variable, "ap-south-2")
            link = S3Storage("s3://images").presigned_url(UNKNOWN)
            assert link is not None
            assert "%2Fap-south-2%2Fs3%2F" in link.url
