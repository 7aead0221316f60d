"""A limit is one limit: however many connections and workers its calls come in by, and whatever is changed in
the configuration meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, EnvoyConfig
from e2e.messages import call, call_headers
from e2e.quota import PLUGIN, QUOTA_YAML, bearer, is_refused, left, limit, limited_by
from e2e.raw import HOST, MEDIA, Answer, Connection, post, request_head

PACKAGINGS = ["alone"]  # it measures, and exchanges the plugin by a file

UPSTREAM_YAML = REPOSITORY / "tests" / "bench" / "upstream.yaml"
CONNECTIONS = 32
HUNDRED, THOUSANDS, PLENTY = 100, 2_000, 10_000_000
RESERVED = 50
"""More tokens than an answer of the upstream has."""

RELOADS = f"extension_config_discovery.http_filter.{PLUGIN}.config_reload"

Use = Callable[[Connection, bytes, int], list[Answer]]

LIMITS = [
    limit("hundred", "requests", HUNDRED),
    limit("thousands", "requests", THOUSANDS),
    limit("narrow", "requests", HUNDRED, key=["tenant", "principal"]),
    limit("wide", "requests", PLENTY, match={"tenants": ["narrow*"]}),
    limit("tokens", "output_tokens", THOUSANDS, reserve=RESERVED),
    limit("plenty", "output_tokens", PLENTY, reserve=RESERVED),
]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Envoy]:
    """Fast enough that both workers are busy."""
    with Envoy(UPSTREAM_YAML) as envoy:
        yield envoy


@pytest.fixture(scope="module")
def gateway(packaging: str, upstream: Envoy) -> Iterator[Envoy]:
    edit = limited_by(*LIMITS, remaining_headers=True)
    with Envoy(QUOTA_YAML, upstreams={"mcp_servers": [upstream.port]}, edit=edit, concurrency=2) as envoy:
        yield envoy


def ask(gateway: Envoy, tenant: str, subject: str = "ann") -> Answer:
    return post(gateway.port, call("add"), [*call_headers("add"), bearer(tenant, subject)])


def call_often(client: Connection, request: bytes, calls: int) -> list[Answer]:
    """Each call once the one before it is answered."""
    answers = []
    for _ in range(calls):
        client.send(request)
        answers.append(client.answer())
    return answers


def call_at_once(client: Connection, request: bytes, calls: int) -> list[Answer]:
    """All calls one behind the other. Envoy closes a connection on which it has refused several that way."""
    client.send(request * calls)
    return client.answers(calls)


def flood(gateway: Envoy, tenant: str, calls: int, use: Use = call_often) -> list[Answer]:
    """So many calls on each of many connections at the same time, of which each worker has some."""
    body = json.dumps(call("add")).encode()
    headers = [HOST, *MEDIA, ("content-length", str(len(body))), *call_headers("add"), bearer(tenant)]
    request = request_head("POST", headers) + body
    before = connections(gateway)
    with ExitStack() as stack, ThreadPoolExecutor(CONNECTIONS) as pool:
        clients = [stack.enter_context(Connection(gateway.port)) for _ in range(CONNECTIONS)]
        found = pool.map(lambda client: use(client, request, calls), clients)
        answers = [answer for of_one in found for answer in of_one]
    assert [answer.status for answer in answers] == [200] * (CONNECTIONS * calls)
    taken = [now - then for now, then in zip(connections(gateway), before, strict=True)]
    assert sum(taken) == CONNECTIONS and min(taken) > 0, f"the workers took {taken} connections"
    return answers


def connections(gateway: Envoy) -> list[int]:
    """How many connections each worker has taken."""
    return list(gateway.stats(r"^listener\..*\.worker_[01]\.downstream_cx_total$").values())


def arrived(upstream: Envoy) -> int:
    return upstream.stats(r"^http\.upstream\.downstream_rq_total$")["http.upstream.downstream_rq_total"]


@pytest.mark.parametrize(("tenant", "amount"), [("hundred", HUNDRED), ("thousands", THOUSANDS)])
def test_as_many_calls_pass_as_are_allowed(
    gateway: Envoy, upstream: Envoy, tenant: str, amount: int
) -> None:
    before = arrived(upstream)
    answers = flood(gateway, tenant, 2 * amount // CONNECTIONS)
    assert sum(not is_refused(answer) for answer in answers) == amount
    assert arrived(upstream) - before == amount, "no more reached the upstream"


def test_what_one_limit_refuses_no_other_is_charged(gateway: Envoy) -> None:
    """Which of the two is asked first is chance, so there are several tenants."""
    for tenant in [f"narrow-{number}" for number in range(8)]:
        answers = flood(gateway, tenant, 5)
        assert sum(not is_refused(answer) for answer in answers) == HUNDRED
        assert left(ask(gateway, tenant, "ben"))["wide"] == PLENTY - HUNDRED - 1


def test_what_calls_cost_is_settled_to_the_token(gateway: Envoy) -> None:
    each = cost_of_one(gateway)
    before = left(ask(gateway, "plenty"))["plenty"]
    answers = flood(gateway, "plenty", 150, call_at_once)
    assert not any(is_refused(answer) for answer in answers)
    assert before - left(ask(gateway, "plenty"))["plenty"] == (len(answers) + 1) * each


def test_tokens_are_never_more_than_allowed(gateway: Envoy) -> None:
    each = cost_of_one(gateway)
    answers = flood(gateway, "tokens", 40)
    allowed = sum(not is_refused(answer) for answer in answers)
    rest = THOUSANDS - allowed * each
    # Calls are refused for what others have in reserve, and for nothing else.
    assert allowed < len(answers) and 0 <= rest < CONNECTIONS * RESERVED
    standing = ask(gateway, "tokens")
    assert left(standing)["tokens"] == (rest if is_refused(standing) else rest - RESERVED)


def cost_of_one(gateway: Envoy) -> int:
    """What an answer of the upstream costs, as one call after the other shows."""
    first, second = [left(ask(gateway, "plenty", "meter"))["plenty"] for _ in range(2)]
    assert 0 < first - second < RESERVED
    return first - second


def test_counts_go_on_when_a_limit_is_changed(upstream: Envoy, tmp_path: Path) -> None:
    """As operators do it: the filter's configuration is a file that Envoy watches (ECDS)."""
    watched, later = tmp_path / "now.json", tmp_path / "later.json"

    def edit(config: EnvoyConfig) -> None:
        limited_by()(config)
        for amount, file in [(HUNDRED, watched), (HUNDRED + 50, later)]:
            config.change_settings(PLUGIN, {"quota": {"limits": [limit("changed", "requests", amount)]}})
            config.save_plugin(PLUGIN, file)
        config.discover_plugin(PLUGIN, watched)

    with Envoy(QUOTA_YAML, upstreams={"mcp_servers": [upstream.port]}, edit=edit, concurrency=2) as gateway:
        before = flood(gateway, "changed", 2)
        assert not any(is_refused(answer) for answer in before)
        later.rename(watched)
        gateway.await_stat(RELOADS, lambda count: count == 2)
        after = flood(gateway, "changed", 5)
        assert sum(not is_refused(answer) for answer in after) == HUNDRED + 50 - len(before)
