#!/usr/bin/env bash
# The library loads into anything, and nothing is different for it.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/load-run.sh [--keep]

Runs well-known programs, and programs with jemalloc, natively and with the library preloaded; output, errors and exit
status must be the same. A program that is not installed is left out with a note, but at least six have to be there.

  --keep   leave the outputs where they are and say where

The library is target/release/libsockhop.so, or what SOCKHOP_LIB says. The last line is "N passed, N failed".
TEXT
}

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
keep_option "$@"
find_library
clean_environment
export LC_ALL=C

work=$(mktemp -d "${TMPDIR:-/tmp}/load-run.XXXXXX")
networks=$(mktemp -d /dev/shm/sockhop-load.XXXXXX)
finish() {
    rm -rf "$networks"
    if [ $keep = yes ]; then echo "load-run: the outputs are in $work"; else rm -rf "$work"; fi
}
trap finish EXIT
# Nobody's own settings shall matter.
export HOME=$work/home GIT_CONFIG_NOSYSTEM=1
mkdir "$HOME"

passed=0 failed=0 ran=0

# attempt OUT VARIABLES... -- COMMAND...
attempt() {
    local out=$1 settings=() status=0
    shift
    while [ "$1" != -- ]; do settings+=("$1"); shift; done
    shift
    rm -rf "$work/cwd"
    mkdir "$work/cwd"
    (cd "$work/cwd" && exec setsid --wait timeout -k 2 60 env "${settings[@]}" "$@") \
        </dev/null >"$out" 2>"$out.err" || status=$?
    echo "(status $status)" >>"$out"
}

# case_of NAME [PRELOADED-BY-ITSELF] -- COMMAND...: the same with the library in front (or after, for "after:FILE").
case_of() {
    local name=$1 own="" preload=$library
    shift
    if [ "$1" != -- ]; then own=$1; shift; fi
    shift
    local native=()
    case "$own" in
        "") ;;
        after:*) own=${own#after:}; preload=$own:$library; native=("LD_PRELOAD=$own") ;;
        *) preload=$library:$own; native=("LD_PRELOAD=$own") ;;
    esac
    attempt "$work/$name.native" "${native[@]}" -- "$@"
    attempt "$work/$name.library" "LD_PRELOAD=$preload" "SOCKHOP_DIR=$networks" -- "$@"
    ran=$((ran + 1))
    if grep -q '^(status 0)$' "$work/$name.native" \
        && cmp -s "$work/$name.native" "$work/$name.library" && cmp -s "$work/$name.native.err" "$work/$name.library.err"
    then
        passed=$((passed + 1))
        echo "ok   $name"
        return
    fi
    failed=$((failed + 1))
    echo "FAIL $name (< native, > library)"
    diff "$work/$name.native" "$work/$name.library" | head -n 8 || true
    diff "$work/$name.native.err" "$work/$name.library.err" | head -n 8 || true
}

# program NAME COMMAND...: the case, if the program is there.
program() {
    local name=$1
    shift
    if command -v "$1" >/dev/null; then
        case_of "$name" -- "$@"
    else
        echo "skip $name: $1 is not installed"
    fi
}

program ls ls -l /usr /etc
# shellcheck disable=SC2016 # expanded by the inner shell
program bash bash -c 'for i in 1 2 3; do echo $((i * i)) | cat; done; exec 3</etc/passwd; read -r l <&3; echo "$l"; exit 0'
program find find /usr/share/doc -maxdepth 1
program tar bash -c 'mkdir d; echo text >d/f; tar -cf - d | tar -tvf - | cut -c 1-10'
program perl perl -e 'use Socket; socketpair(A, B, AF_UNIX, SOCK_STREAM, 0) or die; syswrite A, "hello\n"; print scalar <B>'
program python3 python3 -c '
import json, os, select, socket, ssl, subprocess, tempfile, threading
a, b = socket.socketpair()
t = threading.Thread(target=lambda: a.sendall(b"from a thread")); t.start(); t.join()
print(select.select([b], [], [], 1)[0] == [b], b.recv(99))
print(subprocess.run(["echo", "a child"], capture_output=True, text=True).stdout)
print(json.dumps({"pid is one": os.getpid() == 1}), bool(ssl.OPENSSL_VERSION))'
# shellcheck disable=SC2016 # expanded by the inner shell
program git bash -c '
set -e
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
export GIT_AUTHOR_DATE="2000-01-01T00:00:00Z" GIT_COMMITTER_DATE="2000-01-01T00:00:00Z"
git -c init.defaultBranch=main init -q r; cd r; echo text >f; git add f; git commit -q -m first
git log --format="%H %s" | cat; git clone -q . ../copy; cat ../copy/f'
program gcc bash -c 'echo "int puts(const char *); int main(void) { puts(\"compiled\"); return 0; }" >p.c; gcc -O2 -o p p.c && ./p'
program java java -version
program node node -e 'console.log([1, 2, 3].map(x => x * x)); setTimeout(() => console.log("later"), 20)'
program curl curl --version

# An allocator of its own calls into the library before it is ready.
cat >"$work/allocates.c" <<'C'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *work(void *unused) {
    for (int i = 1; i < 20000; i++) {
        char *p = malloc((size_t)i % 5000 + 1);
        memset(p, i, (size_t)i % 5000 + 1);
        free(p);
    }
    return unused;
}
int main(void) {
    pthread_t t[4];
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, work, NULL);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    puts("allocated");
    return 0;
}
C
if gcc -O1 -pthread -o "$work/allocates-linked" "$work/allocates.c" -Wl,--no-as-needed -ljemalloc 2>"$work/jemalloc.err"; then
    case_of jemalloc-linked -- "$work/allocates-linked"
else
    echo "skip jemalloc-linked: no program can be linked with jemalloc here"
fi
jemalloc=$({ ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | sed -n 's/.*libjemalloc\.so\.2 .*x86-64.* => //p; s/.*libjemalloc\.so\.2 .*AArch64.* => //p' | head -n 1)
if [ -n "$jemalloc" ]; then
    gcc -O1 -pthread -o "$work/allocates" "$work/allocates.c"
    case_of jemalloc-behind "$jemalloc" -- "$work/allocates"
    case_of jemalloc-before "after:$jemalloc" -- "$work/allocates"
    case_of jemalloc-python "$jemalloc" -- python3 -c 'print(sum(len(str(i)) for i in range(10000)))'
else
    echo "skip jemalloc-preloaded: libjemalloc.so.2 is not installed"
fi

if [ $ran -lt 6 ]; then
    echo "FAIL only $ran programs were there to try, at least 6 are asked for"
    failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
