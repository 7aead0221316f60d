"""Envoy's native filters that ours are compared with."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench import tokens
from bench.tokens import Issuer
from bench.variants import Edit, router_only
from e2e.envoy_config import EnvoyConfig

ENOUGH = 4_000_000_000
"""Requests that `local_ratelimit` lets pass."""
LOCAL_RATELIMIT_OK = "bench.http_local_rate_limit.ok"
METADATA_ADDED = "sse_to_metadata.resp.json.metadata_added"


def natively(*filters: Mapping[str, Any]) -> Edit:
    """Native filters in the filter's place."""

    def edit(config: EnvoyConfig) -> None:
        router_only(config)
        config.http_filters()[:0] = copy.deepcopy(filters)

    return edit


def jwt_authn(issuer: Issuer, cache: Mapping[str, int] | None) -> dict[str, Any]:
    """The filter that wants a token of the issuer's, and remembers those it verified if there is a cache."""
    provider: dict[str, Any] = {
        "issuer": tokens.NAME,
        "audiences": [tokens.AUDIENCE],
        "local_jwks": {"inline_string": json.dumps(issuer.jwks())},
    }
    if cache is not None:
        provider["jwt_cache_config"] = cache
    return {
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"bench": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "bench"}}],
        },
    }


def local_ratelimit(by_principal: bool = False) -> dict[str, Any]:
    """The filter that counts requests, with one bucket for all, or one for each principal."""
    bucket = {"max_tokens": ENOUGH, "tokens_per_fill": ENOUGH, "fill_interval": "86400s"}
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    settings: dict[str, Any] = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "bench",
        "token_bucket": bucket,
        "filter_enabled": always,
        "filter_enforced": always,
    }
    if by_principal:
        header = {"header_name": "x-principal", "descriptor_key": "principal"}
        settings["rate_limits"] = [{"actions": [{"request_headers": header}]}]
        # An entry without a value has a bucket for each value there is.
        settings["descriptors"] = [{"entries": [{"key": "principal"}], "token_bucket": bucket}]
    return {"name": "envoy.filters.http.local_ratelimit", "typed_config": settings}


def sse_to_metadata(path: Sequence[str]) -> dict[str, Any]:
    """The filter that looks for the number at that path in each event."""
    found = {"metadata_namespace": "bench", "key": "found", "type": "NUMBER"}
    rule = {"selectors": [{"key": key} for key in path], "on_present": found}
    parser = {
        "@type": "type.googleapis.com/envoy.extensions.content_parsers.json.v3.JsonContentParser",
        "rules": [{"rule": rule}],
    }
    settings = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.sse_to_metadata.v3.SseToMetadata",
        "response_rules": {"content_parser": {"name": "envoy.content_parsers.json", "typed_config": parser}},
    }
    return {"name": "envoy.filters.http.sse_to_metadata", "typed_config": settings}
