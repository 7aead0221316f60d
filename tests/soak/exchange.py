"""What a client asked and what came of it: all that the oracle is told of a request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What was asked for."""

    ORDER = "orders"
    REPORT = "reports"
    NEWS = "news"
    LIST = "lists"
    OPEN = "clients connected"
    LISTEN = "streams opened"
    NOBODY = "calls without a token"
    UNSCOPED = "calls without the scope"
    OVER = "calls over the quota"


EXECUTED = {Kind.ORDER, Kind.REPORT, Kind.NEWS}
"""What a server writes into the ledger."""

ANONYMOUS = {Kind.LIST, Kind.LISTEN}
"""Whose answers do not say who gave them."""

REFUSED = {Kind.NOBODY: 401, Kind.UNSCOPED: 403, Kind.OVER: 200}
"""What the gateway must answer by itself, and the status it does so with."""


@dataclass(frozen=True)
class Exchange:
    """One request. Times are of `time.monotonic`."""

    call: str
    kind: Kind
    began: float
    ended: float
    status: int = 0
    """0 if there was no answer at all."""
    text: str = ""
    """Of the answer; empty if the server's answer never came."""
    events: tuple[str, ...] = ()
    """The words of the events that came, in order."""
    wanted: int = 0
    """How many events there should be."""
    home: str | None = None
    """The server that has the session it belongs to."""
    silent: bool = False
    """Nothing came in time, neither answer nor error."""


@dataclass(frozen=True)
class Death:
    """A server was killed at some moment between these."""

    server: str
    began: float
    ended: float


def role(server: str) -> str:
    """Of `primary-2`, `primary`."""
    return server.partition("-")[0]
