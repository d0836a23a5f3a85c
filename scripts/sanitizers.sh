#!/usr/bin/env bash
# C tests built with AddressSanitizer and ThreadSanitizer: they run under the library as they run without.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/sanitizers.sh [--only PATTERN] [--sanitizer address|thread]

Builds programs of c-tests with -fsanitize=address, then with -fsanitize=thread, runs each natively and with the library
preloaded, and compares what they print, reports of the sanitizers included. One that a sanitizer objects to natively is
passed over.

  --only PATTERN    only tests whose area/name matches this shell pattern (a choice that takes some seconds)
  --sanitizer S     only this one

The library is target/release/libsockhop.so, or what SOCKHOP_LIB says. The last line is "N passed, N failed".
TEXT
}

only="" sanitizers="address thread"
while [ $# -gt 0 ]; do
    case "$1" in
        --only) only="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        --sanitizer) sanitizers="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
case "$sanitizers" in "address thread" | address | thread) ;; *) usage >&2; exit 2 ;; esac

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
find_library
clean_environment
export LC_ALL=C

# Not threads/fork-busy: AddressSanitizer's allocator is not made for a fork while other threads allocate, with or without
# the library, and a child may hang in it.
chosen=(stream/echo_fork stream/large_threads stream/wake_closed stream/vectors dgram/echo dgram/threads dgram/cmsg_order
    readiness/epoll_server readiness/epoll_threads_ctl readiness/sigmask threads/echo-many threads/readers-writers
    threads/cancel signals/handler-io process/fork-serve process/exec-forms
    process/pass-fds process/vfork descriptors/dup-blocked)
work=$(mktemp -d)
networks=$(mktemp -d /dev/shm/sockhop-sanitizers.XXXXXX)
trap 'rm -rf "$work" "$networks"' EXIT
mapfile -t tests < <(find c-tests -name '*.c' -not -path 'c-tests/lib/*' | sed 's|^c-tests/||; s|\.c$||' | sort)
if [ -z "$only" ]; then tests=("${chosen[@]}"); fi

# attempt OUT [VARIABLE=VALUE...]: what it prints and how it ends.
attempt() {
    local out=$1 status=0
    shift
    (cd "$work" && setsid --wait timeout -k 2 40 env "$@" "$work/program" < /dev/null > "$out" 2>&1) || status=$?
    sed -i "/False leaks are possible/d" "$out"
    echo "(status $status)" >> "$out"
}

passed=0 failed=0
for sanitizer in $sanitizers; do
    for test in "${tests[@]}"; do
        # shellcheck disable=SC2053 # a pattern is what is wanted here
        [[ -z $only || $test == $only ]] || continue
        gcc -O1 -g -w -pthread -fsanitize="$sanitizer" -I c-tests/lib -o "$work/program" "c-tests/$test.c"
        attempt "$work/native"
        if grep -q 'Sanitizer' "$work/native" || ! grep -q '^(status 0)$' "$work/native"; then
            echo "skip $sanitizer $test: natively it objects"
            continue
        fi
        attempt "$work/library" LD_PRELOAD="$library" SOCKHOP_DIR="$networks"
        if cmp -s "$work/native" "$work/library"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAIL $sanitizer $test"
            diff "$work/native" "$work/library" | head -n 12 || true
        fi
    done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
