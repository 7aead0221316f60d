"""Tokens and what configurations are probed with: good ones verify, the others do not."""

import jwt
import pytest

from bench import auth, tokens
from bench.tokens import ALGORITHMS, Issuer, tampered
from bench.variants import ProbeError, Variant
from bench.workload import HEADERS

ISSUER, OTHER = Issuer(), Issuer()


def verify(token: str) -> dict[str, object]:
    keys = jwt.PyJWKSet.from_dict(ISSUER.jwks())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, [key.algorithm_name], audience=tokens.AUDIENCE, issuer=tokens.NAME)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_tokens_are_distinct_and_verify(algorithm):
    made = [ISSUER.token(algorithm) for _ in range(20)]
    assert len({verify(token)["jti"] for token in made}) == 20
    assert len({verify(token)["sub"] for token in made}) == 20


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_that_was_changed_or_is_anothers_does_not_verify(algorithm):
    for token in (tampered(ISSUER.token(algorithm)), OTHER.token(algorithm)):
        with pytest.raises(jwt.InvalidSignatureError):
            verify(token)


def test_only_the_signature_is_changed():
    for token in ("a.b." + "A" * 20, "a.b." + "B" * 20):
        changed = tampered(token)
        assert changed[:-20] == token[:-20]
        assert sum(before != after for before, after in zip(token, changed, strict=True)) == 1


def test_a_probe_has_good_tokens_and_every_kind_of_bad_ones():
    probe = auth.Probe(ISSUER, ALGORITHMS)

    def holds(headers: dict[str, str]) -> bool:
        try:
            return bool(verify(headers["Authorization"].removeprefix("Bearer ")))
        except (KeyError, jwt.InvalidSignatureError):
            return False

    assert [holds(headers) for headers in probe.good] == [True] * 3
    assert [holds(headers) for headers in probe.bad] == [False] * 10
    assert [holds(headers) for headers in probe.mismatched] == [True] * 3
    assert all(headers["Mcp-Name"] != HEADERS["Mcp-Name"] for headers in probe.mismatched)


def test_a_counter_must_move_with_every_request():
    variant = Variant("cached", lambda _: None, [], {}, "hits")
    variant.confirm({"hits": 101}, 100)
    for counters in ({"hits": 99}, {"misses": 100}, {}):
        with pytest.raises(ProbeError, match="after 100 requests"):
            variant.confirm(counters, 100)
    Variant("any", lambda _: None, []).confirm({}, 100)
