"""Agents that work until they are told to stop, one call after the other, each at random what it does next."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException
from typing import Any

from e2e.event_stream import STREAM, events, message
from e2e.identity import Issuer
from e2e.messages import (
    INITIALIZED,
    call,
    call_headers,
    initialize,
    legacy,
    legacy_call,
    modern,
    modern_headers,
    session_headers,
)
from e2e.raw import HOST, Connection, TextHeader, post, request_head, send

from soak.client import CALL_HEADER, SILENCE_SECONDS, ask
from soak.exchange import Exchange, Kind

BUDGET = 3
"""Calls that each caller of the tenant `bounded` has."""
PAUSE_SECONDS = (0.0, 0.15)
SESSION_CALLS = (5, 25)
STEPS = (1, 12)
STEP_MS = (0, 120)
ORDER_MS = (0, 600)


class Worker:
    """Makes calls under names of its own; what came of them is in `exchanges`."""

    def __init__(self, name: str, port: int, issuer: Issuer, seed: int) -> None:
        self.name = name
        self.exchanges: list[Exchange] = []
        self.failure: BaseException | None = None
        self._port = port
        self._issuer = issuer
        self._random = random.Random(seed)
        self._names = (f"{name}-{number}" for number in itertools.count(1))
        self._turns = self.turns()

    def work(self, stop: threading.Event) -> None:
        """Until `stop` is set, at the end of what it is doing then."""
        try:
            while not stop.wait(self._random.uniform(*PAUSE_SECONDS)):
                next(self._turns)()
            self._turns.close()
        except BaseException as failure:
            self.failure = failure

    def turns(self) -> Iterator[Callable[[], None]]:
        """What to do next, for ever."""
        raise NotImplementedError

    def bearer(self, tenant: str = "acme", subject: str | None = None) -> TextHeader:
        return self._issuer.bearer(subject or self.name, org={"id": tenant}, scope="mcp:read")

    def note(self, exchange: Exchange) -> Exchange:
        self.exchanges.append(exchange)
        return exchange

    def order(self, name: str) -> dict[str, Any]:
        """Arguments of an order that takes some time, of which nobody hears until it is done."""
        return {"call": name, "pause_ms": self._random.randint(*ORDER_MS)}

    def report(self, name: str) -> tuple[dict[str, Any], int]:
        """Arguments of a report of some length, and how many events it has."""
        steps = self._random.randint(*STEPS)
        return {"call": name, "steps": steps, "pause_ms": self._random.randint(*STEP_MS)}, steps


class ModernWorker(Worker):
    """Each request stands alone. Some of them must be refused."""

    def turns(self) -> Iterator[Callable[[], None]]:
        actions = [
            self.place_order,
            self.write_report,
            self.list_tools,
            self.be_nobody,
            self.lack_scope,
            self.overspend,
        ]
        while True:
            [action] = self._random.choices(actions, [6, 6, 3, 1, 1, 1])
            yield action

    def place_order(self) -> None:
        self._call(Kind.ORDER, "place_order")

    def write_report(self) -> None:
        name = next(self._names)
        arguments, steps = self.report(name)
        headers = [*call_headers("write_report"), self.bearer()]
        body = call("write_report", arguments, name)
        body["params"]["_meta"]["progressToken"] = name
        self.note(ask(self._port, Kind.REPORT, name, body, headers, wanted=steps))

    def list_tools(self) -> None:
        headers = [*modern_headers("tools/list"), self.bearer()]
        name = next(self._names)
        self.note(ask(self._port, Kind.LIST, name, modern("tools/list", id=name), headers))

    def be_nobody(self) -> None:
        name = next(self._names)
        body = call("place_order", {"call": name}, name)
        self.note(ask(self._port, Kind.NOBODY, name, body, call_headers("place_order")))

    def lack_scope(self) -> None:
        self._call(Kind.UNSCOPED, "book_flight")

    def overspend(self) -> None:
        """What is answered 503 costs nothing, and everything else one call."""
        left, who = BUDGET, self.bearer("bounded", f"spender-{next(self._names)}")
        while left:
            left -= self._call(Kind.ORDER, "place_order", who).status < 500
        self._call(Kind.OVER, "place_order", who)

    def _call(self, kind: Kind, tool: str, who: TextHeader | None = None) -> Exchange:
        name = next(self._names)
        headers = [*call_headers(tool), who or self.bearer()]
        return self.note(ask(self._port, kind, name, call(tool, self.order(name), name), headers))


class LegacyWorker(Worker):
    """Opens a session with a stream of its own, works in it for a while, and opens another when it is gone."""

    def turns(self) -> Iterator[Callable[[], None]]:
        while True:
            self._who = self.bearer()
            yield self._open
            if self._session is None:
                continue
            with Connection(self._port, SILENCE_SECONDS) as listener:
                yield lambda listener=listener: self._listen(listener)
                for _ in range(self._random.randint(*SESSION_CALLS)):
                    if self._session is not None:
                        actions = [self.place_order, self.write_report, self.list_tools, self.send_news]
                        yield self._random.choice(actions)
            if self._session is not None:
                with suppress(HTTPException, ConnectionError):
                    send(self._port, "DELETE", self._headers())

    def place_order(self) -> None:
        name = next(self._names)
        self._in_session(Kind.ORDER, name, legacy_call("place_order", self.order(name), name))

    def write_report(self) -> None:
        name = next(self._names)
        arguments, steps = self.report(name)
        body = legacy_call("write_report", arguments, name)
        body["params"]["_meta"] = {"progressToken": name}
        self._in_session(Kind.REPORT, name, body, steps)

    def list_tools(self) -> None:
        name = next(self._names)
        self._in_session(Kind.LIST, name, legacy("tools/list", id=name))

    def send_news(self) -> None:
        name, count = next(self._names), self._random.randint(1, 5)
        body = legacy_call("send_news", {"call": name, "count": count}, name)
        sent = self._in_session(Kind.NEWS, name, body, count, note=False)
        came: list[str] = []
        if sent.text:
            with suppress(HTTPException, ConnectionError, TimeoutError, StopIteration):
                while len(came) < count:
                    found = next(self._arriving)
                    if found.get("method") == "notifications/message":
                        came.append(found["params"]["data"])
        self.note(replace(sent, events=tuple(came), ended=time.monotonic()))
        if len(came) < count:
            self._session = None

    def _open(self) -> None:
        name = next(self._names)
        began = time.monotonic()
        self._session: str | None = None
        self._home = ""
        exchange = Exchange(name, Kind.OPEN, began, began)
        with suppress(HTTPException, ConnectionError):
            answer = post(self._port, initialize(), [self._who, (CALL_HEADER, name)])
            exchange = replace(exchange, status=answer.status)
            if answer.status == 200:
                self._session = answer.headers["mcp-session-id"]
                self._home = answer.json()["result"]["serverInfo"]["name"]
                exchange = replace(exchange, text=f"{Kind.OPEN} at {self._home}")
        self.note(replace(exchange, ended=time.monotonic()))

    def _listen(self, listener: Connection) -> None:
        name = next(self._names)
        began = time.monotonic()
        exchange = Exchange(name, Kind.LISTEN, began, began, home=self._home)
        with suppress(HTTPException, ConnectionError):
            post(self._port, INITIALIZED, self._headers())
            listener.send(request_head("GET", [HOST, STREAM, *self._headers(), (CALL_HEADER, name)]))
            response = listener.head()
            exchange = replace(exchange, status=response.status)
            if response.status == 200:
                self._arriving = (message(event) for event in events(response))
                exchange = replace(exchange, text=str(Kind.LISTEN))
        self.note(replace(exchange, ended=time.monotonic()))
        if not exchange.text:
            self._session = None

    def _in_session(self, kind: Kind, name: str, body: Any, wanted: int = 0, note: bool = True) -> Exchange:
        exchange = ask(self._port, kind, name, body, self._headers(), self._home, wanted)
        if note:
            self.note(exchange)
        if not exchange.text:
            self._session = None
        return exchange

    def _headers(self) -> list[TextHeader]:
        assert self._session is not None
        return [*session_headers(self._session), self._who]
