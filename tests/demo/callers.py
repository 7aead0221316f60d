"""Real MCP clients for the demo: each works through a few calls and reports what it got."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CreateMessageResult, ElicitResult, Implementation, TextContent

from e2e.raw import TextHeader

CALL_SECONDS = 20
WHOLE_SECONDS = 60


@dataclass
class Report:
    """What a client did and got, in order."""

    version: str = ""
    steps: list[tuple[str, str]] = field(default_factory=list)


def call_tools(url: str, mode: str, name: str, authorization: TextHeader) -> Report:
    """Connects in that mode (`auto`, `legacy` or a version), lists the tools and calls four of them."""
    return anyio.run(_call_tools, url, mode, name, authorization)


async def _call_tools(url: str, mode: str, name: str, authorization: TextHeader) -> Report:
    report = Report()
    questions: list[str] = []

    async def answer_question(_context: Any, params: Any) -> ElicitResult:
        questions.append(params.message)
        return ElicitResult(action="accept", content={"name": "Ada"})

    async def answer_prompt(_context: Any, params: Any) -> CreateMessageResult:
        questions.append(params.messages[0].content.text)
        text = TextContent(type="text", text="All is well.")
        return CreateMessageResult(role="assistant", model="demo-model", content=text)

    with anyio.fail_after(WHOLE_SECONDS):
        async with (
            httpx2.AsyncClient(headers=[authorization], timeout=CALL_SECONDS) as http,
            Client(
                streamable_http_client(url, http_client=http),
                mode=mode,
                client_info=Implementation(name=name, version="1.0"),
                elicitation_callback=answer_question,
                sampling_callback=answer_prompt,
                read_timeout_seconds=CALL_SECONDS,
            ) as client,
        ):
            report.version = client.protocol_version
            tools = (await client.list_tools()).tools
            report.steps.append(("list tools", f"{len(tools)} tools"))
            for tool, arguments in CALLS:
                text = await _call_tool(client, tool, arguments)
                asked = f'   (was asked: "{questions.pop()}")' if questions else ""
                report.steps.append((f"call {tool}", text + asked))
    return report


async def _call_tool(client: Client, tool: str, arguments: dict[str, Any]) -> str:
    progress: list[str] = []

    async def on_progress(done: float, _total: float | None, _message: str | None) -> None:
        progress.append(f"{done:g}")

    result = await client.call_tool(tool, arguments, progress_callback=on_progress)
    text = "".join(block.text for block in result.content if isinstance(block, TextContent))
    return text + (f"   (progress: {' '.join(progress)})" if progress else "")


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("add", {"a": 1, "b": 2}),
    ("count", {"to": 3}),
    ("book_flight", {"destination": "Oslo"}),
    ("summarize", {"text": "Nothing happened."}),
]
EXPECTED = [
    "3",
    "counted to 3   (progress: 1 2 3)",
    'Ada flies to Oslo   (was asked: "Who is flying?")',
    'All is well.   (was asked: "Summarize: Nothing happened.")',
]
