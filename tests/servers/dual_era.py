"""An MCP server on the Python SDK that speaks both protocol eras on one endpoint.

Its tools do what the tests need to see through a proxy: progress, questions to the client, a stream that
breaks and is resumed, a call that is cancelled. Usage: dual_era.py [--port N] [--name TEXT] [--sse]; port 0
picks one, --sse serves the HTTP+SSE transport of 2024-11-05 instead. It prints `listening on PORT` once it
accepts connections. With `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` in its environment it exports its spans.
"""

from __future__ import annotations

import argparse
import socket
from typing import Annotated, Any

import anyio
import uvicorn
from event_store import RecentEvents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, Resolve, Sample
from mcp_types import CreateMessageResult, SamplingMessage, TextContent
from pydantic import BaseModel
from spans import export_spans


class Passenger(BaseModel):
    """What `book_flight` asks the user for."""

    name: str


def ask_name() -> Elicit[Passenger]:
    """The question behind `book_flight`."""
    return Elicit("Who is flying?", Passenger)


def ask_model(text: str) -> Sample:
    """The question behind `summarize`."""
    question = TextContent(type="text", text=f"Summarize: {text}")
    return Sample([SamplingMessage(role="user", content=question)], max_tokens=100)


def build(name: str) -> MCPServer:
    """The server; `name` tells replicas apart."""
    server = MCPServer(name)

    @server.tool()
    def add(a: int, b: int) -> int:
        """Adds two integers."""
        return a + b

    @server.tool()
    def which_replica() -> str:
        """The name this replica was started with."""
        return name

    @server.tool()
    def request_headers(ctx: Context) -> dict[str, str]:
        """The HTTP headers of this very call, as they reached the server."""
        return dict(ctx.headers or {})

    @server.tool()
    def request_meta(ctx: Context) -> dict[str, Any]:
        """The `_meta` of this very call, as it reached the server."""
        return dict(ctx.request_context.meta or {})

    @server.tool()
    async def count(ctx: Context, to: int, pause_ms: int = 0) -> str:
        """Counts up, reporting progress at each step."""
        for step in range(1, to + 1):
            await ctx.report_progress(step, to, f"step {step}")
            await anyio.sleep(pause_ms / 1000)
        return f"counted to {to}"

    @server.tool()
    def book_flight(passenger: Annotated[Passenger, Resolve(ask_name)], destination: str) -> str:
        """Books a flight, asking the user who is flying."""
        return f"{passenger.name} flies to {destination}"

    @server.tool()
    def summarize(text: str, answer: Annotated[CreateMessageResult, Resolve(ask_model)]) -> str:
        """Summarizes a text with the client's own model."""
        content = answer.content
        return content.text if isinstance(content, TextContent) else "not a text"

    @server.tool()
    async def break_stream(ctx: Context) -> str:
        """Closes the response stream half-way (legacy): the client resumes to get the result."""
        await ctx.report_progress(1, 2, "before the break")
        await anyio.sleep(0.1)  # closing drops what is not yet written
        await ctx.close_sse_stream()
        await anyio.sleep(0.3)
        await ctx.report_progress(2, 2, "after the break")
        return "resumed"

    @server.tool()
    async def announce(ctx: Context) -> str:
        """Sends a list-changed notification on the session's own stream."""
        await ctx.session.send_tool_list_changed()
        await ctx.notify_tools_changed()
        return "announced"

    @server.tool()
    async def wait_for_cancel(ctx: Context) -> str:
        """Works for half a minute unless it is cancelled; both ends of its life are printed."""
        print("wait_for_cancel: started", flush=True)
        try:
            await ctx.report_progress(0, 1, "started")
            await anyio.sleep(30)
        except anyio.get_cancelled_exc_class():
            print("wait_for_cancel: cancelled", flush=True)
            raise
        return "not cancelled"

    @server.resource("note://{topic}")
    def note(topic: str) -> str:
        """A note on a topic."""
        return f"A note on {topic}."

    @server.prompt()
    def greeting(who: str) -> str:
        """A greeting."""
        return f"Say hello to {who}."

    return server


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--name", default="dual-era")
    parser.add_argument("--sse", action="store_true")
    options = parser.parse_args()
    export_spans(options.name)
    listener = socket.create_server(("127.0.0.1", options.port))
    server = build(options.name)
    app = (
        server.sse_app()
        if options.sse
        else server.streamable_http_app(event_store=RecentEvents(), retry_interval=100)
    )
    print(f"listening on {listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)).run(
        sockets=[listener]
    )


if __name__ == "__main__":
    main()
