#!/usr/bin/env bash
# ZeroMQ's own tests: its protocols over TCP, UDP and unix sockets, many threads, from Debian's source package zeromq3.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/conformance/zeromq.sh packages | fetch DIR | list DIR [--quick] | run DIR UNIT

A suite of scripts/conformance.sh. A unit is a test program of several tests.
TEXT
}

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/lib/debian-source.sh"

# What fuzzers run, and a transport between the nodes of a cluster.
left_out='fuzzer|tipc'
quick='^test_(pair_tcp|reqrep_tcp|stream|dgram|poller|bind_after_connect_tcp|fork|monitor)$'

fetch() {
    local directory=$1 version
    version=$(debian_source "$directory" zeromq3) || exit 1
    cd "$directory/zeromq3"
    if [ ! -e built ]; then
        {
            cmake -S . -B build -DCMAKE_BUILD_TYPE=RelWithDebInfo -DWITH_DOCS=OFF -DBUILD_TESTS=ON -DENABLE_DRAFTS=ON
            cmake --build build -j "$(nproc)"
        } >build.log 2>&1 || {
            echo "zeromq: the build failed; see $directory/zeromq3/build.log" >&2
            exit 1
        }
        touch built
    fi
    echo "zeromq3 $version"
}

list() {
    local wanted=.
    if [ "${2-}" = --quick ]; then wanted=$quick; fi
    find "$1/zeromq3/build/bin" -type f -printf '%f\t90\n' | grep -E '^(test|unittest)_' | grep -Ev "$left_out" |
        while IFS=$'\t' read -r name limit; do
            if [[ $name =~ $wanted ]]; then printf '%s\t%s\n' "$name" "$limit"; fi
        done | sort
}

# Each test is told in a line of its own; a program that ends in another way has failed as a whole.
run() {
    local status=0
    # shellcheck disable=SC2086 # words
    $WRAP "$1/zeromq3/build/bin/$2" >output 2>&1 </dev/null || status=$?
    cat output >&2
    sed -En -e 's/^.*:[0-9]+:(\w+):PASS.*/PASS \1/p' -e 's/^.*:[0-9]+:(\w+):FAIL.*/FAIL \1/p' \
        -e 's/^.*:[0-9]+:(\w+):IGNORE.*/SKIP \1/p' output
    case $status in
        0) echo "PASS ended" ;;
        77) echo "SKIP ended" ;;
        134 | 135 | 136 | 139) echo "CRASH ended" ;;
        142) echo "HANG ended" ;; # its own alarm
        *) echo "FAIL ended" ;;
    esac
}

case "${1-}" in
    packages) echo g++ make cmake pkg-config dpkg-dev ;;
    fetch) fetch "$2" ;;
    list) list "$2" "${3-}" ;;
    run) run "$2" "$3" ;;
    -h | --help) usage ;;
    *) usage >&2; exit 2 ;;
esac
