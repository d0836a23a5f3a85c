#!/usr/bin/env bash
# Perl: IO::Select, a server that forks and execs, datagrams, alarm.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="perl"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/perl

version() { perl -e 'printf "%vd\n", $^V'; }

job() { told perl 30 perl "$here/sockets.pl"; }

main "$@"
