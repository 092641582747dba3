"""Traces for OpenTelemetry: a span for each call, with child spans for its slow parts.

Spans go to the tracer provider of the process. `tracing_enabled` sets one up for a server; a host application brings its own.
No span holds a path, an address, an account's id or the text of an exception.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib.metadata import version
from threading import Thread
from typing import TYPE_CHECKING

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
from ...application.ports import Database
from ...domain.events import Event
from . import Middleware
from .http_calls import METHODS, observe
from .wrappers import NamedObserver, Observer, OnStart, OutcomeObserver

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, Send

OTHER = "_OTHER"
REQUEST_ID = "vestibule.request_id"
PROBLEM = "vestibule.problem"
CHANNEL = "vestibule.message.channel"

FLUSH_SECONDS = 3.0
"""Seconds for the last spans to be exported; an unreachable collector must not delay the shutdown."""

_propagator = TraceContextTextMapPropagator()


class Traces:
    """A span for each call and each of its slow parts. `database` is OpenTelemetry's name of the database system."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._tracer = trace.get_tracer("vestibule", version("vestibule-accounts"))

    async def call(self, middleware: Middleware, app: "ASGIApp", scope: "HTTPScope", receive: "Receive", send: "Send") -> None:
        """Makes a span of kind `SERVER`. It is outside of the access log, whose line then names the trace."""
        with self._tracer.start_as_current_span(
            "HTTP",
            context=_parent(scope),
            kind=SpanKind.SERVER,
            attributes={URL_SCHEME: scope["scheme"]},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            await observe(middleware, partial(_describe, span), app, scope, receive, send)

    def lane(self, _: str) -> None:
        """A lane has no span of its own."""

    def hashing(self) -> Observer:
        return partial(self._child, "hash password")

    def images(self) -> Observer:
        return partial(self._child, "decode image")

    def database(self, _: Database) -> NamedObserver:
        return self._operation

    def event(self, _: Event) -> None:
        """An event of the audit log is not a part of a trace: it may concern an account."""

    def notifier(self) -> NamedObserver:
        return self._delivery

    def password_rules(self) -> Observer:
        return partial(self._child, "compare password", SpanKind.CLIENT)

    def legacy_directory(self) -> OutcomeObserver:
        return self._legacy_call

    def _operation(self, name: str) -> AbstractContextManager[OnStart]:
        return self._child(name, SpanKind.CLIENT, {DB_SYSTEM_NAME: self._database, DB_OPERATION_NAME: name})

    @contextmanager
    def _delivery(self, channel: str) -> Iterator[OnStart]:
        """A trace of its own: the delivery worker does not know the call that sent a message."""
        with self._span(f"deliver {channel}", SpanKind.CLIENT, {CHANNEL: channel}):
            yield lambda: None

    @contextmanager
    def _legacy_call(self) -> Iterator[Callable[[str], object]]:
        """The answer is no attribute: it tells whether a password is right."""
        with self._child("ask legacy directory", SpanKind.CLIENT):
            yield lambda _: None

    @contextmanager
    def _child(self, name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes = None) -> Iterator[OnStart]:
        """A child of the current span, if there is one: a delivery worker's polls are not worth a trace."""
        if not trace.get_current_span().is_recording():
            yield lambda: None
            return
        with self._span(name, kind, attributes) as span:
            yield lambda: span.add_event("started")

    @contextmanager
    def _span(self, name: str, kind: SpanKind, attributes: Attributes) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_attribute(ERROR_TYPE, type(error).__qualname__)
                if isinstance(error, Unavailable) or not isinstance(error, Refusal):
                    span.set_status(Status(StatusCode.ERROR))
                raise


def _parent(scope: "HTTPScope") -> Context | None:
    """Returns the context of the `traceparent` header (https://www.w3.org/TR/trace-context/), or None if a host app traces.

    A `tracestate` is text that the caller sent, and is dropped.
    """
    if trace.get_current_span().get_span_context().is_valid:
        return None
    parents = [value for name, value in scope["headers"] if name == b"traceparent"]
    return _propagator.extract({"traceparent": parents[0].decode("latin-1")} if len(parents) == 1 else {}, Context())


def _describe(span: Span, scope: "HTTPScope", status: int | None, _seconds: float) -> None:
    method, route = scope["method"] if scope["method"] in METHODS else OTHER, scope.get("path_template")
    name = "HTTP" if method == OTHER else method
    span.update_name(f"{name} {route}" if route else name)
    refusal = scope["state"].get("refusal")
    attributes = {
        HTTP_REQUEST_METHOD: method,
        HTTP_ROUTE: route,
        HTTP_RESPONSE_STATUS_CODE: status,
        REQUEST_ID: scope["state"]["caller"].request_id,
        PROBLEM: refusal,
    }
    span.set_attributes({name: value for name, value in attributes.items() if value is not None})
    if status is not None and status >= 500:  # noqa: PLR2004 — client errors are not faults of the server
        span.set_attribute(ERROR_TYPE, refusal or str(status))
        span.set_status(Status(StatusCode.ERROR))


@contextmanager
def tracing_enabled() -> Iterator[None]:
    """Exports spans, as the variables `OTEL_…` say, until the block is left. Log records within a span name its trace.

    For Vestibule's own processes, and once in each: a process keeps its first tracer provider.
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
    """A log filter that passes every record, and adds the trace id to a record within a span."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        fields = getattr(record, "fields", None)
        trace_id = {"trace_id": trace.format_trace_id(context.trace_id)}
        record.fields = {**fields, **trace_id} if isinstance(fields, dict) else trace_id
    return True
