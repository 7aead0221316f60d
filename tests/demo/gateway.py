"""The demo's second half: every filter in one module, before a primary and a backup server."""

from __future__ import annotations

from pathlib import Path

from callers import EXPECTED, call_tools
from transcript import Transcript

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, Endpoint, EnvoyConfig
from e2e.identity import AUDIENCE, ISSUER, Issuer
from e2e.messages import call, call_headers
from e2e.quota import left
from e2e.raw import Answer, TextHeader, post
from e2e.servers import McpServer, dual_era

CONFIGURATION = REPOSITORY / "envoy" / "gateway.yaml"
MODULE = REPOSITORY / "dist" / "mcp_gateway.wasm"

ALLOWED = 3
LIMIT = {
    "name": "additions",
    "key": ["principal"],
    "match": {"methods": ["tools/call"], "names": ["add"]},
    "unit": "requests",
    "limit": ALLOWED,
    "window": "1h",
}


def trust(issuer: Issuer, config: EnvoyConfig) -> None:
    """Takes the demo's tokens, and a limit that is soon used up beside those of the file."""
    known = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": {"keys": [issuer.key]}, "tenant_claim": "org.id"}
    limits = config.settings("mcp_gateway")["quota"]["limits"]
    config.change_settings(
        "mcp_gateway", {"auth": {"issuers": [known]}, "quota": {"limits": [*limits, LIMIT]}}
    )


def bearer(issuer: Issuer, subject: str) -> TextHeader:
    return issuer.bearer(subject, org={"id": "acme"}, scope="mcp:read mcp:write")


def said(answer: Answer) -> str:
    return answer.json()["result"]["content"][0]["text"]


def costs(say: Transcript, gateway: Envoy, issuer: Issuer) -> None:
    say.section(
        "6. What it costs",
        """All filters in one module: who calls is in the token, and each caller has a quota. A call that is
        refused is answered as a tool that failed, so the model reads why, and for how long.""",
    )

    def add(subject: str) -> Answer:
        sent = [*call_headers("add"), bearer(issuer, subject)]
        return post(gateway.port, call("add", {"a": 20, "b": 22}), sent)

    answers = [add("carol") for _ in range(ALLOWED + 1)]
    say.line()
    rows = [
        (f"add, call {number}", said(answer), left(answer).get("additions"))
        for number, answer in enumerate(answers, 1)
    ]
    say.table(["Carol", "the answer", "left"], rows)
    say.line()
    passed = [said(answer) == "42" for answer in answers]
    say.check(passed == [True] * ALLOWED + [False], f"{ALLOWED} allowed are {ALLOWED} allowed", passed)
    last = answers[-1]
    say.check(last.status == 200 and last.json()["result"]["isError"], "the refusal is a tool's result", last)
    say.check(said(add("dave")) == "42", "Dave has a quota of his own")


def failover(say: Transcript, gateway: Envoy, issuer: Issuer, primary: McpServer, backup: McpServer) -> None:
    say.section(
        "7. When the primary is gone",
        """Nobody listens there any more. What never reached it is sent to the backup, at once; what may have been
        done is never done twice.""",
    )
    primary.stop()
    report, entries = gateway.logged(
        lambda: call_tools(gateway.url, "auto", "modern-demo", bearer(issuer, "erin"))
    )
    say.line(f"\n  The primary (port {primary.port}) was stopped. What a client did and got:")
    say.table([], report.steps)
    say.line()
    got = [text for _, text in report.steps[1:]]
    say.check(got == EXPECTED, "every call got an answer, questions in mid-call included", got)
    served = {entry["upstream"] for entry in entries if entry["method"] == "tools/call"}
    say.check(served == {f"127.0.0.1:{backup.port}"}, f"from the backup (port {backup.port})", served)


def run(say: Transcript, directory: Path) -> None:
    issuer = Issuer()
    with dual_era(directory, "primary") as primary, dual_era(directory, "backup") as backup:
        servers = {"mcp_servers": [Endpoint(primary.port), Endpoint(backup.port, priority=1)]}
        with Envoy(CONFIGURATION, upstreams=servers, edit=lambda config: trust(issuer, config)) as gateway:
            costs(say, gateway, issuer)
            failover(say, gateway, issuer, primary, backup)
