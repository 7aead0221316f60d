"""What all filters of ours in one module cost in Envoy, next to the native ones that do a part of it.

The settings are those of `envoy/gateway.yaml`, but for keys that are written down, and for limits that nobody reaches.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import quota, streams
from bench.auth import CACHE
from bench.comparison import Comparison, Reference
from bench.load import Same
from bench.natives import LOCAL_RATELIMIT_OK, jwt_authn, local_ratelimit, natively
from bench.report import size
from bench.tokens import NAME, Issuer, bearer
from bench.upstream import answer_with
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
from bench.workload import HEADERS, LARGE, PATH, SMALL, body
from e2e.envoy_config import REPOSITORY, EnvoyConfig, Tree

MODULE = REPOSITORY / "dist/mcp_gateway.wasm"
SHIPPED, SHIPPED_PLUGIN = REPOSITORY / "envoy/gateway.yaml", "mcp_gateway"
IN_A_ROW = ("auth", "session", "quota", "sse")
"""The modules that do together what one does, in the order in which they hand on who calls."""
NATIVE_SET = "Envoy's native jwt_authn, mcp and local_ratelimit"
ALL_FILTERS, FOUR_MODULES = "mcp_gateway, all filters", "the same in four modules"
EXPORTING = "the same, with all x-mcp-* headers"
CPU_SMALL, CPU_LARGE = "gateway-cpu-200b", "gateway-cpu-64kib"
TABLES = {CPU_SMALL: SMALL, CPU_LARGE: LARGE}
REFERENCES = {
    CPU_SMALL: Reference(NATIVE_SET, "the native set", {ALL_FILTERS: 0.75}),
    CPU_LARGE: Reference(NATIVE_NAME, "native mcp", {ALL_FILTERS: 0.25}),
}
REQUESTS = {SMALL: 1000, LARGE: 100}
ALGORITHM = "RS256"
ONE_PATH = "/event"
PATHS = (PATH, ONE_PATH)
"""Where a call is answered with JSON, and with a stream of one event."""
CALLER_HEADER = "x-caller"
COUNTED = "wasmcustom.mcp_quota_calls.limit.caller_requests.outcome.allowed"


class Compared:
    """The configurations, the baseline first, and a request that each lets pass."""

    def __init__(self, nothing: Path) -> None:
        """`nothing` is a module that does nothing, with our module's callbacks."""
        issuer = Issuer()
        self.caller = Caller(issuer)
        self.variants = variants(issuer, self.caller, nothing)

    def comparison(self) -> Comparison:
        """CPU of a request, with a small body and with a large one."""
        return Comparison(
            self.variants,
            {table: Same(body(length), REQUESTS[length], self.caller.headers) for table, length in TABLES.items()},
            {table: f"warm tools/call (2026-07-28), body of {size(length)}" for table, length in TABLES.items()},
            REFERENCES,
        )


def loading() -> Variant:
    """Our module, to be loaded only."""
    return Variant(ALL_FILTERS, all_filters(Issuer()), [])


class Caller:
    """Requests of a caller's that all filters pass, and such as they refuse."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self.headers = self.another(HEADERS)
        self.nobody = self.another(HEADERS, quota.NOBODY)
        """Of the tenant that has used up its limits."""
        self.unknown = HEADERS
        self.mismatched = self.headers | OTHER_NAME
        self.nameless = self.another(NO_METHOD)
        self.not_json = self.headers | {"Content-Type": NOT_JSON["Content-Type"]}
        self.anything = [self.headers, self.nobody, self.unknown, self.mismatched, self.nameless, self.not_json]

    def another(self, headers: Mapping[str, str], tenant: str = "acme") -> dict[str, str]:
        """The headers with a token that nobody has had before."""
        return {**headers, **bearer(self._issuer.token(ALGORITHM, scope="mcp:read", org={"id": tenant}))}


def variants(issuer: Issuer, caller: Caller, nothing: Path) -> list[Variant]:
    """Configurations, the baseline first."""
    lies = [caller.mismatched, caller.nameless]
    strict = {400: lies, 401: [caller.unknown]}
    native_set = natively(jwt_authn(issuer, CACHE), NATIVE, local_ratelimit())
    passes = [caller.headers]

    def sections(*names: str, counter: str | None = None) -> Variant:
        refuses = strict | {429: [caller.nobody]} if "quota" in names else strict
        title = f"mcp_gateway, {' and '.join(names)} alone"
        return Variant(title, only(issuer, names), passes, refuses, counter)

    return [
        Variant(ROUTER, router_only, caller.anything),
        Variant(NOTHING, does_nothing(nothing), caller.anything),
        Variant(NATIVE_NAME, natively(NATIVE), [caller.headers, caller.unknown], {400: lies}),
        Variant(NATIVE_SET, native_set, passes, strict, LOCAL_RATELIMIT_OK),
        Variant(ALL_FILTERS, all_filters(issuer), passes, strict | {429: [caller.nobody]}, COUNTED),
        Variant(EXPORTING, exporting(issuer), passes, strict | {429: [caller.nobody]}, COUNTED),
        sections("auth"),
        sections("auth", "session"),
        sections("auth", "quota", counter=COUNTED),
        sections("auth", "sse"),
        Variant(FOUR_MODULES, in_a_row(issuer), passes, strict | {429: [caller.nobody]}, COUNTED),
    ]


def answer_with_a_stream(config: EnvoyConfig) -> None:
    """Makes the upstream answer with one event on a path of its own."""
    answer_with(config, {ONE_PATH: streams.result()})


def settings(issuer: Issuer, paths: Sequence[str] = PATHS) -> Tree:
    """As shipped, but for the issuer, the paths, and three limits that nobody reaches but a tenant that may do
    nothing."""
    shipped = EnvoyConfig.load(SHIPPED).settings(SHIPPED_PLUGIN)
    shipped["admission"]["paths"] = list(paths)
    (trusted,) = shipped["auth"]["issuers"]
    trusted |= {"issuer": NAME, "jwks": issuer.jwks()}
    shipped["quota"] |= {"limits": limits(), "denial": "http"}
    return shipped


def limits() -> list[dict[str, Any]]:
    """Requests a minute, tokens a minute and tokens a day."""
    windows = {"caller_requests": ("requests", "1m"), "caller_burst": ("tokens", "1m"), "caller_day": ("tokens", "24h")}
    shared = {"key": ["principal"], "limit": quota.ENOUGH, "overrides": [{"tenants": [quota.NOBODY], "limit": 0}]}
    return [shared | {"name": name, "unit": unit, "window": window} for name, (unit, window) in windows.items()]


def silent(issuer: Issuer, paths: Sequence[str] = PATHS) -> Tree:
    """The same without `x-mcp-*` headers: no route and no log reads them here."""
    chosen = settings(issuer, paths)
    chosen["admission"]["exports"] = []
    return chosen


def all_filters(issuer: Issuer, paths: Sequence[str] = PATHS) -> Edit:
    """Our module with those settings."""
    return module(MODULE, silent(issuer, paths))


def exporting(issuer: Issuer) -> Edit:
    """Our module, which tells in headers all it found out."""
    return module(MODULE, settings(issuer))


def only(issuer: Issuer, sections: Sequence[str]) -> Edit:
    """Our module with those of its sections, of which `auth` is one: without it nobody is let in."""
    chosen = silent(issuer)
    return module(MODULE, {name: chosen[name] for name in ("admission", *sections, "telemetry")})


def in_a_row(issuer: Issuer) -> Edit:
    """The four modules one after the other. They take `x-mcp-*` from each other as from anybody, so a claim in a
    header of another name says who calls."""
    chosen = settings(issuer)
    (trusted,) = chosen["auth"]["issuers"]
    trusted["claims_to_headers"] = [
        {"claim": "sub", "header": CALLER_HEADER},
        {"claim": "org.id", "header": quota.SOURCES["tenant_header"]},
    ]
    chosen["session"] |= {"principal_header": CALLER_HEADER, "principal_header_trusted": True}
    chosen["quota"] |= {
        "principal_header": CALLER_HEADER,
        "tenant_header": quota.SOURCES["tenant_header"],
        "identity_headers_trusted": True,
    }

    def edit(config: EnvoyConfig) -> None:
        quiet(config)
        (entry,) = (entry for entry in config.http_filters() if entry["name"] == PLUGIN)
        place = config.http_filters().index(entry)
        row = []
        for section in IN_A_ROW:
            row.append(copied := copy.deepcopy(entry))
            copied["name"] = copied["typed_config"]["config"]["name"] = f"mcp_{section}"
            copied["typed_config"]["config"]["vm_config"]["vm_id"] = f"mcp_{section}"
        config.http_filters()[place : place + 1] = row
        for section in IN_A_ROW:
            config.set_module(f"mcp_{section}", REPOSITORY / f"dist/mcp_{section}.wasm")
            own = {name: chosen[name] for name in ("admission", section, "telemetry")}
            config.replace_settings(f"mcp_{section}", own)

    return edit


def module(path: Path, settings: Tree) -> Edit:
    """A module of ours in the filter's place."""

    def edit(config: EnvoyConfig) -> None:
        quiet(config)
        config.set_module(PLUGIN, path)
        config.replace_settings(PLUGIN, settings)

    return edit
