#!/usr/bin/env bash
# HAProxy, chrooted and without root: balancing, health checks, TCP mode, a reload under load in master-worker mode.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="haproxy nginx-light curl wrk"

version() { haproxy -v | sed -n 's/^HAProxy version \([0-9.]*\).*/\1/p'; }

get() { limited 20 curl -sS --noproxy '*' --max-time 15 "$@" || true; }
url() { echo "http://127.0.0.1:$port$1"; }
says() { [ "$(get "$(url /who)")" = "$1" ]; }
rate() { sed -n 's,^Requests/sec: *,,p' "$1"; }

backends() {
    local name
    nginx_head 1
    echo "keepalive_requests 100000000;"
    for name in one two; do
        echo "server { listen 127.0.0.1:${!name}; root $PWD/html; location = /who { return 200 $name; } }"
    done
    echo "}"
}

# proxy TEXT: the configuration; /version says TEXT.
proxy() {
    echo "global"
    # Giving up root needs root.
    if [ "$(id -u)" -eq 0 ]; then printf '    chroot %s\n    user nobody\n    group %s\n' "$PWD/empty" "$(id -gn nobody)"; fi
    cat <<TEXT
    maxconn 200
    nbthread 2
    stats socket $PWD/stats.sock mode 600 level admin expose-fd listeners
defaults
    mode http
    timeout connect 2s
    timeout client 10s
    timeout server 10s
frontend web
    bind 127.0.0.1:$port
    bind ::1:$port
    http-request return status 200 content-type text/plain string "$1" if { path /version }
    default_backend both
backend both
    balance roundrobin
    option httpchk GET /who
    server one 127.0.0.1:$one check inter 200 fall 2 rise 1
    server two 127.0.0.1:$two check inter 200 fall 2 rise 1
    server none 127.0.0.1:$nobody check inter 200 fall 1
frontend raw
    mode tcp
    bind 127.0.0.1:$raw
    default_backend stream
backend stream
    mode tcp
    server one 127.0.0.1:$one
TEXT
}

up() { [ "$(get "http://127.0.0.1:$1/who")" = "$2" ]; }
has_version() { [ "$(get "$(url /version)")" = "$1" ]; }
# reloading PID: the old process ends its connections while the new one takes the listening sockets over.
reloading() {
    limited 20 wrk -t 1 -c 8 -d 3 "$(url /small)" >load 2>&1 &
    local load=$!
    sleep 0.5
    proxy second >haproxy.conf
    kill -USR2 "$1"
    soon 10 has_version second || true
    expect reloaded second "$(get "$(url /version)")"
    wait $load || true
    expect reload-under-load "" "$(grep -E 'Non-2xx|connect [1-9]|timeout [1-9]' load || true)"
}

job() {
    port=$(port) raw=$(port) one=$(port) two=$(port) nobody=$(port)
    chmod 755 .
    mkdir html t empty
    chmod 755 html
    head -c 1024 /dev/urandom >html/small
    head -c 5000000 /dev/urandom >html/large
    backends >nginx.conf
    start nginx.out /usr/sbin/nginx -p "$PWD" -c "$PWD/nginx.conf"
    local nginx=$server
    soon 10 up "$two" two || true
    proxy first >haproxy.conf
    start haproxy.log haproxy -W -f "$PWD/haproxy.conf" -p "$PWD/haproxy.pid"
    local main=$server
    soon 10 has_version first || { bad starts "$(tail -n 3 haproxy.log)"; return; }
    ok starts
    # The dead server is taken out by the checks; then each of the others answers every second request.
    soon 10 says one || true
    sleep 1
    expect balanced "10 one 10 two" "$(for _ in $(seq 20); do get "$(url /who)"; echo; done | sort | uniq -c | xargs)"
    get "$(url /large)" -o got
    holds large-file cmp html/large got
    get "http://127.0.0.1:$raw/large" -o got
    holds tcp-mode cmp html/large got
    expect over-ipv6 first "$(get "http://[::1]:$port/version")"
    if [ $figures = no ]; then reloading "$main"; fi
    if [ $quick = no ]; then
        limited 20 wrk -t 1 -c 16 -d 2 "$(url /small)" >b
        figure 1-KiB-16-connections "$(rate b)" /s higher
        limited 20 wrk -t 1 -c 4 -d 2 "$(url /large)" >b
        figure 5-MB-4-connections "$(rate b)" /s higher
    fi
    holds ends stop "$main"
    stop "$nginx" QUIT || true
}

main "$@"
