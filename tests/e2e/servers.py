"""Real MCP servers on loopback: on the Python SDK 2.x, and on the TypeScript SDKs 1.x and 2.x."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from e2e.envoy_config import REPOSITORY
from e2e.process import Process, accepts

START_SECONDS = 30.0
Argv = list[str | Path]

LISTENING = re.compile(r"^listening on (\d+)$", re.MULTILINE)
CLIENTS = REPOSITORY / "tests" / "clients"
SERVERS = REPOSITORY / "tests" / "servers"
OLD_PYTHON = REPOSITORY / ".tools" / "venv-mcp1" / "bin" / "python"
"""With the last MCP client of the old line."""


class Server(Process):
    """A server process that prints `listening on PORT`; a context manager."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        log: Path,
        env: dict[str, str] | None = None,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self.port = 0
        super().__init__(name, argv, log, cwd=REPOSITORY, env=env)

        def ready() -> bool:
            found = LISTENING.search(self.log_text())
            self.port = int(found[1]) if found else 0
            return self.port != 0 and accepts(self.port)

        self.wait_until(ready, start_seconds)


class McpServer(Server):
    """A server of MCP."""

    @property
    def url(self) -> str:
        """The MCP endpoint without a gateway."""
        return f"http://127.0.0.1:{self.port}/mcp"


def dual_era(
    directory: Path, name: str = "dual-era", port: int = 0, collector: str | None = None
) -> McpServer:
    """Python SDK 2.x, both eras on one endpoint; logs to `directory`, sends spans to the URL `collector`."""
    argv: Argv = [sys.executable, SERVERS / "dual_era.py", "--port", str(port), "--name", name]
    env = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector} if collector else None
    return McpServer(name, argv, directory / f"{name}.log", env=env)


def http_and_sse(directory: Path, name: str = "http-and-sse") -> McpServer:
    """Python SDK 2.x on the transport of 2024-11-05: events at /sse, messages to /messages/."""
    argv: Argv = [sys.executable, SERVERS / "dual_era.py", "--sse", "--name", name]
    return McpServer(name, argv, directory / f"{name}.log")


def everything(directory: Path, name: str = "everything") -> McpServer:
    """The reference server of the TypeScript SDK: legacy sessions, priming events, resumable."""
    entry = CLIENTS / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
    argv: Argv = ["node", "--import", SERVERS / "loopback.mjs", entry, "streamableHttp"]
    return McpServer(name, argv, directory / f"{name}.log", env={"PORT": "0"})


def stateless(directory: Path, name: str = "stateless") -> McpServer:
    """TypeScript SDK 2.x: both eras, no sessions in the legacy one."""
    return McpServer(name, ["node", CLIENTS / "stateless_server.mjs"], directory / f"{name}.log")
