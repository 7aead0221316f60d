"""Event streams that are measured: a tool that reports its progress, and a model that writes a few tokens at a time."""

import json
from collections.abc import Iterator

EVENTS = 1000
WORDS = ("The", " answer", " to", " that", " is", " forty", "-two", ",", " überall", ".\n", ' "quoted"', " 数字")
TOKENS_IN, TOKENS_OUT = 25, EVENTS - 4


def progress(events: int = EVENTS) -> bytes:
    """An answer to a `tools/call` of so many events: progress notifications, then the result."""
    return b"".join(_events(events))


def result() -> bytes:
    """The result alone."""
    *_, last = _events()
    return last


def long(size: int) -> list[bytes]:
    """About `size` bytes of such an answer, in pieces that each end with an event: the notifications again and again,
    and one result."""
    *notifications, last = _events()
    piece = b"".join(notifications)
    return [piece] * (size // len(piece)) + [last]


def notification(size: int) -> bytes:
    """One event, with as many bytes of text."""
    params = {"level": "info", "data": "x" * size}
    message = {"jsonrpc": "2.0", "method": "notifications/message", "params": params}
    return _event(message)


def completion() -> bytes:
    """An OpenAI chat completion, its usage in the last chunk but the end mark, as `include_usage` asks for it."""
    return b"".join(b"data: " + text + b"\n\n" for text in (*map(_json, _chunks()), b"[DONE]"))


def _events(number: int = EVENTS) -> Iterator[bytes]:
    return (_event(message) for message in _progress(number))


def _progress(events: int) -> Iterator[dict[str, object]]:
    for number in range(1, events):
        text = f"Read page {number} of the archive:{WORDS[number % len(WORDS)]}"
        params = {"progressToken": "bench", "progress": number, "total": events - 1, "message": text}
        yield {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}
    content = [{"type": "text", "text": "The answer is forty-two."}]
    yield {"jsonrpc": "2.0", "id": 1, "result": {"resultType": "complete", "content": content}}


def _chunks() -> Iterator[dict[str, object]]:
    head = {
        "id": "chatcmpl-BXwQjZ0fH1tV7mPq3sLcR2uYdNeKg",
        "object": "chat.completion.chunk",
        "created": 1785542400,
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
        "system_fingerprint": "fp_07871e2ad8",
    }
    deltas = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{"content": WORDS[number % len(WORDS)]} for number in range(TOKENS_OUT)]
    for delta in deltas:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        yield head | {"choices": [choice], "usage": None}
    last = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    yield head | {"choices": [last], "usage": None}
    usage = {
        "prompt_tokens": TOKENS_IN,
        "completion_tokens": TOKENS_OUT,
        "total_tokens": TOKENS_IN + TOKENS_OUT,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    yield head | {"choices": [], "usage": usage}


def _event(message: object) -> bytes:
    return b"event: message\ndata: " + _json(message) + b"\n\n"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
