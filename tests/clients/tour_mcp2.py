"""Tours an MCP server with the Python SDK 2.x. Usage: tour_mcp2.py URL auto|legacy|2026-07-28 STEPS

STEPS is a JSON list of {"tool"|"resource"|"prompt": NAME, "arguments": {...}}; {"pause_ms": N}, which only this
and tour.mjs know, waits. Prints what the client saw as one line of JSON; every tour_* program takes the same
steps and prints the same shape. A tool call that is answered with an error has its words as its "error".
Questions that the server asks back are always answered the same way.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import anyio
from mcp import MCPError
from mcp.client.client import Client
from mcp_types import CreateMessageResult, ElicitResult, Implementation, TextContent

CALL_SECONDS = 20


async def elicited(_context: Any, _params: Any) -> ElicitResult:
    return ElicitResult(action="accept", content={"name": "Ada"})


async def sampled(_context: Any, _params: Any) -> CreateMessageResult:
    return CreateMessageResult(
        role="assistant", model="none", content=TextContent(type="text", text="in short")
    )


async def perform(client: Client, step: dict[str, Any]) -> dict[str, Any]:
    if "pause_ms" in step:
        await anyio.sleep(step["pause_ms"] / 1000)
        return {"text": "", "progress": []}
    if "resource" in step:
        read = await client.read_resource(step["resource"])
        return {"text": read.contents[0].text, "progress": []}
    if "prompt" in step:
        prompt = await client.get_prompt(step["prompt"], step["arguments"])
        return {"text": prompt.messages[0].content.text, "progress": []}
    progress: list[float] = []

    async def on_progress(done: float, _total: float | None, _message: str | None) -> None:
        progress.append(done)

    try:
        result = await client.call_tool(step["tool"], step["arguments"], progress_callback=on_progress)
    except MCPError as error:
        return {"text": "", "progress": progress, "error": error.message}
    return {"text": result.content[0].text, "progress": progress}


async def tour(url: str, mode: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
    async with Client(
        url,
        mode=mode,
        client_info=Implementation(name="tour-mcp2", version="1"),
        elicitation_callback=elicited,
        sampling_callback=sampled,
        read_timeout_seconds=CALL_SECONDS,
    ) as client:
        listed = await client.list_tools()
        seen = [await perform(client, step) for step in steps]
        return {
            "version": client.protocol_version,
            "tools": sorted(tool.name for tool in listed.tools),
            "seen": seen,
        }


if __name__ == "__main__":
    print(json.dumps(anyio.run(tour, sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))))
