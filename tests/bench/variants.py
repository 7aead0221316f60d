"""The configurations that are compared: `envoy/session.yaml`, with another filter in the filter's place.

Each is probed before it is measured, so that no figure is of a filter that did not run, or in another
mode: it must pass and refuse what its filter is there to pass and refuse.
"""

import http.client
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.workload import HEADERS, PATH
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
ROUTER, NATIVE_NAME, NOTHING = "router only", "Envoy's native mcp", "a module that does nothing"
OTHER_NAME = {**HEADERS, "Mcp-Name": "other"}
NO_METHOD = {name: value for name, value in HEADERS.items() if name != "Mcp-Method"}
NOT_JSON = {**HEADERS, "Content-Type": "text/plain"}

Edit = Callable[[EnvoyConfig], None]


class ProbeError(RuntimeError):
    """A configuration did not treat a request as it must; its figures would mean nothing."""


@dataclass(frozen=True)
class Variant:
    """One configuration. `edit` makes it out of the shipped one; requests with the headers in `passes` it must
    answer with 200, those in `refuses` with the status they are listed under. `counter` is a counter of Envoy's
    that every measured request must move. `prepare` brings the running Envoy into the state that is measured."""

    name: str
    edit: Edit
    passes: Sequence[dict[str, str]]
    refuses: Mapping[int, Sequence[dict[str, str]]] = field(default_factory=dict)
    counter: str | None = None
    prepare: Callable[[str, Callable[[str], None]], None] | None = None

    def probe(self, port: int, body: bytes, path: str = PATH) -> None:
        """Sends a request with each of those headers to `path`, all with the same body.

        Raises:
            ProbeError: An answer was another than it must be.
        """
        for headers in self.passes:
            self._expect(port, path, body, headers, 200)
        for status, refused in self.refuses.items():
            for headers in refused:
                self._expect(port, path, body, headers, status)

    def confirm(self, counters: Mapping[str, int], requests: int) -> None:
        """Looks at Envoy's counters after that many measured requests.

        Raises:
            ProbeError: They did not all move it.
        """
        if self.counter is not None and (moved := counters.get(self.counter, 0)) < requests:
            raise ProbeError(f"{self.name}: {self.counter} is {moved} after {requests} requests")

    def _expect(self, port: int, path: str, body: bytes, headers: dict[str, str], status: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            said = answer.read()[:200]
        finally:
            connection.close()
        if answer.status != status:
            raise ProbeError(f"{self.name}: answered {answer.status}, not {status}, to {headers}: {said!r}")


def quiet(config: EnvoyConfig) -> None:
    """Without access log."""
    config.connection_manager().pop("access_log", None)


def router_only(config: EnvoyConfig) -> None:
    """Without any filter."""
    quiet(config)
    config.drop_wasm_filters()


def does_nothing(module: Path) -> Edit:
    def edit(config: EnvoyConfig) -> None:
        quiet(config)
        config.set_module(PLUGIN, module)
        config.replace_settings(PLUGIN, {})

    return edit
