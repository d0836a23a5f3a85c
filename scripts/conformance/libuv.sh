#!/usr/bin/env bash
# libuv's own tests: tcp, udp, pipes, polling, processes, signals, the loop; from Debian's source package libuv1.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/conformance/libuv.sh packages | fetch DIR | list DIR [--quick] | run DIR UNIT

A suite of scripts/conformance.sh. A unit is a group of tests, such as tcp or udp, which run one after the other; libuv's
runner ends a test that takes too long.
TEXT
}

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/lib/debian-source.sh"

# The first words of the tests' names; the rest is in "other". Left out: file systems, which have nothing to do with
# sockets, and names and addresses of other machines.
groups="tcp udp pipe poll shutdown getsockname ipc fork signal loop spawn ping_pong delayed_accept ref threads stream other"
left_out='^(fs|get_?addrinfo|getnameinfo|tcp_close_while_connecting|tcp_connect_timeout|platform_output|ip6_addr|ip6_sin6)'

export UV_RUN_AS_ROOT=1 UV_TEST_TIMEOUT_MULTIPLIER=3

group_of() {
    case $1 in
        *ping_pong*) echo ping_pong ;;
        tcp_*) echo tcp ;;
        udp_*) echo udp ;;
        pipe_*) echo pipe ;;
        poll_*) echo poll ;;
        *shutdown*) echo shutdown ;;
        getsockname_*) echo getsockname ;;
        ipc_* | ipc) echo ipc ;;
        fork_*) echo fork ;;
        *signal*) echo signal ;;
        *loop*) echo loop ;;
        *spawn* | kill) echo spawn ;;
        delayed_accept | *accept* | connect*) echo delayed_accept ;;
        *_ref* | *_unref*) echo ref ;;
        *thread* | *mutex* | *rwlock* | *cond* | *barrier* | *semaphore*) echo threads ;;
        *read* | *write* | *stream* | *callback*) echo stream ;;
        *) echo other ;;
    esac
}

fetch() {
    local directory=$1 version
    version=$(debian_source "$directory" libuv1) || exit 1
    cd "$directory/libuv1"
    if [ ! -x build/uv_run_tests_a ]; then
        # The sockets in the file system get a place in the directory that a test runs in.
        sed -i 's|"/tmp/uv-test-sock|"uv-test-sock|' test/task.h
        {
            cmake -S . -B build -DCMAKE_BUILD_TYPE=RelWithDebInfo
            cmake --build build --target uv_run_tests_a -j "$(nproc)"
        } >build.log 2>&1 || {
            echo "libuv: the build failed; see $directory/libuv1/build.log" >&2
            exit 1
        }
    fi
    rm -f ../tests.*
    local test
    build/uv_run_tests_a --list | sed -n 's/^\([a-z0-9_]\+\).*/\1/p' | grep -Ev "$left_out" | while read -r test; do
        echo "$test" >>"../tests.$(group_of "$test")"
    done
    echo "libuv1 $version"
}

list() {
    local names=$groups group
    if [ "${2-}" = --quick ]; then names="tcp udp"; fi
    for group in $names; do
        if [ -s "$1/tests.$group" ]; then printf '%s\t300\n' "$group"; fi
    done
}

# The ports are fixed: natively only one test at a time may have them.
alone() {
    if [ -z "$WRAP" ]; then flock "$directory/ports.lock" "$@"; else "$@"; fi
}

run() {
    local directory=$1 unit=$2 test output status verdict
    ln -s "$directory/libuv1/test" test
    while read -r test; do
        status=0
        # shellcheck disable=SC2086 # words
        output=$(alone $WRAP "$directory/libuv1/build/uv_run_tests_a" "$test" 2>&1 </dev/null) || status=$?
        verdict=PASS
        case $status:$output in
            *'# SKIP'*) verdict=SKIP ;;
            0:*) ;;
            *'# timeout'*) verdict=HANG ;;
            *'exit code 6'* | *'exit code 9'*) verdict=FAIL ;;
            *'exit code 11'* | *'exit code 7'*) verdict=CRASH ;;
            *) verdict=FAIL ;;
        esac
        echo "$verdict $test"
        if [ "$verdict" != PASS ]; then printf '%s\n' "$output" >&2; fi
        rm -f uv-test-sock*
    done <"$directory/tests.$unit"
}

case "${1-}" in
    packages) echo gcc make cmake dpkg-dev util-linux ;;
    fetch) fetch "$2" ;;
    list) list "$2" "${3-}" ;;
    run) run "$2" "$3" ;;
    -h | --help) usage ;;
    *) usage >&2; exit 2 ;;
esac
