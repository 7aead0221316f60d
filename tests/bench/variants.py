"""The configurations that are compared: `envoy/session.yaml`, with another filter in the filter's place.

Each is probed before it is measured, so that no figure is of a filter that did not run: a request that
agrees with its headers passes everywhere, and what must be refused is.
"""

import http.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.workload import HEADERS
from e2e.envoy_config import REPOSITORY, EnvoyConfig

PLUGIN = "mcp_session"
SHIPPED = REPOSITORY / "envoy/session.yaml"
NATIVE = {
    "name": "envoy.filters.http.mcp",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.mcp.v3.Mcp",
        "traffic_mode": "REJECT_NO_MCP",
        "max_request_body_size": 1024 * 1024,
    },
}
MISMATCH = {**HEADERS, "Mcp-Name": "other"}
NOT_MCP = {**HEADERS, "Content-Type": "text/plain"}


class ProbeError(RuntimeError):
    """A configuration did not treat a request as it must; its figures would mean nothing."""


@dataclass(frozen=True)
class Variant:
    """One configuration. `edit` makes it out of the shipped one; `refuses` are headers it must answer with 400."""

    name: str
    edit: Callable[[EnvoyConfig], None]
    refuses: tuple[dict[str, str], ...] = ()

    def probe(self, port: int, body: bytes) -> None:
        """Sends one request that must pass, and those that must not.

        Raises:
            ProbeError: An answer was another than it must be.
        """
        self._expect(port, body, HEADERS, 200)
        for headers in self.refuses:
            self._expect(port, body, headers, 400)

    def _expect(self, port: int, body: bytes, headers: dict[str, str], status: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("POST", "/mcp", body, headers)
            answer = connection.getresponse()
            said = answer.read()[:200]
        finally:
            connection.close()
        if answer.status != status:
            raise ProbeError(f"{self.name}: answered {answer.status}, not {status}, to {headers}: {said!r}")


def _quiet(config: EnvoyConfig) -> None:
    config.connection_manager().pop("access_log", None)


def _router_only(config: EnvoyConfig) -> None:
    _quiet(config)
    config.drop_wasm_filters()


def _native(config: EnvoyConfig) -> None:
    _router_only(config)
    config.http_filters().insert(0, NATIVE)


def _nothing(module: Path) -> Callable[[EnvoyConfig], None]:
    def edit(config: EnvoyConfig) -> None:
        _quiet(config)
        config.set_module(PLUGIN, module)
        config.replace_settings(PLUGIN, {})

    return edit


def _session(validation: str) -> Callable[[EnvoyConfig], None]:
    def edit(config: EnvoyConfig) -> None:
        _quiet(config)
        config.change_settings(PLUGIN, {"admission": {"validation": validation}})

    return edit


ROUTER, NATIVE_NAME = "router only", "Envoy's native mcp"


def variants(nothing: Path) -> list[Variant]:
    """All configurations, the baseline first. `nothing` is the module that does nothing."""
    return [
        Variant(ROUTER, _router_only),
        Variant("a module that does nothing", _nothing(nothing)),
        Variant(NATIVE_NAME, _native, (NOT_MCP,)),
        Variant("mcp_session, trust_headers", _session("trust_headers")),
        Variant("mcp_session, enforce", _session("enforce"), (MISMATCH,)),
    ]
