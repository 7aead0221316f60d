"""Agents on the official Python SDK, which connect, call for a while, and connect anew."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import suppress
from dataclasses import replace

import httpx2
from mcp import MCPError

from e2e.agent import Agent
from e2e.raw import TextHeader
from soak.client import CALL_HEADER, TOOLS
from soak.exchange import Exchange, Kind
from soak.workers import SESSION_CALLS, Worker

EVENT_SECONDS = 2.0
"""The client hands an event on in its own time."""
TIMED_OUT = "timed out"


class Bearer(httpx2.Auth):
    """A token of the soak's own issuer."""

    def __init__(self, header: TextHeader) -> None:
        self._name, self._value = header

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers[self._name] = self._value
        yield request


class ModernSdkWorker(Worker):
    """Works in no session."""

    mode = "auto"

    def turns(self) -> Iterator[Callable[[], None]]:
        while True:
            agent = Agent(f"http://127.0.0.1:{self._port}/mcp", self.name, self.mode, Bearer(self.bearer()))
            yield lambda agent=agent: self._connect(agent)
            if not self._connected:
                continue
            try:
                for _ in range(self._random.randint(*SESSION_CALLS)):
                    if self._connected:
                        act = self._random.choice([self._place_order, self._write_report, self._list_tools])
                        yield lambda act=act, agent=agent: act(agent)
            finally:
                # A client whose answer broke off in the middle of its JSON is broken as a whole.
                with suppress(Exception):
                    agent.__exit__()

    def _connect(self, agent: Agent) -> None:
        exchange = self._begin(agent, Kind.OPEN)
        self._connected = False
        self._home: str | None = None
        try:
            agent.__enter__()
        except Exception:  # of many kinds, in groups of groups; what came of it is in the status
            self.note(self._ended(agent, exchange))
            return
        self._connected = True
        self._home = agent.server if self.mode == "legacy" else None
        self.note(self._ended(agent, exchange, f"{Kind.OPEN} at {agent.server}"))

    def _place_order(self, agent: Agent) -> None:
        exchange = self._begin(agent, Kind.ORDER)
        self._call(agent, exchange, "place_order", self.order(exchange.call))

    def _write_report(self, agent: Agent) -> None:
        exchange = self._begin(agent, Kind.REPORT)
        arguments, steps = self.report(exchange.call)
        self._call(agent, replace(exchange, wanted=steps), "write_report", arguments)

    def _list_tools(self, agent: Agent) -> None:
        exchange = self._begin(agent, Kind.LIST)
        try:
            missing = TOOLS - set(agent.list_tools())
            text = f"{Kind.LIST} without {missing}" if missing else str(Kind.LIST)
            self.note(self._ended(agent, exchange, text))
        except MCPError as error:
            self._failed(agent, exchange, error)

    def _call(self, agent: Agent, exchange: Exchange, tool: str, arguments: dict[str, object]) -> None:
        pending = agent.begin(tool, **arguments)
        events: list[str] = []
        try:
            text = pending.result()
            for _ in range(exchange.wanted):
                events.append(pending.events.get(timeout=EVENT_SECONDS))
            self.note(replace(self._ended(agent, exchange, text), events=tuple(events)))
        except queue.Empty:
            self.note(replace(self._ended(agent, exchange, text), events=tuple(events)))
        except (MCPError, NoAnswer) as error:
            self._failed(agent, replace(exchange, events=tuple(pending.events.queue)), error)

    def _failed(self, agent: Agent, exchange: Exchange, error: Exception) -> None:
        silent = isinstance(error, NoAnswer) or TIMED_OUT in str(error)
        self.note(replace(self._ended(agent, exchange), silent=silent))
        self._connected = False

    def _begin(self, agent: Agent, kind: Kind) -> Exchange:
        name, now = next(self._names), time.monotonic()
        agent.headers[CALL_HEADER] = name
        return Exchange(name, kind, now, now, home=self._home if kind is not Kind.OPEN else None)

    def _ended(self, agent: Agent, exchange: Exchange, text: str = "") -> Exchange:
        status = agent.statuses[-1] if agent.statuses else 0
        return replace(exchange, ended=time.monotonic(), status=status, text=text)


class LegacySdkWorker(ModernSdkWorker):
    """Works in a session, and opens another when it is gone."""

    mode = "legacy"
