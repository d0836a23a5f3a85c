#!/usr/bin/env bash
# A program that keeps to no rule writes garbage into a network's memory (tests/hostile/hostile.c): does anybody crash,
# hang, or see bytes that are not its own?
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/hostile.sh [--seeds N] [--first S] [--verbose]

  --seeds N    how many seeds (100); each takes about half a second
  --first S    the first of them (1)
  --verbose    what the victims said, and a minute to look at one that hangs

For each seed four victims run streams, datagrams, epoll and threads in a network of their own while garbage is written
over cursors, states, locks, names, numbers of slots and chunks, and pages are taken away. The seed decides what is written,
not when, so that one that failed need not fail again.

The library is target/release/libsockhop.so, or what SOCKHOP_LIB says. The last line is "N passed, N failed".
TEXT
}

seeds=100 first=1 verbose=()
while [ $# -gt 0 ]; do
    case "$1" in
        --seeds) seeds="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        --first) first="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        --verbose) verbose=(-v); shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
[[ $seeds =~ ^[1-9][0-9]*$ && $first =~ ^[0-9]+$ ]] || { usage >&2; exit 2; }

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
find_library
clean_environment

mkdir -p target/soak
gcc -O1 -g -Wall -Wextra -pthread -o target/soak/hostile.new tests/hostile/hostile.c
mv target/soak/hostile.new target/soak/hostile
networks=$(mktemp -d /dev/shm/sockhop-hostile.XXXXXX)
trap 'rm -rf "$networks"' EXIT
ulimit -c 0
# A socket's owner, who is sent signals, stands in the spoilt memory as well: nobody but the victims is to be within reach.
apart=(unshare --user --map-root-user --pid --fork --mount-proc --kill-child)
"${apart[@]}" true 2> /dev/null || apart=()
timeout -k 5 $((60 + seeds * 20)) "${apart[@]}" target/soak/hostile "$library" "$networks" "$first" "$seeds" "${verbose[@]}"
