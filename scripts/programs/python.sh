#!/usr/bin/env bash
# Python: socketserver with threads and forks, http.server, requests, asyncio, multiprocessing, subprocess.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="python3 python3-requests curl"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/python

version() { /usr/bin/python3 -c 'import platform; print(platform.python_version())'; }

# The system's Python, which has the packages, whatever else is in the PATH.
python() { limited 30 /usr/bin/python3 "$@"; }

by_hand() {
    local port server_port
    port=$(port)
    echo served >index.html
    start server.log /usr/bin/python3 -u -m http.server "$port" --bind 127.0.0.1
    server_port=$server
    if ! soon 10 grep -q 'port' server.log; then
        bad http.server-starts "$(tail -n 3 server.log)"
        return
    fi
    expect http.server-by-hand served "$(limited 10 curl -sS "http://127.0.0.1:$port/")"
    expect urllib served "$(python -c "import urllib.request as r; print(r.urlopen('http://localhost:$port/').read().decode().strip())")"
    holds http.server-ends stop "$server_port"
}

job() {
    by_hand
    told servers 40 /usr/bin/python3 "$here/servers.py"
    told asyncio 30 /usr/bin/python3 "$here/events.py"
    told multiprocessing 40 /usr/bin/python3 "$here/processes.py"
}

main "$@"
