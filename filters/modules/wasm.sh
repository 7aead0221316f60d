#!/usr/bin/env bash
# The one place that chooses a compiler for wasm32 and knows its flags.
#
#   wasm.sh modules [NAME...]       builds the modules, or those named, and writes dist/*.wasm
#   wasm.sh build PACKAGE [ARG...]  cargo build --release of one package for wasm32-wasip1
#   wasm.sh test PACKAGE [ARG...]   cargo test of one package for wasm32-unknown-unknown, in Node
#
# A machine with rustup's wasm32 targets (or that can add them) uses rustup's compiler; any other
# uses Debian's `rustc-web`, which brings the standard library's source instead of its binaries.
set -euo pipefail
cd "$(dirname "$0")/../.."

DEBIAN_PACKAGES=(rustc-web cargo-web rust-web-src wasi-libc lld-22)
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/mcp-filters"
# Both engines we promise (V8, wasmtime 0.38) run 128-bit SIMD; the JSON scan gains from it.
TARGET_FEATURES="-C target-feature=+simd128"

say() { printf '  [wasm] %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

rustup_has() { [ -d "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$1/lib" ]; }
debian_has() { [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && [ -x /usr/bin/wasm-ld-22 ] && [ -d /usr/lib/wasm32-wasi ] && [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src" ]; }

install_debian() {
    command -v apt-get >/dev/null || die "no wasm32 target: run 'rustup target add $1' on a machine that reaches rustup's servers, or use Debian 12"
    local sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo -n"
    say "installing Debian's wasm compiler: ${DEBIAN_PACKAGES[*]}"
    { $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends "${DEBIAN_PACKAGES[@]}"; } >/dev/null 2>&1 ||
        die "could not install ${DEBIAN_PACKAGES[*]}: run 'apt-get install ${DEBIAN_PACKAGES[*]}' as root and try again"
}

# Sets CARGO and the environment for target $1.
choose_compiler() {
    local target=$1
    command -v cargo >/dev/null || die "cargo is missing: install Rust with rustup first"
    if rustup_has "$target"; then
        say "$target: rustup's compiler, $(rustc --version)"
    elif debian_has; then
        use_debian "$target"
        return
    elif command -v rustup >/dev/null && timeout 120 rustup target add "$target" >/dev/null 2>&1 && rustup_has "$target"; then
        say "$target: rustup's compiler, $(rustc --version) (target added)"
    else
        install_debian "$target"
        debian_has || die "Debian's wasm compiler is incomplete: 'apt-get install --reinstall ${DEBIAN_PACKAGES[*]}'"
        use_debian "$target"
        return
    fi
    CARGO=(cargo)
    export RUSTFLAGS="$TARGET_FEATURES"
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}"
}

use_debian() {
    say "$1: Debian's compiler, $(/usr/bin/rustc --version)"
    export PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
    export RUSTFLAGS="-C linker=wasm-ld-22 -C linker-flavor=wasm-ld $TARGET_FEATURES"
    [ "$1" = wasm32-wasip1 ] && RUSTFLAGS="$RUSTFLAGS -C link-self-contained=no -L native=/usr/lib/wasm32-wasi"
    # A directory of its own: two compilers in one would rebuild everything at each change.
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/debian"
    CARGO=(/usr/bin/cargo -Z build-std=std,panic_abort)
}

cargo_for() { # target, subcommand, arguments...
    local target=$1 command=$2
    shift 2
    "${CARGO[@]}" "$command" --locked --target "$target" "$@"
}

install_bindgen_runner() {
    local version
    version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p;}' Cargo.lock)
    RUNNER="$CACHE/wasm-bindgen-$version/bin/wasm-bindgen-test-runner"
    [ -x "$RUNNER" ] && return
    say "installing wasm-bindgen-cli $version into $CACHE (3 to 4 minutes, once)"
    # Not --locked: its lock file names releases that have been withdrawn.
    cargo install --quiet --root "$CACHE/wasm-bindgen-$version" wasm-bindgen-cli --version "$version" ||
        die "could not install wasm-bindgen-cli $version: is crates.io reachable?"
}

case "${1:-}" in
modules)
    shift
    choose_compiler wasm32-wasip1
    (($#)) || set -- $(grep -l '^\[package.metadata.proxy-wasm\]' filters/modules/*/Cargo.toml | xargs -n1 dirname | xargs -n1 basename)
    packages=("${@/#/mcp-}")
    packages=("${packages[@]/%/-module}")
    cargo_for wasm32-wasip1 build --release "${packages[@]/#/-p}"
    env -u RUSTC -u RUSTFLAGS -u RUSTC_BOOTSTRAP CARGO_TARGET_DIR="${CARGO_TARGET_DIR%/debian}" PATH="$HOME/.cargo/bin:$PATH" \
        cargo run --quiet --locked -p mcp-link -- "$CARGO_TARGET_DIR/wasm32-wasip1/release" dist "${packages[@]}"
    ;;
build)
    shift
    choose_compiler wasm32-wasip1
    cargo_for wasm32-wasip1 build --release -p "$@"
    ;;
test)
    shift
    install_bindgen_runner
    choose_compiler wasm32-unknown-unknown
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER="$RUNNER"
    cargo_for wasm32-unknown-unknown test -p "$@"
    ;;
*)
    sed -n '2,7p' "$0" | sed 's/^# \{0,1\}//'
    exit 2
    ;;
esac
