#!/usr/bin/env bash
# Node.js: http, net, dgram, worker threads, sockets handed to a child, cluster in both its ways.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="nodejs curl"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/node

version() { node --version | tr -d v; }

job() {
    told node 30 node "$here/servers.js"
    told cluster 20 node "$here/cluster.js"
    told cluster-unscheduled 20 node "$here/cluster.js" none
}

main "$@"
