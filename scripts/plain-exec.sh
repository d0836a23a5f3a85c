#!/usr/bin/env bash
# Connections inherited by a program that nothing can be preloaded into, or sent to it, natively and under the library.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/plain-exec.sh

Links tests/plain/cat.c statically and has tests/plain/inherit.c start it with connections on its descriptors, and take.c,
which tests/plain/pass.c sends connections to; where there is a C++ compiler, tests/plain/iostreams.cc, too. All natively,
then under the library with both ways of carrying bytes. The outputs have to be equal and no process of the library may
be left. The library is target/release/libsockhop.so, or what SOCKHOP_LIB says. The last line is "N passed, N failed".
TEXT
}

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
no_options "$@"
find_library
clean_environment

built=$PWD/target/plain
mkdir -p "$built"
gcc -O1 -g -Wall -Wextra -static -o "$built/cat" tests/plain/cat.c
gcc -O1 -g -Wall -Wextra -static -o "$built/take" tests/plain/take.c
gcc -O1 -g -Wall -Wextra -pthread -I c-tests/lib -o "$built/inherit" tests/plain/inherit.c
gcc -O1 -g -Wall -Wextra -pthread -I c-tests/lib -o "$built/pass" tests/plain/pass.c
# A program for a machine that does not exist (e_machine, at byte 18): looks static, and exec says ENOEXEC.
head -c 70000 "$built/cat" >"$built/none"
printf '\377\377' | dd of="$built/none" bs=1 seek=18 conv=notrunc status=none
chmod +x "$built/none"

work=$(mktemp -d /dev/shm/sockhop-plain.XXXXXX)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# compare PROGRAM ARGUMENT...: natively and with the library.
compare() {
    local name=$1 transport mark
    shift
    (cd "$work" && timeout 60 "$built/$name" "$@" >"$work/native")
    for transport in ring plain; do
        mark=PLAIN_EXEC=$$-$RANDOM
        (cd "$work" && env "$mark" LD_PRELOAD="$library" SOCKHOP_DIR="$work/net" SOCKHOP_TRANSPORT=$transport \
            timeout 60 "$built/$name" "$@" >"$work/$transport") || true
        sleep 0.2
        if ! diff "$work/native" "$work/$transport"; then
            echo "FAIL $name with $transport: < native, > library"
            failed=$((failed + 1))
        elif grep -lsz "^$mark\$" /proc/[0-9]*/environ >"$work/left" 2>/dev/null; then
            echo "FAIL $name with $transport: processes are left: $(tr '\n' ' ' <"$work/left")"
            failed=$((failed + 1))
        else
            passed=$((passed + 1))
        fi
    done
}

compare inherit "$built/cat" "$built/none"
compare pass "$built/take"
if command -v g++ >/dev/null; then
    g++ -O1 -g -Wall -Wextra -o "$built/iostreams" tests/plain/iostreams.cc
    compare iostreams
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
