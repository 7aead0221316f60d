#!/usr/bin/env bash
# What the suite starts as its client: hands the scenario to the player that is running already
# (player.py says why), and ends as the client in it ended. Usage: relay.sh PORT direct|gateway URL
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/$1"
printf '%s\n' "$2" "$3" "$MCP_CONFORMANCE_SCENARIO" "$MCP_CONFORMANCE_PROTOCOL_VERSION" \
  "${MCP_CONFORMANCE_CONTEXT:-"{}"}" >&3
read -r status <&3
read -r checks <&3
printf '%s\n' "$checks"
cat <&3 >&2
exit "$status"
