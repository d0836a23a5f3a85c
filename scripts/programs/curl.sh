#!/usr/bin/env bash
# curl: many transfers at once, HTTP/1.1, HTTP/2 over TLS, upload, ranges, a proxy, and what goes wrong.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="curl nginx-light openssl"

version() { curl --version | sed -n '1s/^curl \([0-9.]*\).*/\1/p'; }

server_config() {
    nginx_head 2
    cat <<TEXT
    client_max_body_size 50m;
    server {
        listen 127.0.0.1:$port;
        listen [::1]:$port;
        listen 127.0.0.1:$tls ssl http2;
        ssl_certificate $PWD/cert;
        ssl_certificate_key $PWD/key;
        root $PWD/html;
        location = /length { proxy_pass http://127.0.0.1:$port/got; proxy_set_header X-Length \$content_length; }
        location = /got { return 200 "\$http_x_length"; }
        location = /slow { limit_rate 1000; try_files /large =404; }
        location = /moved { return 302 http://localhost:$port/small; }
        location = /protocol { return 200 "\$server_protocol"; }
    }
}
TEXT
}

get() { limited 30 curl -sS --noproxy '*' --max-time 20 "$@" || true; }
status() { local s=0; limited 30 curl -s --noproxy '*' --max-time 20 -o /dev/null "$@" || s=$?; echo $s; }
answers() { [ "$(get "http://127.0.0.1:$port/protocol")" = HTTP/1.1 ]; }
secure() { get --cacert cert --resolve "test.invalid:$tls:127.0.0.1" "$@"; }

job() {
    local base i
    port=$(port) tls=$(port)
    base=http://127.0.0.1:$port
    chmod 755 .
    mkdir html t
    chmod 755 html
    head -c 1000 /dev/urandom >html/small
    head -c 10000000 /dev/urandom >html/large
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test.invalid -addext subjectAltName=DNS:test.invalid \
        -keyout key -out cert >/dev/null 2>&1
    server_config >nginx.conf
    start nginx.out /usr/sbin/nginx -p "$PWD" -c "$PWD/nginx.conf"
    soon 10 answers || { bad starts "$(tail -n 3 nginx.out nginx.log)"; return; }
    ok starts

    get "$base/large" -o got
    holds large-file cmp html/large got
    expect http-1.0 HTTP/1.0 "$(get --http1.0 "$base/protocol")"
    get --parallel --parallel-max 20 "$base/large?[1-20]" -o 'parallel-#1'
    expect parallel 20 "$(for i in $(seq 20); do cmp -s html/large "parallel-$i" && echo same; done | wc -l)"
    rm -f parallel-*
    expect http-2 "HTTP/2.0 2" "$(secure --http2 "https://test.invalid:$tls/protocol" -w ' %{http_version}')"
    secure --http2 --parallel --parallel-max 8 "https://test.invalid:$tls/large?[1-8]" -o 'parallel-#1'
    expect http-2-parallel 8 "$(for i in $(seq 8); do cmp -s html/large "parallel-$i" && echo same; done | wc -l)"
    secure --http1.1 "https://test.invalid:$tls/large" -o got
    holds tls-large-file cmp html/large got
    expect tls-not-trusted 60 "$(status --resolve "test.invalid:$tls:127.0.0.1" "https://test.invalid:$tls/protocol")"
    expect tls-on-plain-port 35 "$(status "https://127.0.0.1:$port/")"
    expect upload 10000000 "$(get -T html/large "$base/length")"
    expect posted 10000000 "$(get --data-binary @html/large "$base/length")"
    expect upload-over-http-2 10000000 "$(secure --http2 -T html/large "https://test.invalid:$tls/length")"
    get -r 5000000- "$base/large" -o part
    holds resumed cmp <(tail -c +5000001 html/large) part
    expect redirected 1000 "$(get -L "$base/moved" -o /dev/null -w '%{size_download}')"
    expect by-name HTTP/1.1 "$(get "http://localhost:$port/protocol")"
    expect over-ipv6 HTTP/1.1 "$(get -g "http://[::1]:$port/protocol")"
    expect addresses "127.0.0.1 127.0.0.1 $port" "$(get "$base/small" -o /dev/null -w '%{local_ip} %{remote_ip} %{remote_port}')"
    expect from-an-address-and-a-port "127.0.0.5" "$(get --interface 127.0.0.5 "$base/small" -o /dev/null -w '%{local_ip}')"
    expect refused 7 "$(status "http://127.0.0.1:$(port)/")"
    expect too-slow 28 "$(status --max-time 1 "$base/slow")"
    expect rate-limited 28 "$(status --speed-limit 100000 --speed-time 1 "$base/slow")"
    if [ $quick = no ]; then
        get "$base/large?[1-100]" -o /dev/null -w '%{speed_download}\n' >speeds
        figure 10-MB-on-one-connection "$(sort -n speeds | sed -n 50p)" B/s higher
        local begun
        begun=$(date +%s%N)
        get "$base/small?[1-3000]" -o /dev/null
        figure 1-kB-on-one-connection "$(awk -v n=$(($(date +%s%N) - begun)) 'BEGIN { print 3000 / (n / 1e9) }')" /s higher
    fi
    holds ends stop "$server" QUIT
}

main "$@"
