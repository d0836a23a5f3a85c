#!/usr/bin/env bash
# Two processes exchange random streams under a storm of signals (tests/soak/stream.c), for several seeds, over rings and
# over anchors.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/soak.sh [--seeds N] [--first S] [--connections N] [--transport ring|plain] [--native]

  --seeds N         how many seeds (5)
  --first S         the first of them (1)
  --connections N   connections for each seed (40)
  --transport T     only this one; both if not given
  --native          without the library: whether the test itself is sound (slow: small buffers are slow in the kernel)

The library is target/release/libsockhop.so, or what SOCKHOP_LIB says. A seed that fails is told with what went wrong, and
fails again when it is run again: the seed decides everything but the timing.
TEXT
}

seeds=5 first=1 connections=40 transports="ring plain" native=no
while [ $# -gt 0 ]; do
    case "$1" in
        --seeds) seeds="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        --first) first="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        --connections) connections="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        --transport) transports="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        --native) native=yes; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
[[ $seeds =~ ^[1-9][0-9]*$ && $first =~ ^[0-9]+$ && $connections =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
case "$transports" in ring | plain | "ring plain") ;; *) usage >&2; exit 2 ;; esac

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
[ $native = yes ] || find_library
program=target/soak/stream
mkdir -p target/soak
gcc -O1 -g -Wall -Wextra -pthread -o $program.new tests/soak/stream.c && mv $program.new $program

network=$(mktemp -d /dev/shm/sockhop-soak.XXXXXX)
trap 'rm -rf "$network"' EXIT
failed=0 passed=0
[ $native = no ] || transports=native
for transport in $transports; do
    for ((seed = first; seed < first + seeds; seed++)); do
        settings=()
        if [ $native = no ]; then
            settings=(LD_PRELOAD="$library" SOCKHOP_DIR="$network" SOCKHOP_NET="soak-$transport-$seed"
                SOCKHOP_TRANSPORT="$transport")
        fi
        status=0
        told=$(timeout -k 2 90 env "${settings[@]}" $program "$seed" "$connections" 2>&1) || status=$?
        if [ $status -eq 0 ]; then
            passed=$((passed + 1))
            echo "$transport $told"
        else
            failed=$((failed + 1))
            echo "FAIL $transport seed $seed: status $status $told"
        fi
    done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
