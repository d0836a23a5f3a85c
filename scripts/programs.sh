#!/usr/bin/env bash
# Runs unmodified programs natively and under Sockhop, and compares.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/programs.sh [--quick] [--only NAME]... [OPTION]...

Every scripts/programs/NAME.sh does a real job with programs from Debian's packages and checks what comes out. This runs
each natively and under `sockhop run`, tells which checks and figures differ, and writes the table. What is not
installed is installed by apt-get, as root or with sudo.

  --quick         correctness only, once; natively only what fails under Sockhop
  --figures       only what is measured; the checks in docs/programs.json stay those of the last whole run
  --checks        correctness only, natively and under Sockhop; the figures in docs/programs.json stay
  --only NAME     only this one; may be repeated
  --pairs N       how many alternating pairs are measured (3); the figures are medians
  --readme        put the table into README.md; with --only, the other programs' rows are those of docs/programs.json
  --through CMD   a command, with its arguments, that each single run is started through (such as one that waits until
                  the machine is idle)
  --keep          leave the working directories where they are and say where
  --native        run both arms without Sockhop: shows how far the ratios scatter by themselves
  --no-install    leave out what is not installed instead of installing it
  --list          the names, the packages and the versions; --jobs also the checks and figures that the last run had

Uses target/release/sockhop, or what SOCKHOP says. A run that is not quick writes docs/programs.json and draws
docs/programs.svg. The last line is "N passed, N failed", over the checks under Sockhop; a check that also fails
natively is told and not counted. A goal that is missed is told and no failure.
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
for option; do
    case $option in -h | --help) usage; exit 0 ;; esac
done
command -v python3 >/dev/null || { echo "programs: python3 is missing; scripts/install-deps.sh installs it" >&2; exit 1; }
python=python3
# The picture needs matplotlib, which Debian gives to its own Python only.
for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c 'import matplotlib' 2>/dev/null; then
        python=$candidate
        break
    fi
done
exec "$python" "$root/scripts/programs/runner.py" "$@"
