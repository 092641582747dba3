"""Traces for OpenTelemetry: a span for each call, and within it one for each thing that takes time.

Spans go to the tracer provider of the process: `traced` sets one up for a server; who imports Vestibule brings their own. No
span holds a path, an address, an id of somebody's or the text of an exception.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from threading import Thread
from typing import TYPE_CHECKING, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.semconv.attributes.db_attributes import DB_OPERATION_NAME, DB_SYSTEM_NAME
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.http_attributes import HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE
from opentelemetry.semconv.attributes.service_attributes import SERVICE_NAME, SERVICE_VERSION
from opentelemetry.semconv.attributes.url_attributes import URL_SCHEME
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from ...application import Refusal, Unavailable
from ...application.ports import Database, Images, Notifier
from . import Begun, Front, Pool, Watch
from .http_calls import METHODS, observe
from .wrappers import WatchedDatabase, WatchedImages, WatchedNotifier, WatchedPool

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, Send

OTHER = "_OTHER"
REQUEST_ID = "vestibule.request_id"
PROBLEM = "vestibule.problem"
KIND = "vestibule.message.kind"

FLUSH_SECONDS = 3.0
"""What the last spans may take to go out; a collector that is away shall not hold up a stop."""

_WORK = {"hashing": "hash password", "images": "decode image"}
_propagator = TraceContextTextMapPropagator()


class Traces(Watch):
    """Traces, on top of what another watch sees. `database` is what OpenTelemetry calls the one in use."""

    def __init__(self, within: Watch, database: str) -> None:
        self._within = within
        self._database = database
        self._tracer = trace.get_tracer("vestibule", version("vestibule-accounts"))

    def front(self, front: Front) -> Front:
        return Calls(self._within.front(front), self._tracer)

    def hashing(self, pool: Pool) -> Pool:
        return WatchedPool(self._within.hashing(pool), self._work)

    def images(self, images: Images) -> Images:
        return WatchedImages(self._within.images(images), self._work)

    def database(self, database: Database) -> Database:
        return cast("Database", WatchedDatabase(self._within.database(database), self._operation))

    def notifier(self, notifier: Notifier) -> Notifier:
        return WatchedNotifier(self._within.notifier(notifier), self._delivery)

    @contextmanager
    def _work(self, name: str) -> Iterator[Begun]:
        with self._child(_WORK[name]) as begun:
            yield begun

    @contextmanager
    def _operation(self, name: str) -> Iterator[Begun]:
        with self._child(name, SpanKind.CLIENT, {DB_SYSTEM_NAME: self._database, DB_OPERATION_NAME: name}) as begun:
            yield begun

    @contextmanager
    def _delivery(self, kind: str) -> Iterator[Begun]:
        """A trace of its own: the courier does not know which call a message came from."""
        with self._span(f"deliver {kind}", SpanKind.CLIENT, {KIND: kind}):
            yield _nothing

    @contextmanager
    def _child(self, name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes = None) -> Iterator[Begun]:
        """Within what is traced: by itself a courier that looks whether anything is due is nothing to tell."""
        if not trace.get_current_span().is_recording():
            yield _nothing
            return
        with self._span(name, kind, attributes) as span:
            yield lambda: span.add_event("begun")

    @contextmanager
    def _span(self, name: str, kind: SpanKind, attributes: Attributes) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Exception as fault:
                span.set_attribute(ERROR_TYPE, type(fault).__qualname__)
                if isinstance(fault, Unavailable) or not isinstance(fault, Refusal):
                    span.set_status(Status(StatusCode.ERROR))
                raise


class Calls:
    """Stands before the front, and before the line in the log: each call a span of kind `SERVER`."""

    def __init__(self, front: Front, tracer: trace.Tracer) -> None:
        self._front = front
        self._tracer = tracer

    async def __call__(self, app: "ASGIApp", scope: "HTTPScope", receive: "Receive", send: "Send") -> None:
        with self._tracer.start_as_current_span(
            "HTTP",
            context=_parent(scope),
            kind=SpanKind.SERVER,
            attributes={URL_SCHEME: scope["scheme"]},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            await observe(self._front, partial(_tell, span), app, scope, receive, send)


def _parent(scope: "HTTPScope") -> Context | None:
    """What the one `traceparent` says (https://www.w3.org/TR/trace-context/), unless an app around this one traces already.

    A `tracestate` is a stranger's text, and stays out.
    """
    if trace.get_current_span().get_span_context().is_valid:
        return None
    found = [value for name, value in scope["headers"] if name == b"traceparent"]
    return _propagator.extract({"traceparent": found[0].decode("latin-1")} if len(found) == 1 else {}, Context())


def _tell(span: Span, scope: "HTTPScope", status: int | None, _seconds: float) -> None:
    method, route = scope["method"] if scope["method"] in METHODS else OTHER, scope.get("path_template")
    name = "HTTP" if method == OTHER else method
    span.update_name(f"{name} {route}" if route else name)
    refusal = scope["state"].get("refusal")
    told = {
        HTTP_REQUEST_METHOD: method,
        HTTP_ROUTE: route,
        HTTP_RESPONSE_STATUS_CODE: status,
        REQUEST_ID: scope["state"]["caller"].request_id,
        PROBLEM: refusal,
    }
    span.set_attributes({name: value for name, value in told.items() if value is not None})
    if status is not None and status >= 500:  # noqa: PLR2004 — a fault of the server; what clients do wrong is none
        span.set_attribute(ERROR_TYPE, refusal or str(status))
        span.set_status(Status(StatusCode.ERROR))


def _nothing() -> None:
    pass


@contextmanager
def traced() -> Iterator[None]:
    """Exports spans until the block is left, as the variables `OTEL_…` say; what was logged within a span names its trace.

    For a process of one's own, and once: a process keeps its first tracer provider.
    """
    named = SERVICE_NAME in OTELResourceDetector().detect().attributes
    ours = {SERVICE_VERSION: version("vestibule-accounts")} | ({} if named else {SERVICE_NAME: "vestibule"})
    provider = TracerProvider(resource=Resource.create(ours), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    for handler in logging.getLogger().handlers:
        handler.addFilter(name_trace)
    try:
        yield
    finally:
        ending = Thread(target=provider.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)


def name_trace(record: logging.LogRecord) -> bool:
    """A filter that lets everything through, and names the trace in what was logged within one."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        fields = getattr(record, "fields", None)
        trace_id = {"trace_id": trace.format_trace_id(context.trace_id)}
        record.fields = {**fields, **trace_id} if isinstance(fields, dict) else trace_id
    return True
