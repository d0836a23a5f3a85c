#!/usr/bin/env bash
# Kills one of two processes at points inside the library and looks at what the other one sees and what is left.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/crash-soak.sh [--points N] [--seed N] [--verbose]

Runs tests/soak/crash.c: N times (100) two processes talk, one is killed at a point inside the library that the seed (1)
chooses; the other one has to see the end within 50 ms, nothing of the network may be left in its directory once it
has left, and a restart on the same port has to work at once. One in twenty more are deaths that nobody waits for: of a
UDP receiver whose sender never receives, of a process that forked past libc and its child. On a busy machine one death in
fifty may be seen later, within a second. Before that, one run of tests/soak/shared.c for each twenty points: processes that
wait on one epoll instance are killed so.

The library is target/release/libsockhop.so, or what SOCKHOP_LIB says. The last line is "N points, N reached, N late,
N failed".
TEXT
}

points=100 seed=1 verbose=()
while [ $# -gt 0 ]; do
    case "$1" in
        --points) points="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        --seed) seed="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        --verbose) verbose=(-v); shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
[[ $points =~ ^[1-9][0-9]*$ && $seed =~ ^[0-9]+$ ]] || { usage >&2; exit 2; }

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
find_library
clean_environment

mkdir -p target/soak
gcc -O1 -g -Wall -Wextra -o target/soak/crash tests/soak/crash.c
networks=$(mktemp -d /dev/shm/sockhop-soak.XXXXXX)
trap 'rm -rf "$networks"' EXIT
ulimit -c 0
gcc -O1 -g -Wall -Wextra -o target/soak/shared tests/soak/shared.c
for ((i = 0; i < (points + 19) / 20; i++)); do
    SOCKHOP_DIR=$networks SOCKHOP_NET=shared LD_PRELOAD=$library timeout 120 target/soak/shared $((seed + i)) ||
        { echo "crash-soak: tests/soak/shared.c with seed $((seed + i)) failed" >&2; exit 1; }
done
target/soak/crash "$library" "$networks" "$points" "$seed" "${verbose[@]}"
