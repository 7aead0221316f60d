"""Envoys that run side by side, each with another configuration, before the same upstream."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from bench.variants import SHIPPED, Edit, ProbeError, Variant
from e2e.envoy import Envoy

UPSTREAM = Path(__file__).with_name("upstream.yaml")
CLUSTER = "mcp_servers"
COUNTED_SECONDS = 15.0


class Asked(Protocol):
    """What a configuration is probed with."""

    @property
    def body(self) -> bytes:
        """Of a request."""

    @property
    def path(self) -> str:
        """Of a request's URL."""


@contextmanager
def started(
    variants: Sequence[Variant],
    asked: Iterable[Asked],
    progress: Callable[[str], None],
    upstream_edit: Edit | None = None,
) -> Iterator[dict[str, Envoy]]:
    """Envoys by the names of their configurations, each probed and prepared. `upstream_edit` changes what the upstream
    answers.

    Raises:
        ProbeError: A configuration is not what its name says.
    """
    requests = list(asked)
    with ExitStack() as stack:
        upstream = stack.enter_context(Envoy(UPSTREAM, edit=upstream_edit, log_level="error"))
        envoys: dict[str, Envoy] = {}
        for variant in variants:
            progress(f"starting Envoy: {variant.name}")
            ports = {CLUSTER: [upstream.port]}
            envoy = stack.enter_context(Envoy(SHIPPED, upstreams=ports, edit=variant.edit, log_level="error"))
            for request in requests:
                variant.probe(envoy.port, request.body, request.path)
            if variant.prepare is not None:
                variant.prepare(envoy.url, progress)
            envoys[variant.name] = envoy
        yield envoys


def confirm(variant: Variant, envoy: Envoy, requests: int) -> None:
    """Our modules hand their counts over with their ticks, so the last ones may take a moment."""
    deadline = time.monotonic() + COUNTED_SECONDS
    while True:
        try:
            return variant.confirm(envoy.stats(), requests)
        except ProbeError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)
