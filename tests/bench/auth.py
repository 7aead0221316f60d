"""What knowing the caller costs in Envoy: our module and the native `jwt_authn`, with the same keys and tokens.

Both judge tokens by keys that are written in their configuration, so no key server takes part.
"""

from collections.abc import Mapping, Sequence

from bench import tokens
from bench.comparison import Comparison, Reference
from bench.load import Distinct, Load, Same
from bench.natives import jwt_authn, natively
from bench.tokens import Issuer, bearer, tampered
from bench.variants import NATIVE, OTHER_NAME, PLUGIN, ROUTER, Edit, Variant, quiet, router_only
from bench.workload import HEADERS, SMALL, body
from e2e.envoy_config import REPOSITORY, EnvoyConfig

MODULE = REPOSITORY / "dist/mcp_auth.wasm"
JWT_AUTHN, JWT_AUTHN_AND_MCP = "Envoy's native jwt_authn", "Envoy's native jwt_authn and mcp"
TRUSTING, ENFORCING = "mcp_auth, trust_headers", "mcp_auth, enforce"
AIMS_WARM = {TRUSTING: 2.0, ENFORCING: 2.0}
AIMS_COLD = {TRUSTING: 1.5}
REQUESTS_WARM, REQUESTS_COLD = 1000, 200
WARM_ALGORITHM, COLD_ALGORITHMS = "RS256", ("RS256", "ES256")
CACHE = {"jwt_cache_size": 100}
CACHE_HITS = "http.mcp.jwt_authn.jwt_cache_hit"
EXPORT_KEY = "ZXhhbXBsZSBleHBvcnQga2V5IGZvciB4LW1jcC1zZXNzaW9uIQ=="


def comparisons() -> list[Comparison]:
    """What is compared."""
    issuer, content = Issuer(), body(SMALL)
    known, new = same_token(issuer, content, REQUESTS_WARM), distinct_tokens(issuer, content, REQUESTS_COLD)
    return [
        _comparison(warm(issuer), known, "warm", "the same {} token again and again", AIMS_WARM),
        _comparison(cold(issuer), new, "cold", "another {} token with each request", AIMS_COLD),
    ]


def _comparison(
    variants: Sequence[Variant], loads: Mapping[str, Load], name: str, title: str, aims: Mapping[str, float]
) -> Comparison:
    tables = {algorithm: f"auth-{name}-{algorithm.lower()}" for algorithm in loads}
    return Comparison(
        variants,
        {table: loads[algorithm] for algorithm, table in tables.items()},
        {table: title.format(algorithm) for algorithm, table in tables.items()},
        dict.fromkeys(tables.values(), Reference(JWT_AUTHN, "jwt_authn", aims)),
    )


def warm(issuer: Issuer) -> list[Variant]:
    """Configurations that remember a token once it is verified, the baseline first."""
    caching = jwt_authn(issuer, CACHE)
    probe = Probe(issuer, [WARM_ALGORITHM])
    checked = {401: probe.bad, 400: probe.mismatched}
    return [
        Variant(ROUTER, router_only, probe.anything),
        Variant(JWT_AUTHN, natively(caching), probe.good, {401: probe.bad}, CACHE_HITS),
        Variant(JWT_AUTHN_AND_MCP, natively(caching, NATIVE), probe.good, checked, CACHE_HITS),
        _trusting(issuer, probe),
        Variant(ENFORCING, _ours(issuer, "enforce"), probe.good, checked),
    ]


def cold(issuer: Issuer) -> list[Variant]:
    """Configurations for tokens that come once, the baseline first."""
    probe = Probe(issuer, COLD_ALGORITHMS)
    return [
        Variant(ROUTER, router_only, probe.anything),
        Variant(JWT_AUTHN, natively(jwt_authn(issuer, None)), probe.good, {401: probe.bad}),
        _trusting(issuer, probe),
    ]


def same_token(issuer: Issuer, body: bytes, number: int) -> dict[str, Same]:
    """One token, again and again."""
    return {WARM_ALGORITHM: Same(body, number, HEADERS | bearer(issuer.token(WARM_ALGORITHM)))}


def distinct_tokens(issuer: Issuer, body: bytes, number: int) -> dict[str, Distinct]:
    """Another token with each request, by algorithm."""

    def load(algorithm: str) -> Distinct:
        return Distinct(body, number, lambda: HEADERS | bearer(issuer.token(algorithm)))

    return {algorithm: load(algorithm) for algorithm in COLD_ALGORITHMS}


def loading() -> Variant:
    """Our module, to be loaded only."""
    return Variant("mcp_auth", _ours(Issuer(), "enforce"), [])


class Probe:
    """Requests that tell what a configuration checks."""

    def __init__(self, issuer: Issuer, algorithms: Sequence[str]) -> None:
        def signed_by(signer: Issuer) -> list[dict[str, str]]:
            return [bearer(signer.token(algorithm)) for algorithm in algorithms]

        accepted = signed_by(issuer)
        changed = [
            {name: tampered(value) for name, value in token.items()} for token in (*accepted, *signed_by(issuer))
        ]
        self.good = [HEADERS | token for token in accepted]
        """Tokens of the issuer's."""
        self.bad = [HEADERS, *(HEADERS | token for token in (*changed, *signed_by(Issuer())))]
        """No token; tokens that were changed, after they were accepted or before; those of another issuer that
        calls itself and its keys the same."""
        self.mismatched = [OTHER_NAME | token for token in accepted]
        """Good tokens, with a header that the body contradicts."""
        self.anything = [*self.good, *self.bad, *self.mismatched]


def _trusting(issuer: Issuer, probe: Probe) -> Variant:
    return Variant(TRUSTING, _ours(issuer, "trust_headers"), [*probe.good, *probe.mismatched], {401: probe.bad})


def _ours(issuer: Issuer, validation: str) -> Edit:
    settings = {
        "admission": {"validation": validation},
        "auth": {
            "issuers": [{"issuer": tokens.NAME, "audiences": [tokens.AUDIENCE], "jwks": issuer.jwks()}],
            "export_key": EXPORT_KEY,
        },
    }

    def edit(config: EnvoyConfig) -> None:
        quiet(config)
        config.set_module(PLUGIN, MODULE)
        config.replace_settings(PLUGIN, settings)

    return edit
