"""Where time goes, told to an OpenTelemetry collector; off unless an address is set.

While off, `span` gives back one shared empty context and nothing of OpenTelemetry is imported. The
libraries come with the extra ``yunhe[otel]``. Spans carry names, kinds and counts, no ids of people
and no content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from yunhe.kernel.errors import Unavailable, YunheError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

Attribute = str | int | float | bool
"""What a span may carry beside its name."""
FLUSH_SECONDS_MAX = 5
"""How long the end of the process may wait for the collector."""
_PATH = "/v1/traces"  # OTLP over HTTP, where the address names no path of its own


@dataclass(slots=True)
class _State:
    provider: TracerProvider | None = None
    tracer: Tracer | None = None


_state = _State()  # one a process, as OpenTelemetry itself has it


class Mark:
    """What a block may add to its span; does nothing while traces are off."""

    __slots__ = ("_span",)

    def __init__(self, span: Span | None = None) -> None:
        self._span = span

    def set(self, attributes: Mapping[str, Attribute]) -> None:
        """Add attributes that are known only later."""
        if self._span is not None:
            self._span.set_attributes(dict(attributes))

    def rename(self, name: str) -> None:
        """Call the span by what turned out later."""
        if self._span is not None:
            self._span.update_name(name)

    def failed(self) -> None:
        """Say that what the span stands for went wrong, without the details."""
        if self._span is not None:
            from opentelemetry.trace import StatusCode  # noqa: PLC0415

            self._span.set_status(StatusCode.ERROR)


_NOTHING: AbstractContextManager[Mark] = nullcontext(Mark())


def start(endpoint: str, *, service: str = "yunhe") -> bool:
    """Send spans to ``endpoint`` (OTLP over HTTP) from now on; False for an empty one.

    Errors: `Unavailable` ``operations.otel_missing`` without the extra's packages.
    """
    if not endpoint or _state.tracer is not None:
        return bool(endpoint)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise Unavailable("operations.otel_missing") from error
    address = endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + _PATH
    made = TracerProvider(
        resource=Resource.create({"service.name": service, "service.version": version("yunhe")}),
        shutdown_on_exit=False,
    )
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
    _state.provider, _state.tracer = made, made.get_tracer("yunhe", version("yunhe"))
    return True


def stop() -> None:
    """Send what waits, within `FLUSH_SECONDS_MAX`, and be off again."""
    provider, _state.provider, _state.tracer = _state.provider, None, None
    if provider is not None:
        provider.force_flush(FLUSH_SECONDS_MAX * 1_000)
        provider.shutdown()


def on() -> bool:
    """Whether spans are sent anywhere."""
    return _state.tracer is not None


def span(name: str, **attributes: Attribute) -> AbstractContextManager[Mark]:
    """A span around a block, child of the one around it."""
    return _NOTHING if _state.tracer is None else _span(name, attributes)


def request_span(
    name: str, headers: Mapping[str, str], **attributes: Attribute
) -> AbstractContextManager[Mark]:
    """The span of a request, child of the caller's own (W3C ``traceparent`` in ``headers``)."""
    return _NOTHING if _state.tracer is None else _span(name, attributes, headers)


@contextmanager
def _span(
    name: str, attributes: Mapping[str, Attribute], headers: Mapping[str, str] | None = None
) -> Iterator[Mark]:
    tracer = _state.tracer
    if tracer is None:  # switched off meanwhile
        yield Mark()
        return
    from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415

    context, kind = None, SpanKind.INTERNAL
    if headers is not None:
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        context, kind = TraceContextTextMapPropagator().extract(dict(headers)), SpanKind.SERVER
    with tracer.start_as_current_span(
        name,
        context=context,
        kind=kind,
        attributes=dict(attributes),
        record_exception=False,  # its text may hold what is nobody's business
        set_status_on_exception=False,
    ) as opened:
        try:
            yield Mark(opened)
        except YunheError as error:
            opened.set_attribute("yunhe.code", error.code)
            if error.status >= 500:
                opened.set_status(StatusCode.ERROR)
            raise
        except Exception as error:
            opened.set_attribute("error.type", type(error).__name__)
            opened.set_status(StatusCode.ERROR)
            raise
