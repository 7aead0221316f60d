"""When the memory of an Envoy is read while it answers very many requests."""

from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from bench import endurance, fleet, memory
from bench.memory import Memory
from bench.variants import Variant

VARIANT = Variant("ours", lambda _: None, [])


@dataclass
class Sent:
    """Remembers the turns in which it was sent."""

    number: int
    body: bytes = b""
    path: str = "/mcp"
    turns: list[int] = field(default_factory=list)

    def drive(self, url: str, turn: int) -> None:
        self.turns.append(turn)


@pytest.fixture
def envoy(monkeypatch):
    class Envoy:
        url = "http://127.0.0.1:1/mcp"

    @contextmanager
    def started(variants, *_):
        yield {variant.name: Envoy() for variant in variants}

    confirmed = []
    monkeypatch.setattr(fleet, "started", started)
    monkeypatch.setattr(fleet, "confirm", lambda _, __, requests: confirmed.append(requests))
    monkeypatch.setattr(memory, "of", lambda _: Memory(0, 0, 0))
    return confirmed


@pytest.mark.parametrize("requests", [1000, 1001, 12345])
def test_memory_is_read_after_the_first_requests_and_after_all(envoy, requests):
    made: list[list[Sent]] = []

    def loads() -> list[Sent]:
        made.append([Sent(9), Sent(1)])
        return made[-1]

    readings = endurance.measure(VARIANT, loads, requests, lambda _: None)
    counts = [reading.requests for reading in readings]
    assert counts[0] == 10 and counts[-2] < requests <= counts[-1] < requests + 10
    assert counts == sorted(set(counts)) and len(counts) == endurance.READINGS
    assert [[load.turns for load in each] for each in made] == [[[turn]] * 2 for turn in range(counts[-1] // 10)]
    assert envoy == [counts[-1]], "each must have been counted"


def test_it_is_not_read_twice_after_the_same_requests(envoy):
    readings = endurance.measure(VARIANT, lambda: [Sent(10)], 30, lambda _: None)
    assert [reading.requests for reading in readings] == [10, 20, 30]
