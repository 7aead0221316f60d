"""The same gateway spoken to in HTTP/2: requests without a length, many streams on one connection."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from e2e.envoy import Envoy
from e2e.messages import call, call_headers, initialize, legacy_call, session_headers
from e2e.raw import MEDIA, TextHeader

CALL_SECONDS = 10.0
PARALLEL = 20


@pytest.fixture
def client(gateway: Envoy) -> Iterator[httpx.Client]:
    with httpx.Client(http1=False, http2=True, timeout=CALL_SECONDS) as http:
        yield http


def post(
    client: httpx.Client, gateway: Envoy, message: object, headers: Sequence[TextHeader], *, length: bool
) -> httpx.Response:
    body = json.dumps(message).encode()
    content = body if length else iter([body[:10], body[10:]])
    answer = client.post(gateway.url, content=content, headers=[*MEDIA, *headers])
    assert answer.http_version == "HTTP/2"
    return answer


@pytest.mark.parametrize("length", [True, False], ids=["length", "no length"])
def test_modern_call(length: bool, client: httpx.Client, gateway: Envoy) -> None:
    message = call("add", {"a": 1, "b": 2})
    answer = post(client, gateway, message, call_headers("add"), length=length)
    assert answer.json()["result"]["content"][0]["text"] == "3"
    refused = post(client, gateway, message, call_headers("other"), length=length)
    assert (refused.status_code, refused.json()["error"]["code"], refused.json()["id"]) == (400, -32020, 1)


def test_legacy_session(client: httpx.Client, gateway: Envoy) -> None:
    opened = post(client, gateway, initialize(), [], length=True)
    session = session_headers(opened.headers["mcp-session-id"])
    answer = post(client, gateway, legacy_call("add", {"a": 1, "b": 2}), session, length=False)
    assert '"text":"3"' in answer.text
    assert answer.headers["mcp-session-id"] == opened.headers["mcp-session-id"]
    assert client.delete(gateway.url, headers=session).status_code == 200


def test_streams_of_one_connection_do_not_mix(client: httpx.Client, gateway: Envoy) -> None:
    """Requests are held and released one by one while others on the connection are held as well."""
    bodies = [
        json.dumps(call("add", {"a": number, "b": 0}, id=number)).encode() for number in range(PARALLEL)
    ]
    headers = [*MEDIA, *call_headers("add")]
    requests = [client.build_request("POST", gateway.url, content=body, headers=headers) for body in bodies]
    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = list(pool.map(client.send, requests))
    for number, answer in enumerate(answers):
        assert answer.json()["id"] == number
        assert answer.json()["result"]["content"][0]["text"] == str(number)
