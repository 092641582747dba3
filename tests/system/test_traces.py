"""Traces that a real server and a real delivery worker export to a collector."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from tests.support.command_line import vestibule
from tests.support.otlp_collector import Collector, Span, collector
from tests.support.server import Server
from tests.system.test_deliver import eventually

PASSWORD = "the engine weaves algebra"
ADA = {"username": "ada", "name": "Ada Lovelace", "email": "ada@mail.example.com", "password": PASSWORD}
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}"


@pytest.fixture
def collected() -> Iterator[Collector]:
    with collector() as found:
        yield found


@contextmanager
def traced(data: Path, collected: Collector, *options: str, **environment: str) -> Iterator[Server]:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.url, "OTEL_BSP_SCHEDULE_DELAY": "100", **environment}
    with Server(data, *options, environment=variables, traces="on", log_format="json") as server:
        yield server


def children(of: Span, collected: Collector) -> list[str]:
    return [span.name for span in collected.spans if span.parent_id == of.span_id]


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(file, "PNG")
    return file.getvalue()


def test_call_is_a_span_with_child_spans(tmp_path: Path, collected: Collector) -> None:
    with traced(tmp_path / "data", collected) as server:
        assert server.call("POST", "/register/", ADA)[0] == 201
        tokens = server.call("POST", "/login/", {"username": "ada", "password": PASSWORD})[1]
        assert server.call("POST", "/login/", {"username": "ada", "password": "hunter2 hunter2"})[0] == 401
        assert server.call("GET", "/hunter2/?hunter2")[0] == 404
        assert server.call("HUNTER2", "/login/")[0] == 405
        body = (
            b'--x\r\nContent-Disposition: form-data; name="profile_image"; filename="hunter2"\r\n\r\n'
            + picture()
            + b"\r\n--x--"
        )
        headers = {"Authorization": f"Bearer {tokens['token']}", "Content-Type": "multipart/form-data; boundary=x"}
        assert server.send("POST", "/upload-image/", body, headers)[0] == 201
        _, sent = server.call("POST", "/otp/", {"destination": "ada@mail.example.com", "is_login": True})
        code = server.code("ada@mail.example.com", sent["reference"])
        assert server.stop() == 0

    right, wrong = collected.named("POST /login")
    assert (right.kind, right.parent_id, right.is_error) == ("SERVER", "", False)
    request_id = right.attributes.pop("vestibule.request_id")
    assert right.attributes == {
        "http.request.method": "POST",
        "http.route": "/login",
        "http.response.status_code": 200,
        "url.scheme": "http",
    }
    assert children(right, collected) == ["accounts.holder_by_login", "hash password", "transaction"]
    assert (wrong.attributes["http.response.status_code"], wrong.attributes["vestibule.problem"]) == (
        401,
        "invalid-credentials",
    )
    assert not wrong.is_error

    (transaction,) = (span for span in collected.named("transaction") if span.parent_id == right.span_id)
    assert transaction.kind == "CLIENT"
    assert transaction.attributes == {"db.system.name": "sqlite", "db.operation.name": "transaction"}
    assert transaction.events == ["started"]

    (upload,) = collected.named("POST /upload-image")
    assert "decode image" in children(upload, collected)
    (nowhere,) = collected.named("GET")
    assert nowhere.attributes["vestibule.problem"] == "not-found"
    (other,) = (span for span in collected.spans if span.attributes.get("http.request.method") == "_OTHER")
    assert (other.name, other.attributes["vestibule.problem"]) == ("HTTP", "method-not-allowed")
    (delivery,) = collected.named("deliver email")
    assert (delivery.kind, delivery.parent_id, delivery.attributes) == ("CLIENT", "", {"vestibule.message.channel": "email"})

    lines = [json.loads(line) for line in server.output.splitlines()]
    assert [line["trace_id"] for line in lines if line.get("request_id") == request_id] == [right.trace_id]

    secrets = (PASSWORD, "hunter2", "Lovelace", "mail.example.com", "127.0.0.1", code, tokens["token"], tokens["refresh_token"])
    assert [secret for secret in secrets if secret.lower().encode() in collected.bodies.lower()] == []


def test_traceparent_is_honoured_and_baggage_ignored(tmp_path: Path, collected: Collector) -> None:
    with traced(tmp_path / "data", collected) as server:
        for flags in ("01", "00"):
            server.send("GET", "/account/", None, {"traceparent": CALLER.format(flags=flags), "tracestate": "x=hunter2"})
        server.send("GET", "/account/", None, {"traceparent": "hunter2", "baggage": "x=hunter2"})
        assert server.stop() == 0
    continued, own = collected.named("GET /account")
    assert (continued.trace_id, continued.parent_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert (own.trace_id != continued.trace_id, own.parent_id) == (True, "")
    assert b"hunter2" not in collected.bodies


def test_standard_otel_variables_are_honoured(tmp_path: Path, collected: Collector) -> None:
    with traced(tmp_path / "data", collected) as server:
        assert server.stop() == 0
    assert collected.spans[0].resource["service.name"] == "vestibule"

    named = {"OTEL_SERVICE_NAME": "accounts", "OTEL_EXPORTER_OTLP_HEADERS": "x-key=s3cret"}
    with traced(tmp_path / "named", collected, **named) as server:
        assert server.stop() == 0
    assert collected.spans[-1].resource["service.name"] == "accounts"
    path, headers = collected.calls[-1]
    assert (path, headers["x-key"]) == ("/v1/traces", "s3cret")

    count = len(collected.spans)
    with traced(tmp_path / "sampled", collected, OTEL_TRACES_SAMPLER="always_off") as server:
        assert server.stop() == 0
    assert len(collected.spans) == count


def test_unavailable_dependency_marks_the_span_as_error(tmp_path: Path, collected: Collector) -> None:
    with traced(tmp_path / "data", collected) as server:
        (tmp_path / "data" / "vestibule.db").rename(tmp_path / "elsewhere")
        assert server.call("POST", "/register/", ADA)[0] == 503
        server.stop()
    (call,) = collected.named("POST /register")
    assert (call.is_error, call.attributes["error.type"]) == (True, "unavailable")
    (transaction,) = (span for span in collected.spans if span.parent_id == call.span_id)
    assert (transaction.is_error, transaction.attributes["error.type"]) == (True, "Unavailable")


def test_delivery_worker_traces_messages_and_not_polling(tmp_path: Path, collected: Collector) -> None:
    data = tmp_path / "data"
    with Server(data, delivery="off") as server:
        assert server.call("POST", "/otp/", {"destination": "ada@mail.example.com"})[0] == 201
        assert server.stop() == 0
    variables = {"VESTIBULE_DATA_DIR": str(data), "VESTIBULE_TRACES": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url}
    assert vestibule("deliver", "--once", **variables).returncode == 0
    assert [span.name for span in collected.spans] == ["deliver email"]


def test_missing_collector_delays_neither_calls_nor_shutdown(tmp_path: Path, collected: Collector) -> None:
    with traced(tmp_path / "data", collected, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as server:
        assert server.call("POST", "/register/", ADA)[0] == 201
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 9
    assert "Traceback" not in server.output


def test_each_worker_exports_its_own_spans(tmp_path: Path, collected: Collector) -> None:
    with traced(tmp_path / "data", collected, "--workers", "2") as server:
        assert eventually(lambda: bool(server.call("GET", "/healthz")) and len(instances(collected)) == 2)
        assert server.stop() == 0


def instances(collected: Collector) -> set[str]:
    return {span.resource["service.instance.id"] for span in list(collected.spans)}


def test_importing_program_provides_the_tracer_provider(tmp_path: Path, collected: Collector) -> None:
    program = """
import sys
from pathlib import Path
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from vestibule import Settings, build
found, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(found))
trace.set_tracer_provider(provider)
with build(Settings(data_dir=Path(sys.argv[1]), traces=True), run_workers=False) as vestibule:
    with trace.get_tracer("theirs").start_as_current_span("theirs"):
        vestibule.register(username="ada", name="Ada", email="ada@mail.example.com", mobile=None, password=sys.argv[2])
print([span.name for span in found.get_finished_spans()])
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VESTIBULE_", "OTEL_"))}
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "data"), PASSWORD],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == "['accounts.taken_fields', 'hash password', 'transaction', 'theirs']\n", result.stderr
