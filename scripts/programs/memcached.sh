#!/usr/bin/env bash
# memcached: every command of its protocols, large values, many connections, its load generator.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="memcached libmemcached-tools"

version() { memcached -V | sed 's/^memcached //'; }

tool() { limited 20 "$1" --servers="127.0.0.1:$port" "${@:2}"; }
pings() { tool memcping; }
has_socket() { find "/proc/$1/fd" -lname 'socket:*' | grep -q .; }
rate() { sed -n 's/.* TPS: \([0-9]*\) .*/\1/p' "$1"; }
slap() { limited 30 memcaslap -s "127.0.0.1:$port" -T 1 -X 64 "$@"; }

job() {
    port=$(port)
    # As root it wants to know as whom to run.
    start server.log memcached -p "$port" -U "$port" -l 127.0.0.1 -t 2 -I 8m -m 256 -u "$ordinary"
    # It becomes another user before it makes its first socket. Whoever came and went in between would take the network that
    # it had joined away with him.
    soon 10 has_socket "$server" || true
    soon 10 pings || { bad starts "$(tail -n 3 server.log)"; return; }
    ok starts
    if [ $figures = no ]; then checks; fi
    if [ $quick = no ]; then
        slap -c 32 -t 3s >b32
        figure 64-B-32-connections "$(rate b32)" /s higher 15
        slap -c 1 -t 3s >b1
        figure 64-B-1-connection "$(rate b1)" /s higher 40
    fi
    holds ends stop "$server"
}

checks() {
    limited 60 memccapable -h 127.0.0.1 -p "$port" -t 5 >capable.out 2>&1 || true
    expect both-protocols "All tests passed" "$(tail -n 1 capable.out)"
    head -c 1000 /dev/urandom >small
    head -c 4000000 /dev/urandom >large
    tool memccp small large
    tool memccat small >back || true
    holds small-value cmp <(cat small; echo) back
    tool memccat large >back || true
    holds large-value cmp <(cat large; echo) back
    tool memccp --binary small
    holds binary-protocol tool memcexist --binary small
    tool memcrm small
    holds deleted bash -c '! "$@"' - timeout 10 "${wrap[@]}" memcexist --servers="127.0.0.1:$port" small
    expect flushed 0 "$(tool memcflush; tool memcexist large >/dev/null 2>&1 && echo 1 || echo 0)"
    holds many-connections limited 30 memcslap --servers="127.0.0.1:$port" --concurrency=100 --execute-number=50 --test=set
    slap -c 16 -t 1s >slap.out 2>&1 || true
    at_least load 1000 "$(rate slap.out)"
}

main "$@"
