#!/usr/bin/env bash
# Java: HttpServer and HttpClient, an NIO selector, closing under a blocked thread, datagrams, transferTo.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="default-jdk-headless"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/java

version() { java -version 2>&1 | sed -n 's/.*version "\([^"]*\)".*/\1/p'; }

job() {
    if ! javac -d . "$here/Sockets.java" >compile.out 2>&1; then
        bad compiles "$(tail -n 3 compile.out)"
        return
    fi
    told java 40 java Sockets
}

main "$@"
