#!/usr/bin/env bash
# The C tests under valgrind's memcheck with the library: no error of the library's.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/valgrind.sh [--only PATTERN] [--jobs N] [--limit SECONDS]

Runs each program of c-tests under memcheck with the library preloaded, and fails where memcheck tells of an error that
has a function of the library in it. What is explained stands in tests/valgrind/sockhop.supp. What the programs print is
not compared, since time goes slowly there; one that does not end fails, unless it does not end without the library either.

  --only PATTERN    only tests whose area/name matches this shell pattern, such as 'stream/*'
  --jobs N          tests at a time (2)
  --limit SECONDS   how long one may take (60)

The library is target/release/libsockhop.so, or what SOCKHOP_LIB says. The last line is "N passed, N failed".
TEXT
}

only='*' jobs=2 limit=60
while [ $# -gt 0 ]; do
    case "$1" in
        --only) only="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        --jobs) jobs="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        --limit) limit="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
[[ $jobs =~ ^[1-9][0-9]*$ && $limit =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
root=$PWD
find_library
command -v valgrind > /dev/null || fail "the program is not there; apt-get install valgrind"
clean_environment
export LC_ALL=C

work=$(mktemp -d)
networks=$(mktemp -d /dev/shm/sockhop-valgrind.XXXXXX)
built=$root/target/valgrind
trap 'rm -rf "$work" "$networks"' EXIT

# The signals that the tests set for what never comes would come too early: time goes slowly under memcheck.
# shellcheck disable=SC2317 # what `ends` calls
check() {
    local test=$1 dir=$work/${1//\//-} ended=yes hits
    mkdir -p "$dir" "$built/${test%/*}"
    gcc -O1 -g -pthread -I c-tests/lib -o "$built/$test" "c-tests/$test.c" || { echo "FAIL $test: does not compile"; return; }
    # memcheck VARIABLE=VALUE... OPTION...: runs it once. A leak check would read all that is mapped, which is some gigabytes
    # of address space for a network.
    memcheck() {
        local environment=()
        while [ $# -gt 0 ] && [[ $1 != -* ]]; do environment+=("$1"); shift; done
        (cd "$dir" && setsid --wait timeout -s KILL "$limit" env "${environment[@]}" valgrind -q --leak-check=no "$@" \
            "$built/$test" < /dev/null > "$dir/out" 2>&1)
    }
    with_library() {
        memcheck LD_PRELOAD="$library" SOCKHOP_DIR="$networks" SOCKHOP_NET="${test//\//-}" --num-callers=24 \
            --suppressions="$root/tests/valgrind/sockhop.supp" --log-file="$dir/log.%p"
    }
    ends() { local status=0; "$@" 2> /dev/null || status=$?; [ $status -lt 124 ]; }
    # What was slow beside another may end the second time.
    ends with_library || ends with_library || ! ends memcheck || ended=no
    # An error is a paragraph; the library's are those whose first frame is in it. What it hands on to libc as it came, such
    # as the program's bad addresses, is the program's.
    hits=$(cat "$dir"/log.* 2> /dev/null | sed 's/^==[0-9]*== \{0,1\}//' |
        awk -v RS= 'match($0, / at 0x[^\n]*/) && substr($0, RSTART, RLENGTH) ~ /libsockhop|\.rs:[0-9]+\)/ && !/^Thread/ { print; print "" }') || true
    if [ -n "$hits" ]; then
        echo "FAIL $test"
        head -n 24 <<< "$hits"
    elif [ $ended = no ]; then
        echo "FAIL $test: does not end, as it does without the library"
    else
        echo "ok   $test"
    fi
    rm -rf "$dir"
}

cp "$library" "$work/libsockhop.so"
library=$work/libsockhop.so
mapfile -t tests < <(find c-tests -name '*.c' -not -path 'c-tests/lib/*' | sed 's|^c-tests/||; s|\.c$||' | sort)
running=0
for test in "${tests[@]}"; do
    # shellcheck disable=SC2053 # a pattern is what is wanted here
    [[ $test == $only ]] || continue
    check "$test" > "$work/${test//\//-}.result" 2>&1 &
    running=$((running + 1))
    if [ $running -ge "$jobs" ]; then
        wait -n || true
        running=$((running - 1))
    fi
done
wait
cat "$work"/*.result
passed=$(cat "$work"/*.result | grep -c '^ok ' || true)
failed=$(cat "$work"/*.result | grep -c '^FAIL ' || true)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
