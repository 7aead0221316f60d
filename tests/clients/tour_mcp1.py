"""Tours an MCP server with the Python SDK 1.x, the old line. Usage: tour_mcp1.py URL legacy|sse STEPS

`sse` is the HTTP+SSE transport of 2024-11-05, at URL. Steps and output as in tour_mcp2.py.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

import anyio
from mcp import ClientSession, McpError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CreateMessageResult, ElicitResult, Implementation, TextContent
from pydantic import AnyUrl

CALL_SECONDS = 20


async def elicited(_context: Any, _params: Any) -> ElicitResult:
    return ElicitResult(action="accept", content={"name": "Ada"})


async def sampled(_context: Any, _params: Any) -> CreateMessageResult:
    return CreateMessageResult(
        role="assistant", model="none", content=TextContent(type="text", text="in short")
    )


async def perform(session: ClientSession, step: dict[str, Any]) -> dict[str, Any]:
    if "resource" in step:
        read = await session.read_resource(AnyUrl(step["resource"]))
        return {"text": read.contents[0].text, "progress": []}
    if "prompt" in step:
        prompt = await session.get_prompt(step["prompt"], step["arguments"])
        return {"text": prompt.messages[0].content.text, "progress": []}
    progress: list[float] = []

    async def on_progress(done: float, _total: float | None, _message: str | None) -> None:
        progress.append(done)

    try:
        result = await session.call_tool(step["tool"], step["arguments"], progress_callback=on_progress)
    except McpError as error:
        return {"text": "", "progress": progress, "error": error.error.message}
    return {"text": result.content[0].text, "progress": progress}


async def tour(url: str, mode: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
    connect = sse_client if mode == "sse" else streamable_http_client
    async with (
        connect(url) as streams,
        ClientSession(
            *streams[:2],
            read_timeout_seconds=timedelta(seconds=CALL_SECONDS),
            sampling_callback=sampled,
            elicitation_callback=elicited,
            client_info=Implementation(name="tour-mcp1", version="1"),
        ) as session,
    ):
        started = await session.initialize()
        listed = await session.list_tools()
        seen = [await perform(session, step) for step in steps]
        return {
            "version": started.protocolVersion,
            "tools": sorted(tool.name for tool in listed.tools),
            "seen": seen,
        }


if __name__ == "__main__":
    print(json.dumps(anyio.run(tour, sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))))
