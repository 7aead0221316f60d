"""What counting costs in Envoy: our module, next to the native filters that count requests or read event streams.

Every configuration of ours has a tenant that may do nothing, so that a probe tells a filter that counts from one that
does not; nobody else comes near a limit.
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import streams
from bench.comparison import Comparison, Reference
from bench.load import Load, Same
from bench.natives import LOCAL_RATELIMIT_OK, METADATA_ADDED, local_ratelimit, natively, sse_to_metadata
from bench.upstream import answer_with
from bench.variants import NATIVE, NOTHING, OTHER_NAME, PLUGIN, ROUTER, Variant, does_nothing, quiet, router_only
from bench.workload import HEADERS, PATH, SMALL, body
from e2e.envoy_config import REPOSITORY, EnvoyConfig

MODULE = REPOSITORY / "dist/mcp_quota.wasm"
LOCAL_RATELIMIT, SSE_TO_METADATA = "Envoy's native local_ratelimit", "Envoy's native sse_to_metadata"
ONE_LIMIT, FIVE_LIMITS = "mcp_quota, 1 limit on tokens", "mcp_quota, 5 limits on tokens, 5 keys"
AIMS = {FIVE_LIMITS: 3.0}
AIMS_STREAMS = {ONE_LIMIT: 0.6}
REQUESTS, REQUESTS_STREAMS = 500, 20

ENOUGH = 2**50
NOBODY = "nobody"
CALLER = {"X-Tenant": "acme", "X-Principal": "alice@acme.example", "X-Agent": "assistant-7"}
SOURCES = {"tenant_header": "x-tenant", "principal_header": "x-principal", "agent_header": "x-agent"}
CALL = HEADERS | CALLER
EVENTS_PATH, COMPLETIONS_PATH = "/events", "/v1/chat/completions"
PROMPT = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": "What is the answer to that?"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}

ALLOWED = "wasmcustom.mcp_quota_calls.limit.requests_0.outcome.allowed"
EXACT, ESTIMATED = (f"wasmcustom.mcp_quota_usage.provenance.{word}" for word in ("exact", "estimated"))


def comparisons(nothing: Path) -> list[Comparison]:
    """What is compared. `nothing` is the module that does nothing."""
    completion = CALLER | {"Content-Type": "application/json"}
    prompt = json.dumps(PROMPT, separators=(",", ":")).encode()
    native = Reference(LOCAL_RATELIMIT, "local_ratelimit", AIMS)
    reader = Reference(SSE_TO_METADATA, "sse_to_metadata", AIMS_STREAMS)
    calls = Same(body(SMALL), REQUESTS, CALL)
    tools = Same(body(SMALL), REQUESTS_STREAMS, CALL, EVENTS_PATH)
    models = Same(prompt, REQUESTS_STREAMS, completion, COMPLETIONS_PATH)
    events = f"an answer of {streams.EVENTS:,} events"
    return [
        _comparison("calls", "counted tools/call (2026-07-28) of 200 B", counters(nothing), calls, native),
        _comparison(
            "tool-stream", f"{events}, MCP progress and a result", readers(["id"], CALL, ESTIMATED), tools, reader
        ),
        _comparison(
            "model-stream",
            f"{events}, an OpenAI chat completion",
            readers(["usage", "total_tokens"], completion, EXACT),
            models,
            reader,
        ),
    ]


def _comparison(name: str, title: str, variants: Sequence[Variant], load: Load, reference: Reference) -> Comparison:
    table = f"quota-{name}"
    return Comparison(variants, {table: load}, {table: title}, {table: reference}, answer_with_streams)


def counters(nothing: Path) -> list[Variant]:
    """Configurations that count calls, the baseline first."""
    anything = [CALL, _of_nobody(CALL)]
    windows = ("1m", "10m", "1h", "24h", "30days")
    five_keys = limits("tokens", "tenant", "principal", "agent", "principal+tool", "ip")
    native, by_principal = local_ratelimit(), local_ratelimit(by_principal=True)
    return [
        Variant(ROUTER, router_only, anything),
        Variant(NOTHING, does_nothing(nothing), anything),
        Variant(LOCAL_RATELIMIT, natively(native), anything, {}, LOCAL_RATELIMIT_OK),
        Variant("the same, by principal", natively(by_principal), anything, {}, LOCAL_RATELIMIT_OK),
        Variant("Envoy's native mcp and local_ratelimit", natively(NATIVE, native), anything, {}, LOCAL_RATELIMIT_OK),
        _ours("mcp_quota, 1 limit on requests", limits("requests", "principal"), ALLOWED),
        _ours("the same, enforce", limits("requests", "principal"), ALLOWED, validation="enforce"),
        _ours(ONE_LIMIT, limits("tokens", "principal"), ESTIMATED),
        _ours("mcp_quota, 5 limits on tokens, 1 key", limits("tokens", "principal", windows=windows), ESTIMATED),
        _ours(FIVE_LIMITS, five_keys, ESTIMATED),
    ]


def readers(path: Sequence[str], passes: dict[str, str], counter: str) -> list[Variant]:
    """Configurations that read event streams, the baseline first. The native one looks for the number at `path`;
    `counter` is of ours."""
    anything = [passes, _of_nobody(passes)]
    return [
        Variant(ROUTER, router_only, anything),
        Variant(SSE_TO_METADATA, natively(sse_to_metadata(path)), anything, {}, METADATA_ADDED),
        _ours(ONE_LIMIT, limits("tokens", "principal"), counter, passes=passes),
    ]


def _of_nobody(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers, of the tenant that may do nothing."""
    return {**headers, "X-Tenant": NOBODY}


def answer_with_streams(config: EnvoyConfig) -> None:
    """Makes the upstream answer with an event stream on the paths of those."""
    answer_with(config, {EVENTS_PATH: streams.progress(), COMPLETIONS_PATH: streams.completion()})


def limits(unit: str, *keys: str, windows: Sequence[str] = ("24h",)) -> list[dict[str, Any]]:
    """A limit for each key (its parts joined by `+`) in each window."""
    return [
        {
            "name": f"{unit}_{number}",
            "key": key.split("+"),
            "unit": unit,
            "limit": ENOUGH,
            "window": window,
            "overrides": [{"tenants": [NOBODY], "limit": 0}],
        }
        for number, (key, window) in enumerate(itertools.product(keys, windows))
    ]


def _ours(
    name: str,
    limits: Sequence[Mapping[str, Any]],
    counter: str,
    *,
    validation: str = "trust_headers",
    passes: dict[str, str] = CALL,
    prepare: Callable[[str, Callable[[str], None]], None] | None = None,
    **more: Any,
) -> Variant:
    """Our module with these limits."""
    admission = {"paths": [PATH, EVENTS_PATH], "llm_paths": [COMPLETIONS_PATH], "batches": "allow"}
    settings = {
        "admission": admission | {"validation": validation},
        "quota": {"limits": limits, "denial": "http", "identity_headers_trusted": True, **SOURCES, **more},
    }

    def edit(config: EnvoyConfig) -> None:
        quiet(config)
        config.set_module(PLUGIN, MODULE)
        config.replace_settings(PLUGIN, settings)

    refuses = {429: [_of_nobody(passes)]}
    if validation == "enforce":
        refuses[400] = [passes | OTHER_NAME]
    return Variant(name, edit, [passes], refuses, counter, prepare)
