#!/usr/bin/env bash
# PostgreSQL over TCP: initdb, pgbench, COPY, LISTEN and NOTIFY, a cancelled query, a backend that crashes.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="postgresql"

# Debian keeps the server's programs beside those of other versions.
binaries() {
    local found
    found=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
    echo "${found:-/usr/bin}"
}

version() { "$(binaries)/postgres" --version | sed 's/[^0-9]*\([0-9.]*\).*/\1/'; }

# As a user who is not root, which the server wants; the client is the same user, so that both are in one network.
sql() { as_user limited 30 psql -h 127.0.0.1 -p "$port" -U tester -d postgres -XAtq -v ON_ERROR_STOP=1 "$@"; }
answers() { [ "$(sql -c 'select 1')" = 1 ]; }
bench() { as_user limited 60 pgbench -h 127.0.0.1 -p "$port" -U tester "$@" postgres; }

queries() {
    expect arithmetic 42 "$(sql -c 'select 6 * 7')"
    expect addresses "127.0.0.1 127.0.0.1 $port" \
        "$(sql -F ' ' -c 'select host(inet_client_addr()), host(inet_server_addr()), inet_server_port()')"
    expect large-result 20000000 "$(sql -c "select repeat('x', 20000000)" | tr -d '\n' | wc -c)"
    seq 1 200000 | sed 's/.*/&\tline &/' >rows
    sql -c 'create table copied (n int primary key, text text)'
    sql -c 'copy copied from stdin' <rows || true
    expect copy-in "200000 20000100000" "$(sql -F ' ' -c 'select count(*), sum(n::bigint) from copied')"
    sql -c 'copy copied to stdout' >back || true
    holds copy-out cmp rows back
    expect rollback 200000 "$(sql -c 'begin; delete from copied; rollback; select count(*) from copied')"
    # Parallel workers are processes that the server makes for one query.
    expect parallel-query 20000100000 "$(sql -c 'set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0;
        set min_parallel_table_scan_size = 0; select sum(n::bigint) from copied')"
    expect failed-login 2 "$(as_user limited 10 psql -h 127.0.0.1 -p "$port" -U nobody_there -d postgres -c '' >/dev/null 2>&1 || echo $?)"
}

notifying() {
    # The listener's connection stays idle until the notification comes, and then answers a query.
    mkfifo conversation
    as_user start listener.out sh -c "psql -h 127.0.0.1 -p $port -U tester -d postgres -XAtq <conversation"
    local listener=$server
    exec 8>conversation
    echo 'listen news; select 1000;' >&8
    soon 10 grep -q 1000 listener.out || true
    sql -c "notify news, 'it works'"
    echo 'select 2000;' >&8
    soon 10 grep -q 2000 listener.out || true
    expect notified 1 "$(grep -c 'notification "news".*it works' listener.out)"
    exec 8>&-
    soon 5 gone "$listener" || true
}

cancelling() {
    local sleeper begun
    # A cancel is a connection of its own, made by psql on SIGINT.
    as_user start sleeping.out timeout --foreground 30 psql -h 127.0.0.1 -p "$port" -U tester -d postgres -XAtq -c 'select pg_sleep(25) as long_one'
    sleeper=$server
    soon 10 sleeping || true
    begun=$SECONDS
    pkill -INT -s "$sleeper" psql || true
    soon 10 gone "$sleeper" || true
    holds cancelled grep -q 'ERROR:  canceling statement due to user request' sleeping.out
    holds cancelled-soon test $((SECONDS - begun)) -le 8
    expect statement-timeout "ERROR:  canceling statement due to statement timeout" \
        "$(sql -c 'set statement_timeout = 200; select pg_sleep(20)' 2>&1 || true)"
}
sleeping() { [ "$(sql -c "select count(*) from pg_stat_activity where query like '%long_one' and state = 'active' and pid <> pg_backend_pid()")" = 1 ]; }

# A backend that is killed takes all others with it, and the server starts anew with the same listening socket.
crashing() {
    local victim bystander
    as_user start bystander.out timeout --foreground 30 psql -h 127.0.0.1 -p "$port" -U tester -d postgres -XAtq -c 'select pg_sleep(25) as long_one'
    bystander=$server
    soon 10 sleeping || true
    victim=$(sql -c 'select pg_backend_pid()')
    victim=$(sql -c "select pid from pg_stat_activity where query like '%long_one' and pid <> pg_backend_pid()")
    kill -KILL "$victim"
    soon 10 gone "$bystander" || true
    holds crash-is-told grep -q 'server closed the connection unexpectedly' bystander.out
    soon 20 answers || true
    expect recovered 200000 "$(sql -c 'select count(*) from copied')"
}

rate() { sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$1"; }
benchmarks() {
    local seconds=2
    bench -n -S -c 8 -j 1 -T $seconds >b8
    figure select-only-8-clients "$(rate b8)" /s higher 1.3
    bench -n -S -c 1 -T $seconds >b1
    figure select-only-1-client "$(rate b1)" /s higher
    bench -n -c 4 -T $seconds >brw
    figure read-write-4-clients "$(rate brw)" /s higher
    bench -n -S -C -c 2 -T $seconds >reconnecting
    figure select-only-new-connections "$(rate reconnecting)" /s higher
}

job() {
    local bin
    bin=$(binaries)
    port=$(port)
    # The user needs a directory of its own, that it is in.
    mkdir work
    chmod 777 .
    [ "$(id -u)" -ne 0 ] || chown "$ordinary" work
    as_user limited 60 "$bin/initdb" -D "$PWD/work" -U tester -A trust --no-sync >initdb.out 2>&1 ||
        { bad initdb "$(tail -n 3 initdb.out)"; return; }
    ok initdb
    as_user start server.log "$bin/postgres" -D "$PWD/work" -p "$port" -c listen_addresses=127.0.0.1 \
        -c "unix_socket_directories=" -c fsync=off -c restart_after_crash=on -c shared_buffers=32MB
    local main=$server
    soon 20 answers || { bad starts "$(tail -n 3 server.log)"; return; }
    ok starts
    if [ $figures = no ]; then
        queries
        notifying
        cancelling
    fi
    bench -i -q -s 1 >pgbench.out 2>&1 || true
    bench -n -t 50 -c 4 >pgbench.out 2>&1 || true
    expect pgbench "200/200" "$(sed -n 's/^number of transactions actually processed: //p' pgbench.out)"
    if [ $quick = no ]; then benchmarks; fi
    if [ $figures = no ]; then crashing; fi
    # A fast shutdown ends the sessions.
    holds ends stop "$main" INT
}

main "$@"
