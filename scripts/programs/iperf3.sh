#!/usr/bin/env bash
# iperf3: one stream and several, small writes, both directions, sendfile, datagrams.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="iperf3 python3"

version() { iperf3 --version | sed -n '1s/iperf \([^ ]*\).*/\1/p'; }

# run NAME OPTION...: one measurement, whose report goes to NAME.json.
run() {
    local name=$1
    shift
    limited 20 iperf3 -c 127.0.0.1 -p "$server_port" -J "$@" >"$name.json"
}

# end NAME PATH: a number from a report's end, by a path such as sum_received.bits_per_second.
end() {
    python3 -c '
import json, sys
value = json.load(open(sys.argv[1] + ".json"))["end"]
for key in sys.argv[2].split("."):
    value = value[key]
print(value)' "$1" "$2"
}

moves() {
    local name=$1
    shift
    if run "$name" "$@"; then
        at_least "$name" 1000000 "$(end "$name" sum_received.bytes)"
    else
        bad "$name" "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1])).get("error"))' "$name.json" 2>&1 | tail -n 1)"
    fi
}

datagrams() {
    # What arrives in time is all that was sent, at a rate that every machine carries.
    run udp -u -b 5M -t 1 || { bad datagrams "$(tail -n 3 udp.json)"; return; }
    at_least datagrams 500000 "$(end udp sum.bytes)"
    run udp-back -u -b 5M -t 1 -R || { bad datagrams-back "$(tail -n 3 udp-back.json)"; return; }
    at_least datagrams-back 500000 "$(end udp-back sum.bytes)"
}

rate() {
    local name=$1 goal=$2
    shift 2
    run "$name" -t 2 "$@"
    figure "$name" "$(end "$name" sum_received.bits_per_second | awk '{ printf "%.2f", $1 / 1e9 }')" Gbit/s higher "$goal"
}

job() {
    server_port=$(port)
    start server.log iperf3 -s -p "$server_port" -B 127.0.0.1 --forceflush
    local pid=$server
    if ! soon 10 grep -q listening server.log; then
        bad starts "$(tail -n 3 server.log)"
        return
    fi
    moves one-stream -n 200M
    moves small-writes -n 20M -l 1K
    moves four-streams -n 200M -P 4
    moves backwards -n 100M -R
    moves both-ways -t 1 --bidir
    moves sendfile -n 100M -Z
    moves small-segments -n 20M -M 1000
    moves small-window -n 50M -w 64K
    datagrams
    if [ $quick = no ]; then
        rate one-stream-rate 3
        rate 1K-writes-rate 8 -l 1K
        rate sendfile-rate 0.95 -Z
    fi
    stop "$pid" || bad ends "it does not"
}

main "$@"
