#!/usr/bin/env bash
# Every test there is.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/test.sh

Installs what is missing (scripts/install-deps.sh), builds everything and runs every test: the Rust tests, the C tests
natively and under the library with both ways of carrying bytes, programs that cannot be preloaded, processes killed
at chosen points, spoilt memory, limits, valgrind and sanitizers, stress-ng, what strace sees, what the library loads
into, and real programs, from curl and python3 to nginx, redis and PostgreSQL, and the quick part of other projects' test
suites. Goes on after a failure. The outputs stay in target/test-logs. The last line is "N passed, N failed".
TEXT
}

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
no_options "$@"
clean_environment

logs=target/test-logs
rm -rf $logs
mkdir -p $logs
passed=0 failed=0 summary=()

# step NAME LIMIT COMMAND...: counts what the command counts, or the command itself where it counts nothing.
step() {
    local name=$1 limit=$2 log=$logs/$1.log begun=$SECONDS status=0 good bad took
    shift 2
    printf '\n--- %s\n' "$name"
    # In the foreground, so that an interrupt from the terminal reaches the step, too.
    timeout --foreground -k 5 "$limit" "$@" 2>&1 | tee "$log" || status=$?
    took=$((SECONDS - begun))
    # "12 passed, 0 failed" (the scripts) and "test result: ok. 12 passed; 0 failed; ..." (cargo).
    read -r good bad < <(sed -nE 's/^(test result: [a-zA-Z]+\. )?([0-9]+) passed[,;] ([0-9]+) failed.*/\2 \3/p' "$log" \
        | awk '{ good += $1; bad += $2 } END { print good + 0, bad + 0 }')
    if [ $status -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
        if [ $status -eq 124 ]; then echo "$name: killed after $limit s"; fi
    elif [ $status -eq 0 ] && [ $((good + bad)) -eq 0 ]; then
        good=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    summary+=("$(printf '%-16s %5d passed %5d failed %5d s' "$name" "$good" "$bad" "$took")")
    [ $status -eq 0 ]
}

finish() {
    printf '\n'
    printf '%s\n' "${summary[@]}"
    echo "$passed passed, $failed failed"
    [ $failed -eq 0 ] || exit 1
    exit 0
}

# Without these two there is nothing to test.
step install-deps 900 scripts/install-deps.sh || finish
step build 900 cargo build --release --workspace || finish
step cargo-test 900 cargo test --workspace || true
step dual-run-ring 600 scripts/dual-run.sh --transport ring || true
step dual-run-plain 600 scripts/dual-run.sh --transport plain || true
step plain-exec 120 scripts/plain-exec.sh || true
step crash-soak 300 scripts/crash-soak.sh || true
step hostile 300 scripts/hostile.sh --seeds 12 || true
step limits 200 scripts/limits.sh || true
step valgrind 300 scripts/valgrind.sh --only '[sd]*/e[cpo]*' || true
step sanitizers 300 scripts/sanitizers.sh || true
step stress-ng 240 scripts/stress-ng.sh --quick || true
step strace-compare 120 scripts/strace-compare.sh || true
step load-run 300 scripts/load-run.sh || true
step real-run 300 scripts/real-run.sh || true
step programs-quick 1200 scripts/programs.sh --quick --only redis --only memcached --only postgresql --only nginx --only apache \
    --only haproxy --only curl --only wget --only python --only perl --only node --only openssh || true
step conformance 600 scripts/conformance.sh --quick --suite python --suite libuv || true
finish
