"""Models' answers in each dialect, in pieces of odd sizes: what their providers say is what is charged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.envoy import Envoy
from e2e.envoy_config import REPOSITORY, EnvoyConfig
from e2e.quota import PLUGIN, QUOTA_YAML, Metered, bearer, limit, limited_by
from e2e.raw import HOST, Connection, Header, request_head
from e2e.upstream import Exchange, ScriptedUpstream

ANSWERS = REPOSITORY / "filters" / "quota" / "tests" / "streams"
COMPLETIONS, GEMINI = "/v1/chat/completions", "/v1beta/models/gemini-x:streamGenerateContent"

EXACT = {
    "anthropic.json": ("/v1/messages", 12 + 2048, 50),
    "anthropic.sse": ("/v1/messages", 1531 + 9000, 142),
    "gemini.json": (GEMINI, 7, 2),
    "gemini.sse": (GEMINI, 403 + 512, 21 + 35),
    "openai-chat.json": (COMPLETIONS, 19, 10),
    "openai-chat.sse": (COMPLETIONS, 176 + 1024, 54 + 256),
    "openai-chat-running-usage.sse": (COMPLETIONS, 40, 3),
    "openai-responses.json": ("/v1/responses", 36, 87),
    "openai-responses.sse": ("/v1/responses", 116 + 384, 33 + 64),
}
"""Where each answer comes from, and the tokens that its provider read (cached ones too) and wrote."""

LIMITS = [
    limit("read", "input_tokens", 1_000_000, match={"tenants": ["*"]}),
    limit("written", "output_tokens", 1_000_000, match={"tenants": ["*"]}),
]


@pytest.fixture(scope="module")
def metered(packaging: str) -> Iterator[Metered]:
    def edit(config: EnvoyConfig) -> None:
        limited_by(*LIMITS, remaining_headers=True)(config)
        config.change_settings(PLUGIN, {"admission": {"llm_paths": ["/v1/*", "/v1beta/*"]}})
        for host in config.connection_manager()["route_config"]["virtual_hosts"]:
            host["routes"][0]["match"] = {"prefix": "/"}

    with ScriptedUpstream() as upstream:
        ports = {"mcp_servers": [upstream.port]}
        with Envoy(QUOTA_YAML, upstreams=ports, edit=edit, concurrency=2) as envoy:
            yield Metered(envoy, upstream)


def prompt(metered: Metered, path: str, tenant: str) -> bytes:
    """Asks a model; the body of its answer."""
    body = b'{"model":"some/model","stream":true,"messages":[{"role":"user","content":"How are the tides?"}]}'
    length = ("content-length", str(len(body)))
    headers: list[Header] = [HOST, ("content-type", "application/json"), length, bearer(tenant)]
    with Connection(metered.port) as client:
        client.send(request_head("POST", headers, path) + body)
        answer = client.answer()
    assert answer.status == 200
    return answer.body


def replay(metered: Metered, file: Path, size: int) -> None:
    """The upstream answers with the file's bytes, so many at a time."""
    body = file.read_bytes()
    media_type = b"text/event-stream" if file.suffix == ".sse" else b"application/json"

    def answer(exchange: Exchange) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n"
        exchange.send(head % media_type)
        for start in range(0, len(body), size):
            exchange.send_chunk(body[start : start + size])
        exchange.end_chunks()

    metered.upstream.answer = answer


@pytest.mark.parametrize("size", [11, 509, 1 << 20], ids=["11 bytes", "509 bytes", "whole"])
@pytest.mark.parametrize("name", EXACT)
def test_what_the_provider_says_is_charged(metered: Metered, name: str, size: int) -> None:
    path, read, written = EXACT[name]
    tenant = f"{name}-{size}"
    replay(metered, ANSWERS / name, size)
    assert prompt(metered, path, tenant) == (ANSWERS / name).read_bytes()
    assert metered.spent(tenant, "read") == read
    assert metered.spent(tenant, "written") == written


def test_a_stream_that_says_nothing_of_its_usage_is_estimated(metered: Metered) -> None:
    replay(metered, ANSWERS / "openai-chat-no-usage.sse", 11)
    prompt(metered, COMPLETIONS, "untold")
    assert 1 < metered.spent("untold", "read") < 100
    assert 5 < metered.spent("untold", "written") < 100


def test_a_client_that_leaves_pays_for_the_words_that_it_got(metered: Metered) -> None:
    whole = (ANSWERS / "openai-chat-no-usage.sse").read_bytes()
    part = whole[: whole.rindex(b"data:", 0, len(whole) * 2 // 3)]

    def answer(exchange: Exchange) -> None:
        exchange.start_events()
        exchange.send_chunk(part)
        exchange.peer_closes_within(5)

    def leave() -> None:
        metered.upstream.answer = answer
        with Connection(metered.port) as client:
            body = b'{"model":"some/model","stream":true,"messages":[]}'
            length = ("content-length", str(len(body)))
            headers: list[Header] = [HOST, ("content-type", "application/json"), length, bearer("leaver")]
            client.send(request_head("POST", headers, COMPLETIONS) + body)
            heard, response = b"", client.head()
            while len(heard) < len(part):
                heard += response.read1()

    leave()
    metered.await_quiet()
    replay(metered, ANSWERS / "openai-chat-no-usage.sse", 1 << 20)
    prompt(metered, COMPLETIONS, "stayer")
    assert 0 < metered.spent("leaver", "written") < metered.spent("stayer", "written")
