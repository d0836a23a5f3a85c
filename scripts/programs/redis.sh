#!/usr/bin/env bash
# Redis: its client, pipelining, publish and subscribe, replication, a snapshot by fork under load, its benchmark.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="redis-server redis-tools"

version() { redis-server --version | sed -n 's/.* v=\([0-9.]*\) .*/\1/p'; }

cli() { limited 20 redis-cli -p "$@"; }
pings() { [ "$(cli "$1" ping)" = PONG ]; }
benchmark() { limited 60 redis-benchmark -p "$first" -q "$@"; }

# info PORT FIELD: one field of INFO.
info() { cli "$1" info | tr -d '\r' | sed -n "s/^$2://p"; }

# redis NAME PORT OPTION...: a server with a directory of its own.
redis() {
    local name=$1 port=$2
    shift 2
    mkdir -p "$name"
    start "$name.log" redis-server --port "$port" --bind 127.0.0.1 --dir "$name" --save "" --appendonly no \
        --repl-diskless-sync-delay 0 "$@"
    soon 10 pings "$port"
}

client() {
    expect set-and-get "OK value" "$(cli "$first" set key value) $(cli "$first" get key)"
    expect counter "1 2 12" "$(cli "$first" incr n) $(cli "$first" incr n) $(cli "$first" incrby n 10)"
    # A value of some megabytes through standard input.
    head -c 3000000 /dev/zero | tr '\0' x >big
    cli "$first" -x set large <big >/dev/null
    expect large-value 3000000 "$(cli "$first" strlen large)"
    cli "$first" get large | head -c 3000000 | holds large-value-back cmp - big
    expect lua "6" "$(cli "$first" eval 'return redis.call("incrby", KEYS[1], 6)' 1 lua)"
    expect blocking-pop-times-out "" "$(cli "$first" blpop nothing 0.2)"
    cli "$first" blpop jobs 10 >popped &
    local popper=$!
    soon 5 blocked 1 || true
    cli "$first" rpush jobs work >/dev/null
    wait $popper || true
    expect blocking-pop "jobs work" "$(paste -sd ' ' popped)"
}
blocked() { [ "$(info "$first" blocked_clients)" = "$1" ]; }

pipelining() {
    awk 'BEGIN { for (i = 0; i < 20000; i++) printf "SET p:%d %d\r\n", i, i }' >commands
    expect pipelined-commands "errors: 0, replies: 20000" "$(cli "$first" --pipe <commands | tail -n 1)"
    expect pipelined-value 19999 "$(cli "$first" get p:19999)"
}

subscribing() {
    start subscriber.out redis-cli -p "$first" subscribe news
    local subscriber=$server message count=200
    soon 10 grep -q subscribe subscriber.out || true
    for message in 1 2 3; do cli "$first" publish news "message $message" >/dev/null; done
    seq $count | sed 's/.*/PUBLISH news burst-&/' | cli "$first" >/dev/null
    soon 10 grep -q "burst-$count" subscriber.out || true
    expect published "message 1 message 2 message 3" "$(grep '^message [0-9]' subscriber.out | paste -sd ' ')"
    expect published-burst $count "$(grep -c burst subscriber.out)"
    stop "$subscriber" INT || true
}

replication() {
    redis second "$second" --replicaof 127.0.0.1 "$first"
    if ! soon 20 linked; then
        bad replica-joins "$(tail -n 3 second.log)"
        return
    fi
    expect replica-has-what-was-there 19999 "$(cli "$second" get p:19999)"
    cli "$first" set after sync >/dev/null
    expect replica-acknowledges 1 "$(cli "$first" wait 1 5000)"
    expect replica-follows sync "$(cli "$second" get after)"
    expect replica-refuses-writes READONLY "$(cli "$second" set x y 2>&1 | cut -d ' ' -f 1)"
    # The link is lost and found again: a partial resynchronisation.
    cli "$first" client kill type replica >/dev/null
    cli "$first" set again there >/dev/null
    soon 10 follows || true
    expect replica-comes-back there "$(cli "$second" get again)"
    expect partial-resynchronisation 1 "$(info "$first" sync_partial_ok)"
    cli "$second" replicaof no one >/dev/null
    expect promoted OK "$(cli "$second" set x y)"
    holds second-server-ends stop "$server"
}
linked() { [ "$(info "$second" master_link_status)" = up ]; }
follows() { [ "$(cli "$second" get again)" = there ]; }

# A fork of a server that is busy, which writes everything to a file while the clients go on.
snapshot() {
    local before saved
    before=$(cli "$first" lastsave)
    sleep 1
    limited 60 redis-benchmark -p "$first" -q -n 60000 -P 2 -r 100000 -d 100 -t set >during.out 2>&1 &
    local load=$!
    soon 5 busy || true
    expect snapshot-starts "Background saving started" "$(cli "$first" bgsave)"
    soon 20 saved_since "$before" || true
    saved=$(info "$first" rdb_last_bgsave_status)
    wait $load || bad load-during-snapshot "$(tail -n 2 during.out)"
    expect snapshot-under-load ok "$saved"
    holds snapshot-is-sound redis-check-rdb first/dump.rdb
}
busy() { [ "$(info "$first" connected_clients)" -gt 10 ]; }
saved_since() { [ "$(cli "$first" lastsave)" -gt "$1" ]; }

# rate OUTPUT: requests per second; p99 OUTPUT: milliseconds.
rate() { tr '\r' '\n' <"$1" | awk -F '"' '$2 == "'"$2"'" { print $4 }'; }
p99() { tr '\r' '\n' <"$1" | awk -F '"' '$2 == "'"$2"'" { print $14 }'; }

benchmarks() {
    benchmark --csv -n 200000 -c 50 -t get,set >c50.csv
    figure GET-50-clients "$(rate c50.csv GET)" /s higher 3
    figure SET-50-clients "$(rate c50.csv SET)" /s higher 3
    figure GET-50-clients-p99 "$(p99 c50.csv GET)" ms lower 2
    figure SET-50-clients-p99 "$(p99 c50.csv SET)" ms lower 2
    benchmark --csv -n 40000 -c 1 -t get >c1.csv
    figure GET-1-client "$(rate c1.csv GET)" /s higher 12
    benchmark --csv -n 2000000 -c 50 -P 16 -t get >p16.csv
    figure GET-pipeline-16 "$(rate p16.csv GET)" /s higher 2
    benchmark --csv -n 30000 -c 50 -k 0 -t get >k0.csv
    figure GET-short-connections "$(rate k0.csv GET)" /s higher 1.5
    benchmark --csv -n 200000 -c 50 --threads 2 -t get >t2.csv
    figure GET-2-threads "$(rate t2.csv GET)" /s higher 3
}

job() {
    first=$(port) second=$(port)
    redis first "$first" || { bad starts "$(tail -n 3 first.log)"; return; }
    local main=$server
    ok starts
    if [ $figures = yes ]; then
        benchmarks
        return
    fi
    client
    pipelining
    subscribing
    replication
    snapshot
    benchmark -n 1000 -c 50 -P 16 >quick.out
    benchmark -n 500 -c 50 -k 0 -t get >>quick.out 2>/dev/null
    holds benchmark-runs grep -q 'LRANGE_600.*requests per second' quick.out
    if [ $quick = no ]; then benchmarks; fi
    holds ends stop "$main"
}

main "$@"
