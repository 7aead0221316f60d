"""Keeps the latest events of every SSE stream in memory, so that a client can resume one."""

from collections import deque
from itertools import count

import mcp_types as types
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore

KEPT = 1000


class MemoryEventStore(EventStore):
    """The last `KEPT` events over all streams, under ids that count up."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._events: deque[tuple[int, str, types.JSONRPCMessage | None]] = deque(maxlen=KEPT)

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        event_id = next(self._ids)
        self._events.append((event_id, stream_id, message))
        return str(event_id)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        kept = list(self._events)
        stream = next((stream for event, stream, _ in kept if str(event) == last_event_id), None)
        if stream is None:
            return None
        for event, of, message in kept:
            if of == stream and event > int(last_event_id) and message is not None:
                await send_callback(EventMessage(message, str(event)))
        return stream
