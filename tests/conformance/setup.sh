#!/usr/bin/env bash
# Installs the conformance suite, and a Node that can run it, into .tools/conformance as pinned in
# package-lock.json here. Does nothing, at once, if that is there already.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=.tools/conformance
want=$(cat tests/conformance/package.json tests/conformance/package-lock.json | sha256sum | cut -d' ' -f1)
[[ -f $target/.installed && $(<"$target/.installed") == "$want" ]] && exit 0
command -v npm >/dev/null || { echo "conformance: npm is missing: install Node 20 or newer with npm" >&2; exit 1; }

echo "conformance: installing the suite and Node 22 into $target"
rm -rf "$target"
mkdir -p "$target"
cp tests/conformance/package.json tests/conformance/package-lock.json "$target"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
npm ci --prefix "$target" --no-audit --no-fund >"$log" 2>&1 || {
  tail -n 15 "$log" >&2
  echo "conformance: could not install: check that npm can download packages (npm ping), then try again" >&2
  exit 1
}
printf '%s' "$want" >"$target/.installed"
