"""One request on a connection of its own, and all that came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from http.client import HTTPException, HTTPResponse
from typing import Any

from e2e.event_stream import events, message
from e2e.raw import Connection, TextHeader

from soak.exchange import Exchange, Kind

SILENCE_SECONDS = 30.0
CALL_HEADER = "x-soak-call"
"""Names the call in the access log."""
TOOLS = {"place_order", "write_report", "send_news", "add", "count"}
"""Some that every list must have."""


def ask(
    port: int,
    kind: Kind,
    call: str,
    body: Any,
    headers: Sequence[TextHeader],
    home: str | None = None,
    wanted: int = 0,
) -> Exchange:
    """Sends a message, and reads until its answer or the end of the connection."""
    began = time.monotonic()
    exchange = Exchange(call, kind, began, began, home=home, wanted=wanted)
    came: list[str] = []
    text, silent, status = "", False, 0
    try:
        with Connection(port, SILENCE_SECONDS) as connection:
            connection.post(body, [*headers, (CALL_HEADER, call)])
            response = connection.head()
            status = response.status
            for found in messages(response):
                if found.get("method") == "notifications/progress":
                    came.append(found["params"]["message"])
                elif "result" in found and status == 200:
                    text = answer_text(kind, found["result"])
    except TimeoutError:
        silent = True
    except (HTTPException, ConnectionError):
        pass  # it broke off, which is for the oracle to judge
    return replace(
        exchange, ended=time.monotonic(), status=status, text=text, events=tuple(came), silent=silent
    )


def messages(response: HTTPResponse) -> Any:
    """The JSON-RPC messages of an answer, as they come."""
    if response.headers.get_content_type() == "text/event-stream":
        yield from (message(event) for event in events(response))
    elif response.headers.get_content_type() == "application/json" and (body := response.read()):
        yield json.loads(body)


def answer_text(kind: Kind, result: dict[str, Any]) -> str:
    """What a result says, in one line."""
    if kind is Kind.OPEN:
        return f"{kind} at {result['serverInfo']['name']}"
    if kind is Kind.LIST:
        missing = TOOLS - {tool["name"] for tool in result["tools"]}
        return f"{kind} without {missing}" if missing else str(kind)
    return result["content"][0]["text"]
