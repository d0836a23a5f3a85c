#!/usr/bin/env bash
# Erlang: gen_tcp, gen_udp, the socket module, sendfile, and two nodes that talk to each other by epmd.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="erlang-base"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/erlang

version() { erl -noshell -eval 'io:format("~s~n", [erlang:system_info(otp_release)]), halt().'; }

# A port mapper of our own, so that one that runs already stays what it is.
nodes() {
    local first="first$$@localhost"
    ERL_EPMD_PORT=$(port)
    export ERL_EPMD_PORT HOME=$PWD
    start epmd.log epmd
    local epmd=$server
    soon 10 limited 5 epmd -names || true
    start first.log erl -noshell -sname "$first" -setcookie ours -eval 'receive after 60000 -> ok end'
    registered() { limited 5 epmd -names | grep -q "first$$"; }
    soon 10 registered || true
    expect nodes "pong true" "$(limited 20 erl -noshell -sname "second$$@localhost" -setcookie ours -eval "
        Pong = net_adm:ping('$first'),
        io:format(\"~p ~p\", [Pong, rpc:call('$first', erlang, node, []) =:= '$first']),
        halt().")"
    stop "$epmd" || true
}

job() {
    if ! erlc "$here/sockets.erl" >compile.out 2>&1; then
        bad compiles "$(tail -n 3 compile.out)"
        return
    fi
    told erlang 30 erl -noshell -s sockets main
    nodes
}

main "$@"
