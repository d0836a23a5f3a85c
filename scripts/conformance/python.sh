#!/usr/bin/env bash
# CPython's own tests of its network modules: Debian's libpythonX.Y-testsuite, for the system's python3.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/conformance/python.sh packages | fetch DIR | list DIR [--quick] | run DIR UNIT

A suite of scripts/conformance.sh. A unit is a test module; a module that takes long is divided by its classes.
PYTHON chooses another interpreter than /usr/bin/python3; if it has its own test package, that is used.
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

fetch() {
    local directory=$1 package version
    package=libpython$(version)-testsuite
    mkdir -p "$directory"
    cd "$directory"
    if "$python" -c 'import test.test_socket' 2>/dev/null; then
        rm -rf lib
        mkdir -p lib
        "$python" -c 'import platform; print("CPython", platform.python_version(), "(its own test package)")'
        return
    fi
    version=$(apt-cache policy "$package" | sed -n 's/^ *Candidate: //p')
    if [ -z "$version" ] || [ "$version" = "(none)" ]; then
        echo "python: apt-get has no package $package; apt-get update first?" >&2
        exit 1
    fi
    if [ "$(cat version 2>/dev/null)" != "$version" ]; then
        rm -rf lib unpacked version ./*.deb
        # The library's package has the rest of the test package, such as test.support, which has to be as new as the
        # tests; the interpreter itself may be older.
        timeout 200 apt-get -qq download "$package=$version" "libpython$(version)-stdlib=$version" 2>/dev/null || {
            echo "python: $package $version cannot be downloaded" >&2
            exit 1
        }
        for archive in ./*.deb; do dpkg-deb -x "$archive" unpacked; done
        mkdir lib
        mv unpacked/usr/lib/python*/test lib/
        rm -rf unpacked ./*.deb
        echo "$version" >version
    fi
    echo "$package $version"
}

list() {
    local names=$modules
    if [ "${2-}" = --quick ]; then names=$quick; fi
    # shellcheck disable=SC2086 # words
    PYTHONPATH=$1/lib "$python" -B "$here/lib/python_units.py" $names
}

case "${1-}" in
    packages) if [ ! -x "$python" ]; then echo python3; fi ;;
    fetch) fetch "$2" ;;
    list) list "$2" "${3-}" ;;
    run) PYTHONPATH=$2/lib exec "$python" -B "$here/lib/python_watch.py" "$python" "$3" ;;
    -h | --help) usage ;;
    *) usage >&2; exit 2 ;;
esac
