#!/usr/bin/env bash
# Runs every C test on the kernel and then under the library, and compares what it printed and how it ended.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/dual-run.sh [--transport ring|plain] [--jobs N] [--only PATTERN] [--keep] [--verbose]

Builds every program in c-tests (except c-tests/lib) into target/c-tests, runs it natively and then with the library
preloaded, in a network of its own, and compares standard output to the letter and the exit status or signal.

  --transport T   how the library carries bytes (SOCKHOP_TRANSPORT); the library's own choice if not given
  --jobs N        tests at a time (2)
  --only PATTERN  only tests whose area/name matches this shell pattern, such as 'stream/*'
  --keep          leave the outputs where they are and say where
  --verbose       one line for each test that passes, too

What may differ stands in c-tests/differences.txt, one line each:

  area/name | native line | library line | reason

"-" stands for no line at all. With area/name@plain or area/name@ring a line counts for that transport only. How a
program ended is a line too: "(exit 0)", "(signal 11)". An entry for something that does not differ any more fails.

A test may raise its limit of 10 seconds by a line "// limit: N" among its first 10. What passes its limit is killed
with all of its processes and fails as HANG, and so does what its own alarm (signal 14) ended. A native run is done
twice, and must answer the same both times; it is then remembered for as long as the program and the kernel stay the same.

A test that differs is run once more when all others are done, natively and under the library, with nothing beside it.
If both agree then, it is UNSTEADY: what it said first is shown, and it counts by itself, as neither passed nor failed.
Up to 2 of them do not fail the run; more do, and count as failed. What hung or crashed (signals 4, 6, 7, 8 and 11, of
any of its processes) is not run again: it fails.

The library is target/release/libsockhop.so, or what SOCKHOP_LIB says. The last lines are "N unsteady", with their
names, if there are any, and "N passed, N failed".
TEXT
}

transport="" jobs=2 only='*' keep=no verbose=no
while [ $# -gt 0 ]; do
    case "$1" in
        --transport) transport="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        --jobs) jobs="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        --only) only="${2-}"; shift 2 || { usage >&2; exit 2; } ;;
        --keep) keep=yes; shift ;;
        --verbose) verbose=yes; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
case "$transport" in "" | ring | plain) ;; *) usage >&2; exit 2 ;; esac
[[ $jobs =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
root=$PWD
find_library
clean_environment
export LC_ALL=C

built=$root/target/c-tests
remembered=$built/native
ulimit -c 0
# More tests than this that differ once and agree when run again are a failure.
most_unsteady=2
work=$(mktemp -d "${TMPDIR:-/tmp}/dual-run.XXXXXX")
networks=$(mktemp -d /dev/shm/sockhop-dual.XXXXXX)
run_id=dual-run-$$-$RANDOM
mkdir -p "$remembered"

# Ends whoever was started for this test, also what has left its process group and session. The mark in the
# environment is unique to this run, so nobody else can be hit.
sweep() {
    local found pid
    for found in $(grep -lsz "^DUAL_RUN=$1\$" /proc/[0-9]*/environ 2>/dev/null || true); do
        pid=${found#/proc/}
        kill -KILL "${pid%/environ}" 2>/dev/null || true
    done
}
# The same for all tests of this run: the mark of each begins with the run's.
sweep_all() {
    local found pid
    for found in $(grep -lsz "^DUAL_RUN=$run_id-" /proc/[0-9]*/environ 2>/dev/null || true); do
        pid=${found#/proc/}
        kill -KILL "${pid%/environ}" 2>/dev/null || true
    done
}
finish() {
    local job
    # What is still at work only when this script was interrupted.
    for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
    sweep_all
    rm -rf "$networks"
    if [ $keep = yes ]; then echo "dual-run: the outputs are in $work"; else rm -rf "$work"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

mapfile -t tests < <(find c-tests -name '*.c' -not -path 'c-tests/lib/*' | sed 's|^c-tests/||; s|\.c$||' | sort)
selected=()
for test in "${tests[@]}"; do
    # shellcheck disable=SC2053 # a pattern is what is wanted here
    if [[ $test == $only ]]; then selected+=("$test"); fi
done
[ ${#selected[@]} -gt 0 ] || fail "no test matches $only"

# A kernel whose table of TIME_WAIT is full, as after a benchmark of connections, keeps no connection there: a bind that is
# refused at all other times is not then. The table empties by itself within a minute.
time_wait_is_full() {
    local most now
    most=$(cat /proc/sys/net/ipv4/tcp_max_tw_buckets 2>/dev/null) || return 1
    now=$(awk '$1 == "TCP:" { for (i = 2; i < NF; i += 2) if ($i == "tw") print $(i + 1) }' /proc/net/sockstat)
    [ "${now:-0}" -ge $((most * 9 / 10)) ]
}
for _ in {1..70}; do
    time_wait_is_full || break
    [ "${told_to_wait-no}" = yes ] || echo "dual-run: the kernel's table of TIME_WAIT is full; waiting for it to empty" >&2
    told_to_wait=yes
    sleep 1
done

# build TEST: compiles it unless it is newer than its source and every header.
build() {
    local source=$root/c-tests/$1.c program=$built/$1 newer
    mkdir -p "$(dirname "$program")"
    if [ -x "$program" ] && [ "$program" -nt "$source" ]; then
        newer=$(find "$root/c-tests" -name '*.h' -newer "$program" -print -quit)
        [ -n "$newer" ] || return 0
    fi
    gcc -O1 -g -Wall -Wextra -pthread -I "$root/c-tests/lib" -o "$program.new" "$source" && mv "$program.new" "$program"
}

limit_of() {
    local limit
    limit=$(head -n 10 "$root/c-tests/$1.c" | sed -n 's|^// limit: \([0-9][0-9]*\)$|\1|p' | head -n 1)
    echo "${limit:-10}"
}

# attempt TEST LABEL [VARIABLE=VALUE...]: runs it once; its output and a last line on how it ended go to
# $work/TEST.LABEL, its errors to $work/TEST.LABEL.err.
attempt() {
    local test=$1 label=$2 out=$work/$1.$2 mark status=0 begun ended limit
    shift 2
    mark=$run_id-${test//\//-}-$label
    limit=$(limit_of "$test")
    rm -rf "$out.dir"
    mkdir -p "$out.dir"
    begun=$(date +%s%N)
    # The library goes into the test only, not into the tools that guard it: `env` execs the test itself. The outer
    # redirection is for what bash has to say about a death by signal.
    (
        cd "$out.dir"
        # Tests look at the numbers of descriptors: what this script was started with is not theirs.
        exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
        status=0
        setsid --wait timeout -k 2 "$limit" env DUAL_RUN="$mark" "$@" "$built/$test" \
            </dev/null >"$out" 2>"$out.err" || status=$?
        exit $status
    ) 2>/dev/null || status=$?
    ended=$(date +%s%N)
    sweep "$mark"
    rm -rf "$out.dir"
    # A last line without its end would swallow ours.
    if [ -s "$out" ] && [ -n "$(tail -c 1 "$out")" ]; then echo >>"$out"; fi
    if [ $status -eq 124 ] || { [ $status -eq 137 ] && [ $(((ended - begun) / 1000000)) -ge $((limit * 1000)) ]; }; then
        echo "(HANG: killed after $limit s)" >>"$out"
    elif [ $status -gt 128 ]; then
        echo "(signal $((status - 128)))" >>"$out"
    else
        echo "(exit $status)" >>"$out"
    fi
}

# native TEST: the kernel's answer in $work/TEST.native, from memory if this very program has been asked before.
native() {
    local test=$1 key
    key=$({ sha256sum <"$built/$test"; uname -r; } | sha256sum | cut -c 1-64)
    if [ "$(cat "$remembered/$test.key" 2>/dev/null)" = "$key" ]; then
        cp "$remembered/$test.out" "$work/$test.native"
        return 0
    fi
    attempt "$test" native
    attempt "$test" again
    if ! cmp -s "$work/$test.native" "$work/$test.again"; then
        echo "FLAKY-NATIVE $test: two native runs differ"
        diff "$work/$test.native" "$work/$test.again" | head -n 12 || true
        return 1
    fi
    # Signal 14 is the alarm that each test sets for the case that it waits for what never comes.
    if grep -q -e '^(HANG' -e '^(signal 14)$' "$work/$test.native"; then
        echo "HANG $test: natively, after:"
        tail -n 5 "$work/$test.native" | sed 's/^/    /'
        return 1
    fi
    mkdir -p "$(dirname "$remembered/$test")"
    cp "$work/$test.native" "$remembered/$test.out"
    echo "$key" >"$remembered/$test.key"
}

# allowed TEST: the entries of the list for this test and transport, without the name.
allowed() {
    [ -f c-tests/differences.txt ] || return 0
    awk -F ' \\| ' -v test="$1" -v transport="${transport:-ring}" '
        /^[ \t]*(#|$)/ { next }
        { sub(/^[ \t]+/, "", $1); sub(/[ \t]+$/, "", $1) }
        $1 == test || $1 == test "@" transport { print $2 " | " $3 }
    ' c-tests/differences.txt
}

# unexplained TEST: what differs and is not on the list, and what is on the list and does not differ.
unexplained() {
    diff --unchanged-line-format= --old-line-format='<%L' --new-line-format='>%L' \
        "$work/$1.native" "$work/$1.library" >"$work/$1.lines" || true
    allowed "$1" >"$work/$1.allowed"
    awk -F ' \\| ' '
        FILENAME == ARGV[1] { native[++entries] = $1; library[entries] = $2; next }
        { side[++lines] = substr($0, 1, 1); text[lines] = substr($0, 2) }
        END {
            for (e = 1; e <= entries; e++) {
                found_native = native[e] == "-"
                found_library = library[e] == "-"
                for (l = 1; l <= lines; l++) {
                    if (side[l] == "<" && text[l] == native[e]) { found_native = 1; explained[l] = 1 }
                    if (side[l] == ">" && text[l] == library[e]) { found_library = 1; explained[l] = 1 }
                }
                if (!found_native || !found_library) print "stale: " native[e] " | " library[e]
            }
            for (l = 1; l <= lines; l++) if (!explained[l]) print side[l] " " text[l]
        }
    ' "$work/$1.allowed" "$work/$1.lines"
}

# compare TEST: runs it under the library and tells how that differs, nothing if it does not.
compare() {
    local name=${1//\//-} settings
    settings=(LD_PRELOAD="$library" SOCKHOP_DIR="$networks" SOCKHOP_NET="${name:0:64}")
    if [ -n "$transport" ]; then settings+=(SOCKHOP_TRANSPORT="$transport"); fi
    attempt "$1" library "${settings[@]}"
    # What a killed test left of its network is memory.
    rm -rf "${networks:?}/${name:0:64}"
    unexplained "$1"
}

# one TEST: everything about it; the verdict goes to $work/TEST.verdict, the first word of it says which.
one() {
    local test=$1 report
    mkdir -p "$work/$(dirname "$test")"
    if ! build "$test" >"$work/$test.build" 2>&1; then
        { echo "BUILD $test"; head -n 20 "$work/$test.build"; } >"$work/$test.verdict"
        return 0
    fi
    if [ -s "$work/$test.build" ]; then
        echo "dual-run: $test.c: $(grep -c 'warning:' "$work/$test.build" || true) warnings of the compiler" >&2
    fi
    if ! native "$test" >"$work/$test.verdict"; then return 0; fi
    report=$(compare "$test")
    if [ -z "$report" ]; then
        echo "PASS $test" >"$work/$test.verdict"
        return 0
    fi
    {
        if grep -q -e '^> (HANG' -e '^> (signal 14)$' <<<"$report"; then
            echo "HANG $test"
        elif grep -q -E '^> .*signal (4|6|7|8|11)\b' <<<"$report"; then
            echo "CRASH $test"
        else
            echo "FAIL $test"
        fi
        echo "    < native, > library"
        head -n 16 <<<"$report" | sed 's/^/    /'
        if [ "$(wc -l <<<"$report")" -gt 16 ]; then echo "    ... and $(($(wc -l <<<"$report") - 16)) lines more"; fi
        if [ -s "$work/$test.library.err" ]; then
            echo "    stderr under the library:"
            head -n 12 "$work/$test.library.err" | sed 's/^/    /'
        fi
    } >"$work/$test.verdict"
}

# again TEST: the second run of one that differed. Its verdict becomes UNSTEADY if all agree now.
again() {
    local verdict=$work/$1.verdict
    case "$(head -n 1 "$verdict" 2>/dev/null)" in "FAIL "* | "FLAKY-NATIVE "*) ;; *) return 0 ;; esac
    rm -f "$remembered/$1.key"
    if native "$1" >/dev/null && [ -z "$(compare "$1")" ]; then
        { echo "UNSTEADY $1: differed once"; tail -n +2 "$verdict"; } >"$verdict.again"
        mv "$verdict.again" "$verdict"
    fi
}

passed=0 failed=0 unsteady=()
tell() {
    local verdict=$work/$1.verdict
    case "$(head -n 1 "$verdict" 2>/dev/null)" in
        "PASS "*)
            passed=$((passed + 1))
            if [ $verbose = yes ]; then cat "$verdict"; fi
            return 0
            ;;
        "UNSTEADY "*) unsteady+=("$1") ;;
        *) failed=$((failed + 1)) ;;
    esac
    if [ -s "$verdict" ]; then cat "$verdict"; else echo "FAIL $1: the harness gave no verdict"; fi
}

running=0
for test in "${selected[@]}"; do
    if [ $running -ge "$jobs" ]; then
        wait -n || true
        running=$((running - 1))
    fi
    one "$test" &
    running=$((running + 1))
done
wait || true
for test in "${selected[@]}"; do again "$test"; done
for test in "${selected[@]}"; do tell "$test"; done

# An entry for a test that does not exist is as stale as one for a difference that does not.
if [ "$only" = '*' ] && [ -f c-tests/differences.txt ]; then
    while IFS= read -r name; do
        if [ ! -f "c-tests/$name.c" ]; then
            echo "FAIL c-tests/differences.txt: there is no test $name"
            failed=$((failed + 1))
        fi
    done < <(awk -F ' \\| ' '/^[ \t]*(#|$)/ { next } { sub(/@(ring|plain)$/, "", $1); print $1 }' c-tests/differences.txt | sort -u)
    while IFS= read -r line; do
        echo "FAIL c-tests/differences.txt: not four fields with a reason: $line"
        failed=$((failed + 1))
    done < <(awk -F ' \\| ' '/^[ \t]*(#|$)/ { next } NF != 4 || $4 ~ /^[ \t]*$/' c-tests/differences.txt)
fi

if [ ${#unsteady[@]} -gt 0 ]; then echo "${#unsteady[@]} unsteady: ${unsteady[*]}"; fi
if [ ${#unsteady[@]} -gt $most_unsteady ]; then failed=$((failed + ${#unsteady[@]})); fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
