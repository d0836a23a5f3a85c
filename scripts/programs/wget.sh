#!/usr/bin/env bash
# wget: one file, a resumed one, a whole site, a server that is not there.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="wget lighttpd"

version() { wget --version | sed -n '1s/^GNU Wget \([0-9.]*\).*/\1/p'; }

fetch() { limited 30 wget -q --no-proxy --tries 2 --timeout 10 "$@"; }

job() {
    local base i
    port=$(port)
    base=http://127.0.0.1:$port
    mkdir html got
    head -c 10000000 /dev/urandom >html/large
    for i in $(seq 20); do
        echo "<a href=\"page-$((i % 20 + 1)).html\">next</a> <a href=large>large</a>" >"html/page-$i.html"
    done
    cat >conf <<TEXT
server.document-root = "$PWD/html"
server.port = $port
server.bind = "127.0.0.1"
\$SERVER["socket"] == "[::1]:$port" { }
mimetype.assign = (".html" => "text/html", "" => "application/octet-stream")
TEXT
    start server.log lighttpd -D -f "$PWD/conf"
    soon 10 fetch -O /dev/null "$base/page-1.html" || { bad starts "$(tail -n 3 server.log)"; return; }
    ok starts
    fetch -O got/large "$base/large" || true
    holds file cmp html/large got/large
    head -c 3000000 html/large >got/large
    (cd got && fetch -c "$base/large") || true
    holds resumed cmp html/large got/large
    (cd got && fetch -r -l inf -nH "$base/page-1.html") || true
    holds whole-site diff -r html got
    fetch -O got/six "http://[::1]:$port/page-3.html" || true
    holds over-ipv6 cmp html/page-3.html got/six
    fetch -O got/name "http://localhost:$port/page-4.html" || true
    holds by-name cmp html/page-4.html got/name
    expect not-found 8 "$(fetch -O /dev/null "$base/nothing" || echo $?)"
    expect refused 4 "$(fetch --tries 1 -O /dev/null "http://127.0.0.1:$(port)/" || echo $?)"
    if [ $quick = no ]; then
        local begun
        begun=$(date +%s%N)
        for i in $(seq 10); do fetch -O /dev/null "$base/large"; done
        figure 10-MB-file "$(awk -v n=$(($(date +%s%N) - begun)) 'BEGIN { print 10 * 1e7 / (n / 1e9) }')" B/s higher
    fi
    holds ends stop "$server" INT
}

main "$@"
