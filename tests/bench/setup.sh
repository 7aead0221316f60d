#!/usr/bin/env bash
# Installs what `make bench` needs besides Envoy: h2load (Debian package nghttp2-client), and wasmtime and pygal for
# Python (into .tools/bench). Does nothing, at once, for what is there already.
set -euo pipefail
cd "$(dirname "$0")/../.."

quietly() { # advice, command...
  local advice=$1 log
  shift
  log=$(mktemp)
  "$@" >"$log" 2>&1 || { tail -n 15 "$log" >&2; rm -f "$log"; echo "bench: $advice" >&2; exit 1; }
  rm -f "$log"
}

if ! command -v h2load >/dev/null; then
  [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || { echo "bench: h2load is missing: as root, run apt-get install nghttp2-client" >&2; exit 1; }
  echo "bench: installing the Debian package nghttp2-client"
  quietly "could not install nghttp2-client: run apt-get update && apt-get install nghttp2-client" \
    env DEBIAN_FRONTEND=noninteractive bash -c 'apt-get install -qy --no-install-recommends nghttp2-client ||
      { apt-get update -q && apt-get install -qy --no-install-recommends nghttp2-client; }'
fi

pins=tests/bench/requirements.txt
want=$(sha256sum "$pins" | cut -d' ' -f1)
if [[ ! -f .tools/bench/.installed || $(<.tools/bench/.installed) != "$want" ]]; then
  echo "bench: installing wasmtime and pygal into .tools/bench"
  rm -rf .tools/bench
  quietly "could not install $pins: check that pip can download packages, then try again" \
    .tools/venv/bin/pip install --quiet --disable-pip-version-check --target .tools/bench --requirement "$pins"
  printf '%s' "$want" >.tools/bench/.installed
fi
