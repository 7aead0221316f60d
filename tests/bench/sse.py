"""What filters on the way of event streams cost in Envoy: ours, alone and all together, next to native ones.

Here is what is compared, and what of it is CPU; the time to the first event, the memory of streams that are open and
idle, and that of a large one are measured in `first_event`, `idle` and `large`.
"""

from collections.abc import Sequence
from pathlib import Path

from bench import quota, streams
from bench.auth import CACHE
from bench.comparison import Comparison, Reference
from bench.gateway import ALL_FILTERS, ONE_PATH, all_filters
from bench.load import Post, Same
from bench.natives import METADATA_ADDED, jwt_authn, local_ratelimit, natively, sse_to_metadata
from bench.tokens import Issuer, bearer
from bench.upstream import answer_with
from bench.variants import (
    NATIVE,
    NO_METHOD,
    NOTHING,
    OTHER_NAME,
    PLUGIN,
    ROUTER,
    Edit,
    Variant,
    does_nothing,
    quiet,
    router_only,
)
from bench.workload import HEADERS, PATH, SMALL, body
from e2e.envoy_config import REPOSITORY, EnvoyConfig

MODULE = REPOSITORY / "dist/mcp_sse.wasm"
SSE_TO_METADATA = "Envoy's native sse_to_metadata"
NATIVE_SET = "the same, after jwt_authn, mcp and local_ratelimit"
ALONE, MEASURING = "mcp_sse", "mcp_sse, measure"
OURS = (ALONE, MEASURING, ALL_FILTERS)
AIMS = {ALL_FILTERS: 0.6}
AIM_FIRST_EVENT, AIM_MEMORY = 200.0, 4.0
"""Microseconds, and KiB of a stream, over router only."""
REQUESTS = 20

MANY_PATH, OPEN_PATH, LARGE_PATH = "/events", "/open", "/large"
"""Where 1,000 events come, or one with more to come, or 100 MB of them."""
PATHS = (PATH, MANY_PATH, ONE_PATH, OPEN_PATH, LARGE_PATH)
ALGORITHM = "RS256"
EVENTS = "wasmcustom.mcp_sse_events"
BODY = body(SMALL)


class Compared:
    """The configurations, the baseline first, and a request that each lets pass."""

    def __init__(self, nothing: Path) -> None:
        """`nothing` is a module that does nothing, with our module's callbacks."""
        issuer = Issuer()
        caller = bearer(issuer.token(ALGORITHM, scope="mcp:read", org={"id": "acme"}))
        self._headers = HEADERS | caller
        mismatched, nameless = OTHER_NAME | caller, NO_METHOD | caller
        anything = [self._headers, mismatched, nameless, HEADERS]
        strict = {400: [mismatched], 401: [HEADERS]}
        numbers = sse_to_metadata(["id"])
        native_set = natively(jwt_authn(issuer, CACHE), NATIVE, local_ratelimit(), numbers)
        ours = ([self._headers, mismatched, HEADERS], {400: [nameless]})
        self.variants: Sequence[Variant] = [
            Variant(ROUTER, router_only, anything),
            Variant(NOTHING, does_nothing(nothing), anything),
            Variant(SSE_TO_METADATA, natively(numbers), anything, {}, METADATA_ADDED),
            Variant(NATIVE_SET, native_set, [self._headers], strict, METADATA_ADDED),
            Variant(ALONE, _alone(measure=False), *ours),
            Variant(MEASURING, _alone(measure=True), *ours, EVENTS),
            Variant(ALL_FILTERS, all_filters(issuer, PATHS), [self._headers], strict, quota.ESTIMATED),
        ]

    def post(self, path: str) -> Post:
        """The request, to be answered as that path says."""
        return Post(path, self._headers, BODY)

    def comparison(self) -> Comparison:
        """CPU of a stream of 1,000 events."""
        table = "sse-cpu"
        return Comparison(
            self.variants,
            {table: Same(BODY, REQUESTS, self._headers, MANY_PATH)},
            {table: f"an answer of {streams.EVENTS:,} events, MCP progress and a result"},
            {table: Reference(SSE_TO_METADATA, "sse_to_metadata", AIMS)},
            answer_with_streams,
        )


def answer_with_streams(config: EnvoyConfig) -> None:
    """Makes the upstream answer with many events, or with one."""
    answer_with(config, {MANY_PATH: streams.progress(), ONE_PATH: streams.result()})


def _alone(*, measure: bool) -> Edit:
    """The filter of streams alone, which reads no body of a request."""
    settings = {"admission": {"paths": PATHS, "validation": "trust_headers"}, "sse": {"measure": measure}}

    def edit(config: EnvoyConfig) -> None:
        quiet(config)
        config.set_module(PLUGIN, MODULE)
        config.replace_settings(PLUGIN, settings)

    return edit
