#!/usr/bin/env bash
# CPython's own tests of its network modules: Debian's libpythonX.Y-testsuite, for the system's python3.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/conformance/python.sh packages | fetch DIR | list DIR [--quick] | run DIR UNIT

A suite of scripts/conformance.sh. A unit is a test module; a module that takes long is divided by its classes.
PYTHON chooses another interpreter than /usr/bin/python3. If it has its own test package, that is used.
TEXT
}

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
version() { "$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# Modules of the test package that have to do with sockets, readiness, processes and what lies on top of them.
modules="asynchat asyncore concurrent_futures docxmlrpc epoll ftplib httplib httpservers imaplib logging
multiprocessing_fork multiprocessing_forkserver multiprocessing_spawn nntplib os poll poplib posix select selectors
signal smtpd smtplib socket socketserver ssl subprocess telnetlib threading threading_local timeout
urllib urllib2 urllib2_localnet urllib_response urlparse wsgiref xmlrpc"
quick="socket selectors"

# The interpreter of the suite in DIR: its own, or the one that has a test package.
interpreter() { if [ -x "$1/usr/bin/python3" ]; then echo "$1/usr/bin/python3"; else echo "$python"; fi; }

# The version of a package that apt-get would take.
candidate() { apt-cache policy "$1" | sed -n 's/^ *Candidate: //p' | grep -vx '(none)' || true; }

# The same interpreter, library and tests in a directory of their own: all of one version, and found by children that
# are started without any environment, too.
fetch() {
    local directory=$1 number newest archive as_root
    number=$(version)
    cd "$directory"
    if "$python" -c 'import test.test_socket' 2>/dev/null; then
        rm -rf usr version
        "$python" -c 'import platform; print("CPython", platform.python_version())'
        return
    fi
    newest=$(candidate "libpython$number-testsuite")
    if [ -z "$newest" ]; then
        # The lists of packages may just never have been fetched.
        as_root=()
        if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
        timeout 200 "${as_root[@]}" apt-get -qq update >&2 || true
        newest=$(candidate "libpython$number-testsuite")
    fi
    if [ -z "$newest" ]; then
        echo "python: apt-get has no package libpython$number-testsuite; set PYTHON to a python3 with its tests" >&2
        exit 1
    fi
    if [ "$(cat version 2>/dev/null)" != "$newest" ]; then
        rm -rf usr unpacked version ./*.deb
        for archive in {python,libpython}"$number"-minimal libpython"$number"-{stdlib,testsuite}; do
            timeout 100 apt-get -qq download "$archive=$newest" 2>/dev/null || {
                echo "python: $archive $newest cannot be downloaded" >&2
                exit 1
            }
        done
        for archive in ./*.deb; do dpkg-deb -x "$archive" unpacked; done
        mv unpacked/usr .
        ln -s "python$number" usr/bin/python3
        rm -rf unpacked ./*.deb
        echo "$newest" >version
    fi
    echo "libpython$number-testsuite $newest"
}

list() {
    local names=$modules
    if [ "${2-}" = --quick ]; then names=$quick; fi
    # shellcheck disable=SC2086 # words
    "$(interpreter "$1")" -B "$here/lib/python_units.py" $names
}

case "${1-}" in
    packages) if [ ! -x "$python" ]; then echo python3; fi ;;
    fetch) fetch "$2" ;;
    list) list "$2" "${3-}" ;;
    run) exec "$python" -B "$here/lib/python_watch.py" "$(interpreter "$2")" "$3" ;;
    -h | --help) usage ;;
    *) usage >&2; exit 2 ;;
esac
