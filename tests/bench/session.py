"""What reading a request costs in Envoy: our session module, next to the native filter that reads MCP."""

from pathlib import Path

from bench.comparison import Comparison, Reference
from bench.load import Same
from bench.natives import natively
from bench.report import size
from bench.variants import (
    NATIVE,
    NATIVE_NAME,
    NO_METHOD,
    NOT_JSON,
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
from bench.workload import HEADERS, LARGE, SMALL, body
from e2e.envoy_config import EnvoyConfig

TRUSTING, ENFORCING = "mcp_session, trust_headers", "mcp_session, enforce"
TABLES = {"cpu-200b": SMALL, "cpu-64kib": LARGE}
REQUESTS = {SMALL: 1000, LARGE: 100}


def comparison(nothing: Path) -> Comparison:
    """CPU of a request, with a small body and with a large one. `nothing` is the module that does nothing."""
    return Comparison(
        variants(nothing),
        {table: Same(body(length), REQUESTS[length]) for table, length in TABLES.items()},
        {table: f"tools/call (2026-07-28), body of {size(length)}" for table, length in TABLES.items()},
        dict.fromkeys(TABLES, Reference(NATIVE_NAME, "native")),
    )


def variants(nothing: Path) -> list[Variant]:
    """All configurations, the baseline first."""
    anything = (HEADERS, OTHER_NAME, NO_METHOD, NOT_JSON)
    return [
        Variant(ROUTER, router_only, anything),
        Variant(NOTHING, does_nothing(nothing), anything),
        Variant(NATIVE_NAME, natively(NATIVE), [HEADERS], {400: [OTHER_NAME, NOT_JSON]}),
        Variant(TRUSTING, _session("trust_headers"), [HEADERS, OTHER_NAME], {400: [NO_METHOD]}),
        Variant(ENFORCING, _session("enforce"), [HEADERS], {400: [OTHER_NAME, NO_METHOD]}),
    ]


def _session(validation: str) -> Edit:
    def edit(config: EnvoyConfig) -> None:
        quiet(config)
        config.change_settings(PLUGIN, {"admission": {"validation": validation}})

    return edit
