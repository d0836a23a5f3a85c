#!/usr/bin/env bash
# Node.js' own tests of net, dgram, cluster, http, child processes and their pipes, from Debian's source package nodejs, run
# by the node of the same version.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/conformance/node.sh packages | fetch DIR | list DIR [--quick] | run DIR UNIT

A suite of scripts/conformance.sh. A unit is a test file. The node that runs them is the system's if it is of the version
of the tests, else Debian's, which is unpacked into DIR and not installed.
TEXT
}

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/lib/debian-source.sh"

patterns="test-net-* test-dgram-* test-cluster-* test-http-* test-tcp-* test-pipe-* test-stdio-* test-stdin-* test-socket-*
test-listen-* test-child-process-* test-diagnostics-channel-net* test-eventsource* test-tls-* test-https-* test-worker-*net*
test-handle-* test-regress-* test-timers-socket-* test-stream-pipeline* test-ref-unref-* test-cares* test-dns-*"
quick="test-net-* test-dgram-*"
# The addresses of other machines, names that only a resolver knows, and what measures time or memory.
left_out='internet|dns-(lookup|resolve)|memory|leak|timeout-throw|max-http-headers|benchmark|debugger|inspect|heapdump'

fetch() {
    local directory=$1 version upstream node
    version=$(debian_source "$directory" nodejs) || exit 1
    upstream=${version%%[+-]*}
    node=$(command -v node || true)
    if [ -z "$node" ] || [ "$("$node" --version)" != "v$upstream" ]; then
        node=$directory/root/usr/bin/node
        if [ ! -x "$node" ]; then
            local library
            library=$(sed -n 's/^Package: \(libnode[0-9].*\)/\1/p' "$directory/nodejs/debian/control" | head -n 1)
            debian_binary "$directory" nodejs "${version%-*}" || exit 1
            debian_binary "$directory" "$library" "${version%-*}" || exit 1
        fi
    fi
    # The loader finds the library of an unpacked node by this; where it is not there, nothing changes.
    libraries=$(dirname "$directory"/root/usr/lib/*/nodejs)
    {
        printf 'node=%q\n' "$node"
        printf 'export LD_LIBRARY_PATH=%q\n' "$libraries"
    } >"$directory/node.settings"
    if ! LD_LIBRARY_PATH=$libraries "$node" --version >/dev/null; then
        echo "node: $node does not start; install the libraries that it misses" >&2
        exit 1
    fi
    echo "nodejs $version"
}

list() {
    local wanted=$patterns
    if [ "${2-}" = --quick ]; then wanted=$quick; fi
    cd "$1/nodejs/test"
    local folder pattern file
    for folder in parallel sequential; do
        for pattern in $wanted; do
            for file in "$folder"/$pattern; do
                if [ -f "$file" ]; then echo "$file"; fi
            done
        done
    done | grep -E '\.m?js$' | grep -Ev "$left_out" | sort -u
}

# Two tests that run at once get different ports, as far as they do not take any: TEST_THREAD_ID is what the tests' own runner
# gives to its threads.
run() {
    local directory=$1 unit=$2 flags status=0 slot
    # shellcheck source=/dev/null
    . "$directory/node.settings"
    for slot in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
        exec 9>"$directory/slot.$slot"
        if flock -n 9; then break; fi
    done
    flags=$(sed -n 's|^// Flags:||p' "$directory/nodejs/test/$unit" | tr '\n' ' ')
    export TEST_THREAD_ID=$slot NODE_TEST_DIR=$PWD
    # shellcheck disable=SC2086 # words
    $WRAP "$node" $flags "$directory/nodejs/test/$unit" >output 2>&1 </dev/null 9>&- || status=$?
    cat output >&2
    case $status in
        0) if grep -q '^1\.\.0 # Skipped' output; then echo "SKIP $unit"; else echo "PASS $unit"; fi ;;
        134 | 135 | 136 | 139) echo "CRASH $unit" ;;
        *) echo "FAIL $unit" ;;
    esac
}

case "${1-}" in
    packages) echo nodejs node-acorn node-cjs-module-lexer node-undici libc-ares2 libnghttp2-14 libuv1 dpkg-dev util-linux ;;
    fetch) fetch "$2" ;;
    list) list "$2" "${3-}" ;;
    run) run "$2" "$3" ;;
    -h | --help) usage ;;
    *) usage >&2; exit 2 ;;
esac
