#!/usr/bin/env bash
# What a program sees when there is no more to be had: memory, room in the file system, descriptors, the directory.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/limits.sh

Runs tests/limits/talk.c under the library: in a file system of a few hundred KiB, with SOCKHOP_MEMORY, with limits on the
size of files (RLIMIT_FSIZE) and the number of descriptors, with a directory that may not be written to, one that is
removed meanwhile, and one that a killed process has left. It has to be refused with an errno that Linux has for that, to go on once it has let go, to get every
byte right, and never to die of a signal. What needs a mount is left out where that is not allowed.

The library is target/release/libsockhop.so, or what SOCKHOP_LIB says. The last line is "N passed, N failed".
TEXT
}

case "${1-}" in
    "") ;;
    # Again, in a mount namespace of its own.
    --inside) ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
find_library
mounts=yes
if [ "${1-}" != --inside ]; then
    if unshare --user --map-root-user --mount true 2> /dev/null; then
        exec unshare --user --map-root-user --mount "$0" --inside
    fi
    mounts=no
fi
clean_environment

mkdir -p target/soak
gcc -O1 -g -Wall -Wextra -o target/soak/talk.new tests/limits/talk.c && mv target/soak/talk.new target/soak/talk
talk=$PWD/target/soak/talk
work=$(mktemp -d /dev/shm/sockhop-limits.XXXXXX)
trap 'umount "$work/small" 2> /dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/small"
ulimit -c 0
passed=0 failed=0

# expect NAME PATTERN COMMAND...: the four lines, joined by commas, have to match.
expect() {
    local name=$1 pattern=$2 status=0 told
    shift 2
    "$@" > "$work/told" 2>&1 || status=$?
    told=$(paste -sd, "$work/told")
    # shellcheck disable=SC2053 # a pattern is what is wanted here
    if [ $status -eq 0 ] && [[ $told == $pattern ]]; then
        passed=$((passed + 1))
        echo "ok   $name: $told"
    else
        failed=$((failed + 1))
        echo "FAIL $name: status $status: $told (not $pattern)"
    fi
}

under() {
    timeout -k 2 60 env LD_PRELOAD="$library" "$@"
}

all='pairs 40 all,datagrams 40 all,pairs 40 all,datagrams 40 all'
expect "no limit" "$all" under SOCKHOP_DIR="$work/a" "$talk" 40
for memory in 1M 2M 8M; do
    expect "SOCKHOP_MEMORY=$memory" 'pairs *,datagrams *,pairs [1-9]*,datagrams [1-9]*' \
        under SOCKHOP_DIR="$work/b" SOCKHOP_MEMORY=$memory "$talk" 300
done
expect "a limit on files that can be raised" "$all" under SOCKHOP_DIR="$work/c" bash -c "ulimit -S -f 1000; exec '$talk' 40"
expect "a limit on files that cannot" "*pairs 0 ENOBUFS,datagrams 0 ENOBUFS,pairs 0 ENOBUFS,datagrams 0 ENOBUFS" \
    under SOCKHOP_DIR="$work/d" bash -c "ulimit -f 1000; exec '$talk' 40"
expect "a limit on descriptors" 'pairs [1-9]* EMFILE,datagrams [1-9]* EMFILE,pairs [1-9]* EMFILE,datagrams [1-9]* EMFILE' \
    under SOCKHOP_DIR="$work/e" bash -c "ulimit -n 40; exec '$talk' 40"
expect "a directory that is removed" "$all" under SOCKHOP_DIR="$work/f" "$talk" 40 "$work/f"
under SOCKHOP_DIR="$work/g" SOCKHOP__STOP=network-dead:1 "$talk" 40 > /dev/null 2>&1 || true
expect "a last process that is killed while it removes the network" "$all" \
    under SOCKHOP_DIR="$work/g" bash -c "ls '$work'/g/*/arena-* > '$work/left' && exec '$talk' 40"
expect "a directory that cannot be" "*pairs 0 E*,datagrams 0 E*,pairs 0 E*,datagrams 0 E*" \
    under SOCKHOP_DIR=/proc/sockhop "$talk" 40
if [ $mounts = yes ]; then
    mount -t tmpfs -o size=64k tmpfs "$work/small"
    mkdir -m 700 "$work/small/net"
    mount -o remount,ro "$work/small"
    expect "a directory that may not be written to" "*pairs 0 EACCES,datagrams 0 EACCES,pairs 0 EACCES,datagrams 0 EACCES" \
        under SOCKHOP_DIR="$work/small/net" "$talk" 40
    umount "$work/small"
    for size in 64k 200k 300k 400k 500k 700k 1m 2m 4m; do
        mount -t tmpfs -o size=$size tmpfs "$work/small"
        expect "a file system of $size" '*pairs *,datagrams *,pairs *,datagrams *' \
            under SOCKHOP_DIR="$work/small/net" "$talk" 300
        umount "$work/small"
    done
else
    echo "limits: nothing can be mounted here; file systems that are full are left out"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
