#!/usr/bin/env bash
# sockperf: ping-pong and throughput over TCP and UDP, a load with a rate.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="sockperf"

version() { sockperf --version 2>&1 | sed -n 's/.*version \([0-9.]*\).*/\1/p' | head -n 1; }

run() {
    local kind=$1
    shift
    limited 20 sockperf "$kind" -i 127.0.0.1 -p "$server_port" "$@" 2>&1 | sed 's/\x1b\[[0-9;]*m//g'
}

# Round trips a second, at most: sockperf numbers its messages beforehand and gives up when there are more of them.
most=300000

latency() { sed -n 's/.*Summary: Latency is \([0-9.]*\).*/\1/p' "$1"; }
messages() { sed -n 's/.*Summary: Message Rate is \([0-9]*\).*/\1/p' "$1"; }

# Whether as many messages came back as were sent, out of order and twice none.
sound() { grep -q '# dropped messages = 0; # duplicated messages = 0; # out-of-order messages = 0' "$1"; }

both() {
    local name=$1
    shift
    run ping-pong -t 1 --mps $most "$@" >"$name.pp" || true
    holds "$name-ping-pong" sound "$name.pp"
    run throughput -t 1 -m 64 "$@" >"$name.tp" || true
    at_least "$name-throughput" 1000 "$(messages "$name.tp")"
    [ $quick = no ] || return 0
    run under-load -t 1 --mps 1000 "$@" >"$name.ul" || true
    holds "$name-under-load" sound "$name.ul"
}

figures() {
    local name=$1 latency_goal=$2 rate_goal=$3
    shift 3
    run ping-pong -t 3 --mps $most "$@" >"$name.pp"
    figure "$name-latency" "$(latency "$name.pp")" us lower "$latency_goal"
    run throughput -t 3 -m 64 "$@" >"$name.tp"
    figure "$name-messages" "$(messages "$name.tp")" /s higher "$rate_goal"
}

job() {
    server_port=$(port)
    start tcp.log sockperf server -i 127.0.0.1 -p "$server_port" --tcp
    local tcp=$server
    start udp.log sockperf server -i 127.0.0.1 -p "$server_port"
    local udp=$server
    if ! soon 10 grep -q 'Test is blocked\|using recvfrom' tcp.log || ! soon 10 grep -q 'using recvfrom' udp.log; then
        bad starts "$(tail -n 3 tcp.log udp.log)"
        return
    fi
    both tcp --tcp >tcp.checks &
    both udp >udp.checks
    wait $! || true
    cat tcp.checks udp.checks
    failures=$(cat tcp.checks udp.checks | grep -c ' failed: ' || true)
    if [ $quick = no ]; then
        figures tcp 100 20 --tcp
        figures udp 60 15
    fi
    stop "$tcp" || bad tcp-ends "it does not"
    stop "$udp" || bad udp-ends "it does not"
}

main "$@"
