#!/usr/bin/env bash
# Every test there is, in phases with their times; stops at the first phase that fails.
# The last phase is pytest, so its closing lines are the last ones printed.
set -uo pipefail
cd "$(dirname "$0")/.."

PHASES=(lint test-core test-modules conformance test-envoy)
started=$SECONDS
summary=()

for phase in "${PHASES[@]}"; do
    printf '\n=== %s · %s of %s · %s\n' "$phase" $((${#summary[@]} + 1)) "${#PHASES[@]}" "$(date +%H:%M:%S)"
    begin=$SECONDS
    if [ "$phase" = test-envoy ]; then
        printf '%s\n' "${summary[@]}"
    fi
    make --no-print-directory "$phase"
    code=$?
    if [ "$code" != 0 ]; then
        printf '\n=== %s failed after %s s (make %s runs it alone)\n' "$phase" $((SECONDS - begin)) "$phase" >&2
        exit "$code"
    fi
    summary+=("    passed: $phase, $((SECONDS - begin)) s (total $((SECONDS - started)) s)")
done
