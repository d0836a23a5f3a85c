#!/usr/bin/env bash
# Ruby: threads, fork, timeouts, datagrams, DRb, Net::HTTP, IO.copy_stream.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="ruby"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/ruby

version() { ruby -e 'puts RUBY_VERSION'; }

job() { told ruby 30 ruby -W0 "$here/sockets.rb"; }

main "$@"
