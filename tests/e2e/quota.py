"""envoy/quota.yaml with limits of a test's own, the callers that they are for, and what was charged.

Every test is a tenant of its own, so tests that share a gateway share no counter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, EnvoyConfig
from e2e.identity import Issuer
from e2e.messages import call, call_headers
from e2e.raw import Answer, TextHeader, post
from e2e.upstream import Exchange, ScriptedUpstream

QUOTA_YAML = REPOSITORY / "envoy" / "quota.yaml"
PLUGIN = "mcp_quota"
ISSUER = Issuer()

FOREVER = "32days"
"""A window in which nothing is regained while a test runs."""

LEFT = re.compile(r'"([^"]+)";r=(\d+)')

Limit = dict[str, Any]


def limit(name: str, unit: str, amount: int, *, key: Sequence[str] = ("tenant",), **more: Any) -> Limit:
    """A limit for the tenants whose names begin with its own."""
    match = {"tenants": [f"{name}*"]}
    common = {"name": name, "unit": unit, "limit": amount, "window": FOREVER, "match": match}
    return {**common, "key": list(key), **more}


def limited_by(*limits: Limit, **settings: Any) -> Callable[[EnvoyConfig], None]:
    """Puts these limits in the place of those that are there, and trusts the tokens of the tests."""

    def edit(config: EnvoyConfig) -> None:
        ISSUER.replace_authority(config)
        config.change_settings(PLUGIN, {"quota": {"limits": list(limits), **settings}})

    return edit


def bearer(tenant: str, subject: str = "ann", **claims: object) -> TextHeader:
    return ISSUER.bearer(subject, org={"id": tenant}, **claims)


def left(answer: Answer) -> dict[str, int]:
    """What an answer says is left of each limit."""
    return {name: int(rest) for name, rest in LEFT.findall(answer.headers.get("ratelimit", ""))}


def is_refused(answer: Answer) -> bool:
    """Whether a call was refused for its quota, as the result of a tool that failed."""
    return b"Quota exceeded" in answer.body and answer.json()["result"]["isError"] is True


def words(answer: Answer) -> str:
    """The text of a tool's result."""
    return answer.json()["result"]["content"][0]["text"]


@dataclass(frozen=True)
class Metered:
    """A gateway with limits in front of a scripted upstream."""

    gateway: Envoy
    upstream: ScriptedUpstream

    @property
    def port(self) -> int:
        return self.gateway.port

    def call(self, tenant: str, answer: Callable[[Exchange], None]) -> Answer:
        """A tool call that the upstream answers so."""
        self.upstream.answer = answer
        return post(self.port, call("add"), [*call_headers("add"), bearer(tenant)])

    def spent(self, tenant: str, name: str | None = None) -> int:
        """How much this tenant has used up of the limit of that name, or of the one that has its own: what a
        tenant that never called has left, and this one does not. Both are asked by calls that fail, so that
        looking costs nothing."""
        family = tenant.partition("-")[0]
        fresh, used = [left(self.call(asked, fail)) for asked in (f"{family}-fresh", tenant)]
        return fresh[name or family] - used[name or family]

    def await_quiet(self) -> None:
        """Returns once no exchange is open, so all are settled."""
        self.gateway.await_stat("http.mcp.downstream_rq_active", lambda active: active == 0)


def fail(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")


def result(text: str) -> bytes:
    """A tool's result of one text."""
    content = [{"type": "text", "text": text}]
    return json.dumps(
        {"jsonrpc": "2.0", "id": 1, "result": {"resultType": "complete", "content": content}}
    ).encode()


def answering(text: str) -> Callable[[Exchange], None]:
    """Answers with a tool's result of that text."""
    return lambda exchange: exchange.send_json(result(text))
