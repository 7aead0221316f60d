"""The events of a stream as a client reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any

from e2e.raw import TextHeader

EVENT_END = re.compile(rb"\r\n\r\n|\n\n")
STREAM: TextHeader = ("accept", "text/event-stream")
"""What a client sends that opens a session's own stream."""


def events(response: HTTPResponse) -> Iterator[dict[str, str]]:
    """The events of a stream as they arrive, as their fields; comments are left out."""
    buffer = b""
    while piece := response.read1(65536):
        buffer += piece
        while (end := EVENT_END.search(buffer)) is not None:
            lines = buffer[: end.start()].decode().splitlines()
            buffer = buffer[end.end() :]
            fields = [line.partition(":") for line in lines if not line.startswith(":")]
            if fields:
                yield {name: value.removeprefix(" ") for name, _, value in fields}


def message(event: dict[str, str]) -> dict[str, Any]:
    """The JSON-RPC message of an event; empty for a priming event, which has no data."""
    return json.loads(event["data"]) if event.get("data") else {}
