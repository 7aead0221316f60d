"""An MCP server that the tests overload and kill, and that writes down what it executes.

Usage: replica.py --port N --name TEXT --state DIRECTORY. It is dual_era.py and three tools more. The directory is
what it has in common with the tests and with its peers:
  executed          a line of JSON for each tool of these that began and that ended, as it happens
  ROLE.overloaded   while it is there, whoever comes through the gateway gets 503; ROLE is the name up to a hyphen
  CALL.go           what a call of `write_report` that is `held` waits for
"""

from __future__ import annotations

import argparse
import json
import os
import socket
from pathlib import Path

import anyio
import uvicorn
from dual_era import build
from event_store import RecentEvents
from mcp.server.mcpserver import Context, MCPServer
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HELD_SECONDS = 60.0
POLL_SECONDS = 0.01


class Ledger:
    """Appends to a file what nobody who is killed can take back."""

    def __init__(self, file: Path, server: str) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._server = server

    def write(self, call: str, what: str) -> None:
        line = json.dumps({"call": call, "server": self._server, "what": what}) + "\n"
        os.write(self._file, line.encode())


def add_tools(server: MCPServer, name: str, state: Path) -> None:
    """Tools that change something. `call` tells one execution from another, whoever asks for it."""
    ledger = Ledger(state / "executed", name)

    @server.tool()
    async def place_order(call: str, pause_ms: int = 0) -> str:
        """Places an order, and says nothing until that is done."""
        ledger.write(call, "began")
        await anyio.sleep(pause_ms / 1000)
        ledger.write(call, "ended")
        return f"{call} was placed at {name}"

    @server.tool()
    async def write_report(ctx: Context, call: str, steps: int, pause_ms: int = 0, held: bool = False) -> str:
        """Writes a report, with an event after each page; a held one goes on after the first when it may."""
        ledger.write(call, "began")
        for step in range(1, steps + 1):
            await ctx.report_progress(step, steps, f"{call} page {step} at {name}")
            if held and step == 1:
                with anyio.fail_after(HELD_SECONDS):
                    while not (state / f"{call}.go").exists():
                        await anyio.sleep(POLL_SECONDS)
            await anyio.sleep(pause_ms / 1000)
        ledger.write(call, "ended")
        return f"{call} has {steps} pages, written at {name}"

    @server.tool()
    async def send_news(ctx: Context, call: str, count: int) -> str:
        """Sends numbered messages on the session's own stream (legacy)."""
        ledger.write(call, "began")
        for number in range(1, count + 1):
            await ctx.session.send_log_message("info", f"{call} news {number} from {name}")
        ledger.write(call, "ended")
        return f"{call} sent {count} from {name}"


def overloadable(app: ASGIApp, switch: Path) -> ASGIApp:
    """The application, or 503 for what the gateway sends on while the switch is there.

    A health check does not come through the gateway's filters, and finds a server that is well: it is by its
    answers to clients that such a server is known.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and switch.exists() and b"x-mcp-principal" in dict(scope["headers"]):
            await PlainTextResponse("overloaded", 503)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return answer


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    server = build(options.name)
    add_tools(server, options.name, options.state)
    app = server.streamable_http_app(event_store=RecentEvents(), retry_interval=100)
    app = overloadable(app, options.state / f"{options.name.partition('-')[0]}.overloaded")
    listener = socket.create_server(("127.0.0.1", options.port), backlog=512)
    print(f"listening on {options.port}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)).run(
        sockets=[listener]
    )


if __name__ == "__main__":
    main()
