"""The demo's reckoning: what the gateway counted of the story, beside what the servers wrote down."""

from __future__ import annotations

from contextlib import suppress

from e2e.picture import CALLS, Picture, await_true, metric, settled
from transcript import Transcript

FIRST_EVENT = "mcp_sse_first_event_milliseconds_bucket"
BUCKETS = ("50", "250", "1000")


def balance(say: Transcript, scene: Picture) -> None:
    say.section(
        "5. The books",
        """What /stats/prometheus and the access log say of all this. A call is charged when it begins, and given
        back if it comes to nothing (5xx). The time to the first event of each stream is measured.""",
    )
    calls = [entry for entry in scene.gateway.settled_log() if entry["method"] == "tools/call"]

    def counted() -> dict[str, int]:
        stages = ("reserved", "settled", "refunded")
        return {
            stage: metric(scene.gateway, "mcp_quota_units", limit="calls", stage=stage) for stage in stages
        }

    with suppress(AssertionError):  # once a second the gateway says what it counted
        await_true(
            lambda: counted()["reserved"] == len(calls) and settled(scene.gateway, "calls"), "it has counted"
        )
    units = counted()
    failed = sum(entry["status"] >= 500 for entry in calls)
    latency = {bucket: metric(scene.gateway, FIRST_EVENT, le=bucket) for bucket in (*BUCKETS, "+Inf")}
    again = [entry for entry in scene.gateway.settled_log() if entry["attempts"] > 1]
    say.line()
    say.table(
        [],
        [
            ["calls begun", units["reserved"], f"of {CALLS} that each caller has"],
            ["  charged", units["settled"], ""],
            ["  given back", units["refunded"], "they were answered 503"],
            ["requests of two attempts", len(again), "access log: attempts"],
            ["streams by their first event", latency["+Inf"], spread(latency)],
        ],
    )
    say.line()
    say.check(units["reserved"] == len(calls), "each call was counted, and counted once", (units, len(calls)))
    say.check(
        units["refunded"] == failed > 0, "what was answered 503 was given back, and nothing else", units
    )
    doubles = [line for line in scene.ledger.lines() if len(scene.ledger.began(line["call"])) != 1]
    say.check(
        not doubles,
        f"{len(scene.ledger.began())} executions in the ledgers, and none is there twice",
        doubles,
    )
    say.check(latency["+Inf"] > 0, "the time to the first event is known", latency)


def spread(latency: dict[str, int]) -> str:
    """How many streams had their first event that soon; the buckets are cumulative."""
    soon = [f"≤ {bucket} ms: {latency[bucket]}" for bucket in BUCKETS]
    return ", ".join([*soon, f"later: {latency['+Inf'] - latency[BUCKETS[-1]]}"])
