#!/usr/bin/env bash
# PHP: the built-in server, with one process and with workers, stream and socket functions.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="php-cli curl"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/php

version() { php -r 'echo PHP_VERSION, "\n";'; }

fetch() { limited 10 curl -sS --max-time 8 "$@"; }
answers() { [ "$(fetch "http://127.0.0.1:$1/")" = "hello from cli-server" ]; }

served() {
    local name=$1 port i sizes=()
    port=$(port)
    start "$name.log" php -S "127.0.0.1:$port" "$here/index.php"
    local pid=$server
    if ! soon 10 answers "$port"; then
        bad "$name-starts" "$(tail -n 3 "$name.log")"
        return
    fi
    told "$name" 20 php "$here/sockets.php" "$port"
    for i in 1 2 3 4 5 6; do fetch "http://127.0.0.1:$port/big" -o "big.$i" & sizes+=($!); done
    for i in "${sizes[@]}"; do wait "$i" || bad "$name-parallel" "curl: status $?"; done
    expect "$name-parallel-sizes" 18000000 "$(cat big.* | wc -c)"
    holds "$name-ends" stop "$pid"
}

job() {
    served server
    PHP_CLI_SERVER_WORKERS=3 served workers
}

main "$@"
