#!/usr/bin/env bash
# The routes of apisix.yaml through the Admin API, for an APISIX that keeps them in etcd. Puts each object in the place
# of the one with its name, so it can run again.
#
#   APISIX_ADMIN=http://127.0.0.1:9180 APISIX_ADMIN_KEY=… apisix/admin.sh
#
# CHANGE here what is marked CHANGE in apisix.yaml; a test holds the two to each other. Every APISIX, the one with the
# Admin API too, needs config.yaml with `wasm`, but for its `deployment` section and `enable_admin`.
set -euo pipefail

: "${APISIX_ADMIN:?the base URL of the Admin API, as http://127.0.0.1:9180}"
: "${APISIX_ADMIN_KEY:?the key of the Admin API}"

# Puts the object on standard input. The key reaches curl by a pipe: an argument could be seen by everyone here.
put() {
  local answer
  answer=$(curl --silent --show-error --fail-with-body --max-time 10 --request PUT \
    --header "Content-Type: application/json" --header @<(printf 'X-API-KEY: %s\n' "$APISIX_ADMIN_KEY") \
    --data-binary @- "$APISIX_ADMIN/apisix/admin/$1") ||
    { printf 'admin.sh: %s was not put. %s\n' "$1" "$answer" >&2; exit 1; }
  printf 'put %s\n' "$1"
}

put upstreams/mcp_once <<'JSON'
{
  "type": "chash",
  "hash_on": "header",
  "key": "x-mcp-affinity",
  "retries": 0,
  "nodes": [
    { "host": "127.0.0.1", "port": 3901, "weight": 1, "priority": 0 },
    { "host": "127.0.0.1", "port": 3902, "weight": 1, "priority": -1 }
  ],
  "timeout": { "connect": 2, "send": 60, "read": 3600 },
  "checks": {
    "active": {
      "type": "http",
      "http_path": "/health",
      "timeout": 1,
      "healthy": { "interval": 2, "successes": 1, "http_statuses": [200] },
      "unhealthy": {
        "interval": 1,
        "http_failures": 2,
        "tcp_failures": 1,
        "timeouts": 2,
        "http_statuses": [500, 502, 503, 504]
      }
    },
    "passive": {
      "type": "http",
      "healthy": { "successes": 1, "http_statuses": [200, 202] },
      "unhealthy": { "http_failures": 3, "tcp_failures": 1, "timeouts": 2, "http_statuses": [502, 503] }
    }
  }
}
JSON

put upstreams/mcp_retry <<'JSON'
{
  "type": "chash",
  "hash_on": "header",
  "key": "x-mcp-affinity",
  "retries": 1,
  "nodes": [
    { "host": "127.0.0.1", "port": 3901, "weight": 1, "priority": 0 },
    { "host": "127.0.0.1", "port": 3902, "weight": 1, "priority": -1 }
  ],
  "timeout": { "connect": 2, "send": 10, "read": 30 },
  "checks": {
    "active": {
      "type": "http",
      "http_path": "/health",
      "timeout": 1,
      "healthy": { "interval": 2, "successes": 1, "http_statuses": [200] },
      "unhealthy": {
        "interval": 1,
        "http_failures": 2,
        "tcp_failures": 1,
        "timeouts": 2,
        "http_statuses": [500, 502, 503, 504]
      }
    },
    "passive": {
      "type": "http",
      "healthy": { "successes": 1, "http_statuses": [200, 202] },
      "unhealthy": { "http_failures": 3, "tcp_failures": 1, "timeouts": 2, "http_statuses": [502, 503] }
    }
  }
}
JSON

put upstreams/mcp_large <<'JSON'
{
  "type": "roundrobin",
  "retries": 0,
  "nodes": [{ "host": "127.0.0.1", "port": 3903, "weight": 1, "priority": 0 }],
  "timeout": { "connect": 2, "send": 60, "read": 3600 }
}
JSON

put upstreams/mcp_next <<'JSON'
{
  "type": "roundrobin",
  "retries": 0,
  "nodes": [{ "host": "127.0.0.1", "port": 3904, "weight": 1, "priority": 0 }],
  "timeout": { "connect": 2, "send": 60, "read": 3600 }
}
JSON

put routes/mcp <<'JSON'
{
  "uris": ["/mcp", "/.well-known/oauth-protected-resource/mcp"],
  "upstream_id": "mcp_once",
  "plugins": {
    "serverless-pre-function": {
      "phase": "rewrite",
      "functions": [
        "return function()\n  if not require(\"apisix.plugin\").get(\"mcp_gateway\") then\n    return require(\"apisix.core\").response.exit(503)\n  end\nend\n"
      ]
    },
    "mcp_gateway": {
      "conf": {
        "admission": {
          "paths": ["/mcp"],
          "origins": ["https://app.example.com"],
          "cors": { "max_age": "10m" },
          "max_body": "1MiB"
        },
        "auth": {
          "issuers": [
            {
              "issuer": "https://login.example.com",
              "audiences": ["https://mcp.example.com/mcp"],
              "jwks": { "service": "login.example.com:443" },
              "tenant_claim": "org.id"
            }
          ],
          "metadata": {
            "resource": "https://mcp.example.com/mcp",
            "authorization_servers": ["https://login.example.com"],
            "scopes_supported": ["mcp:read", "mcp:write"]
          },
          "scopes": ["mcp:read"],
          "rules": [
            { "name": "nobody_deletes", "action": "deny", "methods": ["tools/call"], "names": ["delete_*"] },
            {
              "name": "bookings",
              "action": "allow",
              "methods": ["tools/call"],
              "names": ["book_*"],
              "scopes": { "all_of": ["mcp:write"] }
            },
            { "name": "no_bookings_without", "action": "deny", "methods": ["tools/call"], "names": ["book_*"] },
            { "name": "the_rest", "action": "allow", "scopes": { "all_of": ["mcp:read"] } }
          ],
          "list_filtering": "best_effort",
          "export_key": "ZXhhbXBsZSBleHBvcnQga2V5IGZvciB4LW1jcC1zZXNzaW9uIQ=="
        },
        "session": {
          "secrets": ["ZXhhbXBsZSBzZXNzaW9uIHJpbmcga2V5LCBub3QgYSBzZWNyZXQh"],
          "export_key": "ZXhhbXBsZSBleHBvcnQga2V5IGZvciB4LW1jcC1zZXNzaW9uIQ==",
          "ttl": "24h",
          "affinity": "token"
        },
        "quota": {
          "workers": 2,
          "limits": [
            { "name": "tenant-requests", "key": ["tenant"], "unit": "requests", "limit": 6000, "window": "1m" },
            {
              "name": "caller-tokens",
              "key": ["principal"],
              "unit": "tokens",
              "limit": 1000000,
              "window": "24h",
              "reserve": 500
            },
            { "name": "open-calls", "key": ["principal"], "unit": "concurrent", "limit": 20 }
          ]
        }
      }
    },
    "traffic-split": {
      "rules": [
        {
          "match": [{ "vars": [["http_x_mcp_session", "~~", "."]] }],
          "weighted_upstreams": [{ "upstream_id": "mcp_once", "weight": 1 }]
        },
        {
          "match": [
            {
              "vars": [
                [
                  "http_x_mcp_method",
                  "in",
                  [
                    "initialize",
                    "server/discover",
                    "tools/list",
                    "prompts/list",
                    "resources/list",
                    "resources/templates/list"
                  ]
                ]
              ]
            }
          ],
          "weighted_upstreams": [{ "upstream_id": "mcp_retry", "weight": 1 }]
        },
        {
          "match": [
            {
              "vars": [
                ["http_x_mcp_era", "==", "modern"],
                ["http_x_mcp_method", "==", "tools/call"],
                ["http_x_mcp_name", "==", "summarize"]
              ]
            }
          ],
          "weighted_upstreams": [{ "upstream_id": "mcp_large", "weight": 1 }]
        },
        {
          "match": [{ "vars": [["http_x_mcp_era", "==", "modern"], ["http_x_mcp_agent", "==", "nightly-batch"]] }],
          "weighted_upstreams": [
            { "upstream_id": "mcp_next", "weight": 1 },
            { "upstream_id": "mcp_once", "weight": 9 }
          ]
        }
      ]
    }
  }
}
JSON

put routes/metered <<'JSON'
{
  "uris": ["/metered/mcp", "/.well-known/oauth-protected-resource/metered/mcp"],
  "upstream_id": "mcp_once",
  "plugins": {
    "serverless-pre-function": {
      "phase": "rewrite",
      "functions": [
        "return function()\n  if not require(\"apisix.plugin\").get(\"mcp_auth\") then\n    return require(\"apisix.core\").response.exit(503)\n  end\nend\n"
      ]
    },
    "mcp_auth": {
      "conf": {
        "admission": { "paths": ["/metered/mcp"] },
        "auth": {
          "api_keys": [
            {
              "hash": "sha256:537cbb9203979200b087a4885f866c4e03f5fe70a38be7d2f663b01809dbefd8",
              "principal": "nightly-batch",
              "tenant": "acme"
            }
          ],
          "metadata": {
            "resource": "https://mcp.example.com/metered/mcp",
            "authorization_servers": ["https://login.example.com"]
          },
          "export_key": "ZXhhbXBsZSBleHBvcnQga2V5IGZvciB4LW1jcC1zZXNzaW9uIQ=="
        }
      }
    },
    "limit-count": {
      "count": 6000,
      "time_window": 60,
      "key_type": "var",
      "key": "http_x_mcp_tenant",
      "group": "mcp-tenants",
      "rejected_code": 429,
      "policy": "redis",
      "redis_host": "127.0.0.1",
      "redis_port": 6379,
      "redis_timeout": 1000,
      "allow_degradation": false
    }
  }
}
JSON

put routes/oidc <<'JSON'
{
  "uris": ["/oidc/mcp"],
  "upstream_id": "mcp_once",
  "plugins": {
    "serverless-pre-function": {
      "phase": "rewrite",
      "functions": [
        "return function()\n  local plugin = require(\"apisix.plugin\")\n  if not (plugin.get(\"mcp_session\") and plugin.get(\"mcp_quota\")) then\n    return require(\"apisix.core\").response.exit(503)\n  end\nend\n"
      ]
    },
    "openid-connect": {
      "discovery": "https://login.example.com/.well-known/openid-configuration",
      "client_id": "mcp-gateway",
      "client_secret": "CHANGE-ME",
      "bearer_only": true,
      "use_jwks": true,
      "ssl_verify": true,
      "set_userinfo_header": false,
      "set_access_token_header": false
    },
    "mcp_session": {
      "conf": {
        "admission": { "paths": ["/oidc/mcp"] },
        "session": {
          "secrets": ["ZXhhbXBsZSBzZXNzaW9uIHJpbmcga2V5LCBub3QgYSBzZWNyZXQh"],
          "export_key": "ZXhhbXBsZSBleHBvcnQga2V5IGZvciB4LW1jcC1zZXNzaW9uIQ==",
          "affinity": "token"
        }
      }
    },
    "mcp_quota": {
      "conf": {
        "admission": { "paths": ["/oidc/mcp"] },
        "quota": {
          "workers": 2,
          "limits": [{ "name": "address", "key": ["ip"], "unit": "requests", "limit": 600, "window": "1m" }]
        }
      }
    }
  }
}
JSON

put global_rules/observe <<'JSON'
{ "plugins": { "prometheus": { "prefer_name": false } } }
JSON

put plugin_metadata/opentelemetry <<'JSON'
{ "resource": { "service.name": "mcp-gateway" }, "collector": { "address": "127.0.0.1:4318" } }
JSON
