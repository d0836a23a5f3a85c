#!/usr/bin/env bash
# Perl's own tests of Socket, IO::Socket, IO::Socket::IP, libnet, HTTP::Tiny and of input and output, from Debian's source
# package perl, run by the system's perl.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/conformance/perl.sh packages | fetch DIR | list DIR [--quick] | run DIR UNIT

A suite of scripts/conformance.sh. A unit is a test file.
TEXT
}

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/lib/debian-source.sh"

files="dist/IO/t/*.t cpan/Socket/t/*.t cpan/IO-Socket-IP/t/*.t cpan/libnet/t/*.t cpan/HTTP-Tiny/t/*.t ext/IPC-Open3/t/*.t
t/io/*.t t/op/select.t t/op/sselect.t t/op/fork.t t/op/alarm.t t/op/exec.t t/op/die_exit.t t/op/kill0.t t/op/getppid.t
t/op/waitpid.t"
quick="dist/IO/t/io_sock.t dist/IO/t/io_udp.t cpan/Socket/t/*.t cpan/IO-Socket-IP/t/*.t t/io/socket.t"

fetch() {
    local directory=$1 upstream version
    upstream=$(perl -e 'printf "%vd", $^V')
    version=$(debian_source "$directory" perl "$upstream") || exit 1
    echo "perl $version"
}

list() {
    local wanted=$files
    if [ "${2-}" = --quick ]; then wanted=$quick; fi
    cd "$1/perl"
    # shellcheck disable=SC2086 # patterns
    for file in $wanted; do
        # Other machines, documentation, and thousands of tests of the translation of lines.
        case $file in
            *internet* | *pod.t | *crlf* | *through.t) ;;
            *) if [ -f "$file" ]; then echo "$file"; fi ;;
        esac
    done
}

# A copy of the folder that a test expects to be in, which the tests write to; modules are the system's own.
run() {
    local sources=$1/perl unit=$2 folder
    folder=$(dirname "$(dirname "$unit")")
    mkdir -p work/t
    if [ "$folder" = t ]; then
        cp -r "$sources/t/lib" work/t/
    else
        cp -r "$sources/$folder/." work/
        rm -rf work/lib
    fi
    cp "$sources"/t/*.pl work/t/
    sed -i 's/^sub set_up_inc {/sub set_up_inc { return;/' work/t/test.pl
    cp work/t/test.pl work/
    if [ "$folder" = t ]; then cd work/t; else cd work; fi
    # shellcheck disable=SC2086 # words
    NO_NETWORK_TESTING=1 $WRAP perl "$sources/$unit" 2>&1 </dev/null | tee /dev/stderr | sed -En \
        -e 's/^ok ([0-9]+).*# *(skip|TODO).*/SKIP \1/Ip;t' -e 's/^not ok ([0-9]+).*# *TODO.*/SKIP \1/Ip;t' \
        -e 's/^ok ([0-9]+).*/PASS \1/p' -e 's/^not ok ([0-9]+).*/FAIL \1/p' || true
}

case "${1-}" in
    packages) echo perl perl-modules-"$(perl -e 'printf "%vd", $^V' | cut -d . -f 1,2)" dpkg-dev ;;
    fetch) fetch "$2" ;;
    list) list "$2" "${3-}" ;;
    run) run "$2" "$3" ;;
    -h | --help) usage ;;
    *) usage >&2; exit 2 ;;
esac
