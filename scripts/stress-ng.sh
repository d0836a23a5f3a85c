#!/usr/bin/env bash
# Debian's stress-ng on sockets, readiness and processes: what passes natively passes under the library, and leaves nothing.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/stress-ng.sh [--quick] [--only PATTERN]

Runs each stressor with two workers for 10 s natively and as long under the library, in a network of its own. One that
passes natively has to pass; afterwards its network has to be gone, and with it all that it had in memory.

  --quick          2 s each, and natively only where it fails under the library
  --only PATTERN   those whose options match, as in '*udp*'

The library is target/release/libsockhop.so, or what SOCKHOP_LIB says. The last line is "N passed, N failed".
TEXT
}

seconds=10 quick=no only='*'
while [ $# -gt 0 ]; do
    case "$1" in
        --quick) seconds=2 quick=yes; shift ;;
        --only) only="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
find_library
command -v stress-ng > /dev/null || fail "the program is not there; apt-get install stress-ng"
clean_environment

stressors=(
    "--sock 2" "--sockfd 2" "--sockmany 2" "--sockpair 2" "--udp 2" "--epoll 2" "--poll 2" "--fork 2"
    "--sock 2 --sock-domain ipv4" "--sock 2 --sock-domain ipv6"
    "--sock 2 --sock-type stream" "--sock 2 --sock-type seqpacket" "--sock 2 --sock-nodelay"
    "--sock 2 --sock-opts random" "--sock 2 --sock-opts sendmmsg" "--sock 2 --sock-zerocopy"
    "--udp 2 --udp-domain ipv4" "--udp 2 --udp-domain ipv6" "--udp 2 --udp-lite" "--udp 2 --udp-gro"
    "--epoll 2 --epoll-domain ipv4" "--epoll 2 --epoll-domain ipv6"
)
network=$(mktemp -d /dev/shm/sockhop-stress.XXXXXX)
work=$(mktemp -d)
trap 'rm -rf "$network" "$work"' EXIT

# stress WORDS...: one run; its output in $work/told.
stress() {
    (cd "$work" && timeout -k 5 $((seconds + 30)) env "$@" --timeout "$seconds" --oomable > told 2>&1)
}

passed=0 failed=0
for words in "${stressors[@]}"; do
    # shellcheck disable=SC2254 # it is a pattern
    case "$words" in $only) ;; *) continue ;; esac
    read -ra stressor <<< "$words"
    wrong=""
    if [ $quick = no ] && ! stress stress-ng "${stressor[@]}"; then
        echo "skip $words: fails natively"
        continue
    fi
    rm -rf "${network:?}"/*
    stress LD_PRELOAD="$library" SOCKHOP_DIR="$network" SOCKHOP_NET=stress stress-ng "${stressor[@]}" || wrong="status $?"
    cp "$work/told" "$work/shown"
    if [ -n "$wrong" ] && [ $quick = yes ] && ! stress stress-ng "${stressor[@]}"; then
        echo "skip $words: fails natively"
        continue
    fi
    left=$(find "$network" -mindepth 1 | head -n 3 | tr '\n' ' ')
    [ -z "$left" ] || wrong+="${wrong:+, }left behind $left"
    if [ -z "$wrong" ]; then
        passed=$((passed + 1))
        echo "ok   $words"
    else
        failed=$((failed + 1))
        echo "FAIL $words: $wrong"
        grep -vE 'info:' "$work/shown" | head -n 10 || true
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
