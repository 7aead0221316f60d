"""The streams and requests that counting is measured with, and what their configurations are made of."""

import json

import pytest

from bench import auth, gateway, quota, session, sse, streams
from bench.fleet import UPSTREAM
from bench.variants import SHIPPED
from e2e.envoy_config import EnvoyConfig


def data(stream: bytes) -> list[bytes]:
    """What the events of a stream say."""
    events = stream.split(b"\n\n")
    assert events.pop() == b"", "the last event is complete"
    return [event.removeprefix(b"event: message\n").removeprefix(b"data: ") for event in events]


def test_a_tool_reports_its_progress_and_answers_last():
    *notifications, result = map(json.loads, data(streams.progress()))
    assert len(notifications) == streams.EVENTS - 1
    assert {message["method"] for message in notifications} == {"notifications/progress"}
    assert [message["params"]["progress"] for message in notifications] == list(range(1, streams.EVENTS))
    assert result["id"] == 1 and "result" in result


def test_a_model_writes_as_many_tokens_as_it_says_last():
    *chunks, usage, end = data(streams.completion())
    assert len(chunks) + 2 == streams.EVENTS
    assert end == b"[DONE]"
    deltas = [json.loads(chunk)["choices"][0]["delta"] for chunk in chunks]
    written = [delta["content"] for delta in deltas if delta.get("content")]
    said = json.loads(usage)["usage"]
    assert said["completion_tokens"] == len(written) == streams.TOKENS_OUT
    assert said["total_tokens"] == said["prompt_tokens"] + said["completion_tokens"]


def test_the_upstream_answers_with_a_stream_on_its_path_alone():
    config = EnvoyConfig.load(UPSTREAM)
    quota.answer_with_streams(config)
    (host,) = config.connection_manager()["route_config"]["virtual_hosts"]
    answers = {str(route["match"]): route for route in host["routes"]}
    types = {match: route["response_headers_to_add"][0]["header"]["value"] for match, route in answers.items()}
    assert types == {
        str({"path": quota.EVENTS_PATH}): "text/event-stream",
        str({"path": quota.COMPLETIONS_PATH}): "text/event-stream",
        str({"prefix": "/"}): "application/json",
    }
    assert host["routes"][-1]["match"] == {"prefix": "/"}, "the first that matches is taken"


COMPARISONS = [
    gateway.Compared(SHIPPED).comparison(),
    session.comparison(SHIPPED),
    sse.Compared(SHIPPED).comparison(),
    *auth.comparisons(),
    *quota.comparisons(SHIPPED),
]


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda comparison: next(iter(comparison.loads)))
def test_what_is_compared_is_there(comparison):
    names = [variant.name for variant in comparison.variants]
    assert len(set(names)) == len(names)
    assert comparison.loads.keys() == comparison.titles.keys() == comparison.references.keys()
    for reference in comparison.references.values():
        assert {reference.name, *reference.aims} <= set(names)


def test_a_limit_for_each_key_in_each_window_has_none_for_nobody():
    made = quota.limits("tokens", "tenant", "principal+tool", windows=("1m", "1h"))
    assert [(limit["key"], limit["window"]) for limit in made] == [
        (["tenant"], "1m"),
        (["tenant"], "1h"),
        (["principal", "tool"], "1m"),
        (["principal", "tool"], "1h"),
    ]
    assert len({limit["name"] for limit in made}) == 4
    assert all(limit["overrides"] == [{"tenants": [quota.NOBODY], "limit": 0}] for limit in made)
