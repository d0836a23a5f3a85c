#!/usr/bin/env bash
# Apache httpd with its event and its prefork module: files, keep-alive, CGI, a proxy, graceful restart under load, ab.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="apache2-bin apache2-utils curl"
modules=/usr/lib/apache2/modules

version() { apache2 -v | sed -n 's,.*Apache/\([0-9.]*\).*,\1,p'; }

# site MODULE TEXT: the configuration; /text.txt says TEXT.
site() {
    local module
    echo "$2" >html/text.txt
    for module in "mpm_$1" authz_core mime alias proxy proxy_http cgid cgi env dir; do
        # The event module has its CGI programs started by a daemon.
        case $1/$module in event/cgi | prefork/cgid) continue ;; esac
        echo "LoadModule ${module}_module $modules/mod_$module.so"
    done
    if [ "$(id -u)" -eq 0 ]; then printf 'User nobody\nGroup %s\n' "$(id -gn nobody)"; fi
    if [ "$1" = event ]; then echo "ScriptSock $PWD/run/cgisock"; fi
    cat <<TEXT
ServerRoot $PWD
DefaultRuntimeDir $PWD/run
PidFile $PWD/run/pid
ErrorLog $PWD/error.log
ServerName localhost
Listen 127.0.0.1:$port
Listen [::1]:$port
DocumentRoot $PWD/html
EnableSendfile On
KeepAlive On
MaxKeepAliveRequests 0
StartServers 2
TypesConfig /dev/null
ScriptAlias /cgi/ $PWD/cgi/
ProxyPass /proxied/ http://127.0.0.1:$port/
ProxyPass /dead/ http://127.0.0.1:$nobody/
<Directory $PWD>
    Require all granted
</Directory>
TEXT
}

get() { limited 20 curl -sS --noproxy '*' --max-time 15 "$@" || true; }
url() { echo "http://127.0.0.1:$port$1"; }
says() { [ "$(get "$(url /text.txt)")" = "$1" ]; }
bench() { limited 30 ab -q "$@"; }
rate() { sed -n 's/^Requests per second: *\([0-9.]*\).*/\1/p' "$1"; }
ab_failed() { awk '/^Failed requests:/ { f = $3 } /^Complete requests:/ { c = $3 } END { print f " of " c }' "$1"; }

serving() {
    local module=$1
    expect "$module-text" "$module" "$(get "$(url /text.txt)")"
    expect "$module-over-ipv6" "$module" "$(get "http://[::1]:$port/text.txt")"
    get "$(url /large)" -o got
    holds "$module-large-file" cmp html/large got
    expect "$module-keep-alive" "1 200" "$(get "$(url '/small?[1-50]')" -o /dev/null -w '%{num_connects} %{http_code}\n' |
        awk '{ n += $1; code = $2 } END { print n, code }')"
    expect "$module-cgi" "127.0.0.1 $port 5" "$(get "$(url /cgi/show)" --data hello)"
    get "$(url /proxied/large)" -o got
    holds "$module-proxied" cmp html/large got
    expect "$module-upstream-dead" 503 "$(get "$(url /dead/)" -o /dev/null -w '%{http_code}')"
    bench -n 300 -c 10 "$(url /small)" >ab.out 2>&1 || true
    expect "$module-ab" "0 of 300" "$(ab_failed ab.out)"
    bench -n 1000 -c 10 -k "$(url /small)" >ab.out 2>&1 || true
    expect "$module-ab-keep-alive" "0 of 1000" "$(ab_failed ab.out)"
    # New configuration and new workers, while requests go on.
    bench -n 3000 -c 4 "$(url /small)" >ab.out 2>&1 &
    local load=$!
    site "$module" changed >httpd.conf
    kill -USR1 "$(cat run/pid)"
    wait $load || true
    expect "$module-graceful-restart-under-load" "0 of 3000" "$(ab_failed ab.out)"
    soon 5 says changed || true
    expect "$module-restarted" changed "$(get "$(url /text.txt)")"
}

measure() {
    local module=$1
    bench -t 3 -n 100000 -c 16 -k "$(url /small)" >b
    figure "$module-1-KiB-16-connections" "$(rate b)" /s higher
    bench -t 3 -n 100000 -c 16 "$(url /small)" >b
    figure "$module-1-KiB-short-connections" "$(rate b)" /s higher
}

job() {
    local module
    nobody=$(port)
    chmod 755 .
    mkdir html cgi run
    head -c 1024 /dev/urandom >html/small
    head -c 5000000 /dev/urandom >html/large
    # shellcheck disable=SC2016 # for the program's shell
    printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\necho "$REMOTE_ADDR $SERVER_PORT $(wc -c)"\n' >cgi/show
    chmod 755 html cgi cgi/show run
    for module in event prefork; do
        port=$(port)
        site $module $module >httpd.conf
        start $module.log apache2 -d "$PWD" -f "$PWD/httpd.conf" -D FOREGROUND
        if ! soon 10 says $module; then
            bad "$module-starts" "$(tail -n 3 $module.log; tail -n 3 error.log)"
            continue
        fi
        if [ $figures = no ]; then serving $module; fi
        if [ $quick = no ]; then measure $module; fi
        holds "$module-ends" stop "$server"
    done
}

main "$@"
