#!/usr/bin/env bash
# Test suites that others wrote, natively and then under Sockhop: what passes natively has to pass under it.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/conformance.sh [--suite NAME]... [--quick] [--transport ring|plain] [--only PATTERN] [--jobs N]
                              [--renew] [--verbose]
       scripts/conformance.sh --docs | --list

Fetches suites of other projects (scripts/conformance/NAME.sh), runs each natively, twice, and then under Sockhop with
both ways of carrying bytes. A test that passes natively both times must pass under Sockhop, unless
scripts/conformance/differences.toml says why it does not; an entry there whose test passes is a failure, too. A test
that fails is run once more alone, and is unsteady if it passes then; what hangs or crashes once has failed.

  --suite NAME    only this suite; may be given several times (all of them)
  --quick         only the small part of each suite that every change has to pass
  --transport T   only this way of carrying bytes (both)
  --only PATTERN  only units whose name matches this shell pattern; a unit is what runs as one process
  --jobs N        units at a time (the number of cores)
  --renew         ask the kernel again instead of remembering what it answered
  --verbose       one line for each unit
  --docs          write docs/conformance.md from the last whole run of each suite, and run nothing
  --list          name the suites

What the kernel answered is kept in target/conformance for as long as the suite's version and the kernel stay the same;
so are the logs of the last run of each unit (logs/SUITE/UNIT.ring) and the results as JSON (results/SUITE.json).
The program is target/release/sockhop with the library beside it, or what SOCKHOP and SOCKHOP_LIB say. The last line is
"N passed, N failed".
TEXT
}

for argument in "$@"; do
    case $argument in -h | --help) usage; exit 0 ;; esac
done
if [ -x /usr/bin/python3 ]; then python=/usr/bin/python3; else python=python3; fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "conformance: python3 3.11 or newer is needed; please install it" >&2
    exit 1
}
cd "$(dirname "$0")/.."
exec "$python" -B scripts/conformance/lib/main.py "$@"
