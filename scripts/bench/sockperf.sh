#!/bin/sh
# Runs Debian's sockperf, unmodified, server and client over UDP on 127.0.0.1, and prints "name value unit" lines as the
# programs in benches/c do. Usage: sockperf.sh ping-pong|throughput [-t SECONDS]
set -eu

mode=$1
seconds=1
[ "${2-}" = -t ] && seconds=$3
# sockperf takes whole seconds, and counts its warm-up within them.
seconds=$(awk -v s="$seconds" 'BEGIN { printf "%d", s < 1 ? 1 : s + 0.5 }')
# Below the range of automatic ports.
port=$((20000 + $$ % 10000))
case $mode in
# At more than 300,000 a second its own table of records overflows; the latency does not depend on it.
ping-pong) set -- --mps 300000 -m 14 ;;
throughput) set -- -m 64 ;;
*) echo "usage: sockperf.sh ping-pong|throughput [-t SECONDS]" >&2 && exit 2 ;;
esac

dir=$(mktemp -d)
server=
# shellcheck disable=SC2317 # called by the trap
cleanup() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# Each on its own core, as the other round trips are measured.
taskset -c 0 sockperf server -i 127.0.0.1 -p "$port" >"$dir/server" 2>&1 &
server=$!
sleep 0.3
taskset -c 1 sockperf "$mode" -i 127.0.0.1 -p "$port" -t "$seconds" "$@" >"$dir/client" 2>&1 || {
    tail -n 3 "$dir/client" >&2
    exit 1
}
kill -INT "$server"
wait "$server" || true
server=

# The lines may carry colour codes.
number() { sed -n "s/.*$2.*/\\1/p" "$dir/$1" | head -n 1; }
if [ "$mode" = ping-pong ]; then
    latency=$(number client 'Summary: Latency is \([0-9.]*\) usec')
    [ -n "$latency" ] || { echo "no latency in sockperf's output" >&2 && exit 1; }
    echo "half_rtt $latency us"
else
    sent=$(number client 'Message Rate is \([0-9]*\) ')
    run=$(number client 'messages sent in \([0-9.]*\) sec')
    received=$(number server 'Total \([0-9]*\) messages received')
    if [ -z "$sent" ] || [ -z "$run" ] || [ -z "$received" ]; then
        echo "no message rate in sockperf's output" >&2 && exit 1
    fi
    echo "sent $sent /s"
    awk -v n="$received" -v s="$run" 'BEGIN { printf "received %.0f /s\n", n / s }'
fi
