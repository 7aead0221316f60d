"""A collector of OpenTelemetry on loopback: it takes spans by OTLP over HTTP, as protobuf, and tells them."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from e2e.envoy_config import EnvoyConfig

PATH = "/v1/traces"
STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Span:
    """A span as it was exported; ids are hexadecimal, and a root's parent is empty."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    state: str
    attributes: dict[str, str]
    start: int
    """Nanoseconds since 1970, and so is the end."""
    end: int


class Collector:
    """Listens on a free port; a context manager."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._spans: list[Span] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        app = Starlette(routes=[Route(PATH, self._export, methods=["POST"])])
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def endpoint(self) -> str:
        """Where exporters send spans."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    def spans(self) -> list[Span]:
        """The spans so far, in the order of their arrival."""
        with self._arrived:
            return list(self._spans)

    def await_spans(
        self,
        count: int,
        since: int = 0,
        wanted: Callable[[Span], bool] = lambda _: True,
        seconds: float = 15.0,
    ) -> list[Span]:
        """Those that are wanted of the spans after the first `since`, once there are so many."""

        def found() -> list[Span]:
            return [span for span in self._spans[since:] if wanted(span)]

        with self._arrived:
            if not self._arrived.wait_for(lambda: len(found()) >= count, seconds):
                raise TimeoutError(f"{count} spans are not there after {seconds:g} s: {self._spans[since:]}")
            return found()

    async def _export(self, request: Request) -> Response:
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        export = ExportTraceServiceRequest.FromString(body)
        spans = [
            _read(span, _texts(resource.resource.attributes).get("service.name", ""))
            for resource in export.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._arrived:
            self._spans += spans
            self._arrived.notify_all()
        return Response(media_type="application/x-protobuf")


def export_at_once(config: EnvoyConfig) -> None:
    """Has envoy/gateway.yaml export every span, each by itself."""
    [layer] = config.document["layered_runtime"]["layers"]
    layer["static_layer"]["tracing.opentelemetry.min_flush_spans"] = 1
    sampler = config.connection_manager()["tracing"]["provider"]["typed_config"]["sampler"]["typed_config"]
    sampler["wrapped_sampler"]["typed_config"]["sampling_percentage"]["numerator"] = 100


def _read(span: trace_pb2.Span, service: str) -> Span:
    return Span(
        service=service,
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        state=span.trace_state,
        attributes=_texts(span.attributes),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
    )


def _texts(attributes: Iterable[KeyValue]) -> dict[str, str]:
    """Attributes with their values as text, whatever their type."""
    return {
        attribute.key: str(getattr(attribute.value, attribute.value.WhichOneof("value") or "string_value"))
        for attribute in attributes
    }
