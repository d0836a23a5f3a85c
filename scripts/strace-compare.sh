#!/usr/bin/env bash
# What the kernel sees of a program under the library.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/strace-compare.sh [--keep]

1. A program whose sockets are owned (the echo tests of c-tests) makes no AF_INET and no AF_INET6 socket in the kernel.
2. A program that uses only files, pipes and unix sockets (tests/strace) makes the same system calls with and without
   the library, between a mark that it prints after its start and one at its end.

  --keep   leave the traces where they are and say where

The library is target/release/libsockhop.so, or what SOCKHOP_LIB says. The last line is "N passed, N failed".
TEXT
}

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
keep_option "$@"
root=$PWD
find_library
clean_environment
export LC_ALL=C

work=$(mktemp -d "${TMPDIR:-/tmp}/strace-compare.XXXXXX")
networks=$(mktemp -d /dev/shm/sockhop-strace.XXXXXX)
finish() {
    rm -rf "$networks"
    if [ $keep = yes ]; then echo "strace-compare: the traces are in $work"; else rm -rf "$work"; fi
}
trap finish EXIT

passed=0 failed=0
pass() { passed=$((passed + 1)); echo "ok   $1"; }
fail() { failed=$((failed + 1)); echo "FAIL $1"; }

# trace OUTPUT-PREFIX NATIVE|LIBRARY STRACE-OPTIONS... -- PROGRAM
trace() {
    local out=$1 how=$2 options=()
    shift 2
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    if [ "$how" = LIBRARY ]; then
        # Set for the traced program alone: strace itself is not preloaded.
        options+=(-E "LD_PRELOAD=$library" -E "SOCKHOP_DIR=$networks")
    fi
    mkdir -p "$work/cwd"
    (cd "$work/cwd" && timeout -k 2 60 strace -qq -o "$out" "${options[@]}" "$1") </dev/null >"$out.out" 2>"$out.err"
}

inet_sockets() { grep -cE 'socket(pair)?\((AF_INET|AF_INET6|PF_INET|PF_INET6|0x2|0xa),' "$1" || true; }

# owned NAME SOURCE: no inet socket under the library, the same output, and the trace natively shows what it would miss.
owned() {
    local program=$work/$1
    gcc -O1 -pthread -I "$root/c-tests/lib" -o "$program" "$2"
    if ! trace "$program.native" NATIVE -f -e trace=socket,socketpair -- "$program"; then
        fail "$1: fails natively"
    elif [ "$(inet_sockets "$program.native")" -eq 0 ]; then
        fail "$1: makes no inet socket natively either, so that this shows nothing"
    elif ! trace "$program.library" LIBRARY -f -e trace=socket,socketpair -- "$program"; then
        fail "$1: fails under the library"
        tail -n 5 "$program.library.out" "$program.library.err"
    elif ! cmp -s "$program.native.out" "$program.library.out"; then
        fail "$1: prints something else under the library"
        diff "$program.native.out" "$program.library.out" | head -n 8 || true
    elif [ "$(inet_sockets "$program.library")" -ne 0 ]; then
        fail "$1: the kernel sees inet sockets"
        grep -E 'AF_INET' "$program.library" | head -n 5 || true
    elif ! grep -q 'AF_UNIX' "$program.library"; then
        fail "$1: no anchor was made, so that the library was not at work"
    else
        pass "$1: $(inet_sockets "$program.native") inet sockets natively, none under the library"
    fi
}

# What is between the marks, with the addresses of memory, which vary from run to run, taken out.
between() {
    sed -n '/write(1, "== begin ==/,/write(1, "== end ==/p' "$1" | sed -E 's/0x[0-9a-f]{6,}/ADDRESS/g; s/st_ino=[0-9]+/st_ino=N/g'
}

# same NAME: the program of tests/strace makes the same calls.
same() {
    local program=$work/$1 calls
    gcc -O1 -Wall -Wextra -o "$program" "tests/strace/$1.c"
    if ! trace "$program.native" NATIVE -- "$program"; then
        fail "$1: fails natively"
        return
    fi
    if ! trace "$program.library" LIBRARY -- "$program"; then
        fail "$1: fails under the library"
        tail -n 5 "$program.library" "$program.library.err"
        return
    fi
    between "$program.native" >"$program.a"
    between "$program.library" >"$program.b"
    calls=$(wc -l <"$program.a")
    if [ "$calls" -lt 20 ]; then
        fail "$1: only $calls calls between the marks natively, so that this shows nothing"
    elif ! grep -qF "$library" "$program.library"; then
        fail "$1: the library was not loaded"
    elif cmp -s "$program.a" "$program.b"; then
        pass "$1: the same $calls system calls"
    else
        fail "$1: other system calls (< native, > library)"
        diff "$program.a" "$program.b" | head -n 20 || true
    fi
}

first_of() {
    local file
    for file in "$@"; do
        if [ -f "$file" ]; then echo "$file"; return; fi
    done
    echo "$1"
}

owned tcp-echo "$(first_of c-tests/stream/echo.c c-tests/stream/echo_fork.c)"
owned udp-echo "$(first_of c-tests/dgram/echo.c)"
same files
same unix

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
