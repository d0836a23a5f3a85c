#!/usr/bin/env bash
# lighttpd: files, keep-alive, CGI, a proxy, a graceful restart, several workers.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="lighttpd curl wrk"

version() { lighttpd -v | sed -n 's,^lighttpd/\([0-9.]*\).*,\1,p'; }

site() {
    if [ "$(id -u)" -eq 0 ]; then printf 'server.username = "nobody"\nserver.groupname = "%s"\n' "$(id -gn nobody)"; fi
    cat <<TEXT
server.modules = ("mod_proxy", "mod_cgi", "mod_alias")
server.document-root = "$PWD/html"
server.port = $port
server.bind = "127.0.0.1"
server.errorlog = "$PWD/error.log"
server.network-backend = "sendfile"
server.max-keep-alive-requests = 100000000
server.max-worker = $1
server.upload-dirs = ("$PWD/upload")
\$SERVER["socket"] == "[::1]:$port" { }
\$HTTP["url"] =~ "^/cgi/" { cgi.assign = ("" => "") alias.url = ("/cgi/" => "$PWD/cgi/") }
\$HTTP["url"] =~ "^/proxied/" {
    proxy.server = ("" => (("host" => "127.0.0.1", "port" => $port)))
    proxy.header = ("map-urlpath" => ("/proxied/" => "/"))
}
TEXT
}

get() { limited 20 curl -sS --noproxy '*' --max-time 15 "$@" || true; }
url() { echo "http://127.0.0.1:$port$1"; }
says() { [ "$(get "$(url /text.txt)")" = "$1" ]; }
rate() { sed -n 's,^Requests/sec: *,,p' "$1"; }

serving() {
    get "$(url /large)" -o got
    holds "$1-large-file" cmp html/large got
    expect "$1-over-ipv6" here "$(get "http://[::1]:$port/text.txt")"
    expect "$1-keep-alive" "1 200" "$(get "$(url '/small?[1-50]')" -o /dev/null -w '%{num_connects} %{http_code}\n' |
        awk '{ n += $1; code = $2 } END { print n, code }')"
    expect "$1-cgi" "127.0.0.1 $port 3000000" "$(get "$(url /cgi/show)" --data-binary @posted)"
    get "$(url /proxied/large)" -o got
    holds "$1-proxied" cmp html/large got
    limited 20 wrk -t 1 -c 16 -d 1 "$(url /small)" >load
    expect "$1-load" "" "$(grep -E 'Non-2xx|Socket errors' load || true)"
}

measure() {
    limited 20 wrk -t 1 -c 32 -d 2 "$(url /small)" >b
    figure 1-KiB-32-connections "$(rate b)" /s higher
    limited 20 wrk -t 1 -c 8 -d 2 "$(url /mega)" >b
    figure 1-MiB-by-sendfile "$(rate b)" /s higher
    limited 20 wrk -t 1 -c 16 -d 2 -H 'Connection: close' "$(url /small)" >b
    figure 1-KiB-short-connections "$(rate b)" /s higher
}

job() {
    local workers
    chmod 755 .
    mkdir html cgi upload
    chmod 777 upload
    echo here >html/text.txt
    head -c 1024 /dev/urandom >html/small
    head -c $((1 << 20)) /dev/urandom >html/mega
    head -c 5000000 /dev/urandom >html/large
    head -c 3000000 /dev/urandom >posted
    touch error.log
    chmod 666 error.log
    # shellcheck disable=SC2016 # for the program's shell
    printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\necho "$REMOTE_ADDR $SERVER_PORT $(wc -c)"\n' >cgi/show
    chmod 755 html cgi cgi/show
    for workers in 0 2; do
        port=$(port)
        site $workers >conf
        start server.log lighttpd -D -f "$PWD/conf"
        if ! soon 10 says here; then
            bad "starts-$workers" "$(tail -n 3 server.log error.log)"
            continue
        fi
        if [ $figures = no ]; then serving "workers-$workers"; fi
        if [ $workers = 0 ]; then
            # The new one takes the listening sockets over by exec and serves at once; the old one ends its requests.
            kill -USR1 "$server"
            soon 10 says here || true
            expect graceful-restart here "$(get "$(url /text.txt)")"
            if [ $quick = no ]; then measure; fi
        fi
        holds "workers-$workers-end" stop "$server" INT
    done
}

main "$@"
