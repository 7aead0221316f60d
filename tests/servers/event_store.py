"""The events a server keeps so that a broken stream can be resumed with `Last-Event-ID`."""

from __future__ import annotations

from collections import deque

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import JSONRPCMessage

CAPACITY = 10_000


class RecentEvents(EventStore):
    """The last `CAPACITY` events of all streams, in memory. Ids are consecutive numbers."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, str, JSONRPCMessage | None]] = deque(maxlen=CAPACITY)
        self._last = 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        self._last += 1
        self._events.append((self._last, stream_id, message))
        return str(self._last)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        if not last_event_id.isdecimal():
            return None
        last = int(last_event_id)
        stream = next((stream for number, stream, _ in self._events if number == last), None)
        for number, owner, message in list(self._events):
            if number > last and owner == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream
