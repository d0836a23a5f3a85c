#!/usr/bin/env bash
# nginx: workers that gave up root, keep-alive, sendfile, a proxy, reload and binary upgrade under load.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="nginx-light curl wrk"
server_binary=/usr/sbin/nginx

version() { "$server_binary" -v 2>&1 | sed 's,.*/,,'; }

# site WORKERS TEXT: the configuration; its main page says TEXT.
site() {
    # As root, the workers become this user.
    if [ "$(id -u)" -eq 0 ]; then echo "user nobody $(id -gn nobody);"; fi
    cat <<TEXT
worker_processes $1;
pid $PWD/nginx.pid;
error_log $PWD/error.log notice;
events { worker_connections 512; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    client_body_temp_path $PWD/body;
    proxy_temp_path $PWD/proxy;
    fastcgi_temp_path $PWD/fastcgi;
    uwsgi_temp_path $PWD/uwsgi;
    scgi_temp_path $PWD/scgi;
    client_max_body_size 20m;
    upstream there { server 127.0.0.1:$upstream; keepalive 16; }
    server {
        listen 127.0.0.1:$port reuseport backlog=511;
        listen [::1]:$port;
        root $PWD/html;
        location = /text { return 200 "$2"; }
        location /proxied/ { proxy_pass http://there/; proxy_http_version 1.1; proxy_set_header Connection ""; }
        location /dead/ { proxy_pass http://127.0.0.1:$nobody/; }
        location = /who { return 200 "\$remote_addr \$server_addr \$server_port"; }
    }
    server {
        listen 127.0.0.1:$upstream;
        root $PWD/html;
        location = /echo { client_body_buffer_size 16k; client_body_in_single_buffer on; proxy_pass http://127.0.0.1:$upstream/text; }
        location = /text { return 200 "from upstream"; }
    }
}
TEXT
}

get() { limited 20 curl -sS --noproxy '*' --max-time 15 "$@" || true; }
url() { echo "http://127.0.0.1:$port$1"; }
says() { [ "$(get "$(url /text)")" = "$1" ]; }
has_workers() { [ "$(pgrep -c -P "$(cat nginx.pid)")" -eq "$1" ]; }

serving() {
    expect text "first" "$(get "$(url /text)")"
    expect addresses "127.0.0.1 127.0.0.1 $port" "$(get "$(url /who)")"
    expect over-ipv6 "::1 ::1 $port" "$(get "http://[::1]:$port/who")"
    get "$(url /large)" -o got
    holds large-file cmp html/large got
    get -r 1000000-1000999 "$(url /large)" -o got
    holds range cmp <(tail -c +1000001 html/large | head -c 1000) got
    get --limit-rate 20m "$(url /large)" -o got
    holds slow-reader cmp html/large got
    # Many requests on one connection.
    expect keep-alive "1 200" "$(get "$(url '/small?[1-100]')" -o /dev/null -w '%{num_connects} %{http_code}\n' |
        awk '{ n += $1; if ($2 != 200) bad = $2; code = $2 } END { print n, bad ? bad : code }')"
    expect not-found 404 "$(get "$(url /nothing)" -o /dev/null -w '%{http_code}')"
    expect proxied "from upstream" "$(get "$(url /proxied/text)")"
    get "$(url /proxied/large)" -o got
    holds proxied-large cmp html/large got
    expect posted-large 200 "$(get --data-binary @html/large "$(url /proxied/echo)" -o /dev/null -w '%{http_code}')"
    expect upstream-dead 502 "$(get "$(url /dead/)" -o /dev/null -w '%{http_code}')"
}

# load SECONDS OUT: requests on kept connections and on new ones, in the background.
load() {
    limited 30 wrk -t 1 -c 16 -d "$1" "$(url /small)" >"$2" 2>&1 &
    loads+=($!)
    limited 30 wrk -t 1 -c 4 -d "$1" -H 'Connection: close' "$(url /small)" >"$2.close" 2>&1 &
    loads+=($!)
}
await_loads() {
    wait "${loads[@]}" || true
    loads=()
}
# What went wrong under load: nothing, or wrk's lines about it. A reload closes kept connections between two requests,
# which wrk counts as a read error when it had just sent another; refused connections and other answers are failures.
load_errors() {
    cat "$1" "$1.close" | sed -n 's/.*Socket errors: connect \([0-9]*\), .* timeout \([0-9]*\).*/\1 \2/p; s/.*Non-2xx.*/&/p' |
        grep -vx '0 0' || true
    grep -q 'requests in' "$1" || tail -n 2 "$1"
}

changing() {
    local old
    load 3 reload.out
    sleep 0.5
    site 2 second >nginx.conf
    kill -HUP "$(cat nginx.pid)"
    if soon 5 says second; then ok reloaded; else bad reloaded "$(get "$(url /text)"); $(grep -v exit error.log | tail -n 3)"; fi
    sleep 0.3
    site 1 third >nginx.conf
    kill -HUP "$(cat nginx.pid)"
    soon 5 says third || true
    await_loads
    expect reload-under-load "" "$(load_errors reload.out)"

    old=$(cat nginx.pid)
    load 3 upgrade.out
    sleep 0.3
    site 2 fourth >nginx.conf
    kill -USR2 "$old"
    soon 5 test -s nginx.pid.oldbin || true
    soon 5 another "$old" || true
    kill -WINCH "$old"
    sleep 0.5
    kill -QUIT "$old"
    soon 10 gone "$old" || true
    expect upgraded "fourth" "$(get "$(url /text)")"
    holds old-one-ends gone "$old"
    await_loads
    expect upgrade-under-load "" "$(load_errors upgrade.out)"
}
another() { [ -s nginx.pid ] && [ "$(cat nginx.pid)" != "$1" ]; }

rate() { sed -n 's,^Requests/sec: *,,p' "$1"; }
measure() {
    local out=$1
    shift
    limited 20 wrk -d "$seconds" "$@" >"$out"
}
benchmarks() {
    seconds=2
    measure b32 -t 1 -c 32 "$(url /small)"
    figure 1-KiB-32-connections "$(rate b32)" /s higher 2.3
    measure b1 -t 1 -c 1 "$(url /small)"
    figure 1-KiB-1-connection "$(rate b1)" /s higher 10
    measure bmega -t 1 -c 8 "$(url /mega)"
    figure 1-MiB-by-sendfile "$(rate bmega)" /s higher 3
    measure bclose -t 1 -c 16 -H 'Connection: close' "$(url /small)"
    figure 1-KiB-short-connections "$(rate bclose)" /s higher 1.5
    measure bproxy -t 1 -c 16 "$(url /proxied/small)"
    figure 1-KiB-proxied "$(rate bproxy)" /s higher
}

job() {
    port=$(port) upstream=$(port) nobody=$(port)
    loads=()
    mkdir html
    chmod 755 html
    head -c 1024 /dev/urandom >html/small
    head -c $((1 << 20)) /dev/urandom >html/mega
    head -c 10000000 /dev/urandom >html/large
    site 2 first >nginx.conf
    # In the background, as its packages start it: without that there is no upgrade.
    limited 10 "$server_binary" -p "$PWD" -c "$PWD/nginx.conf" >out 2>&1 || true
    soon 10 says first || { bad starts "$(tail -n 3 out error.log)"; return; }
    ok starts
    if [ $figures = no ]; then
        serving
        changing
    fi
    if [ $quick = no ]; then
        site 1 fifth >nginx.conf
        kill -HUP "$(cat nginx.pid)"
        soon 5 says fifth || true
        soon 5 has_workers 1 || true
        benchmarks
    fi
    holds ends stop "$(cat nginx.pid)" QUIT
}

main "$@"
