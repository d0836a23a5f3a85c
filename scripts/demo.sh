#!/usr/bin/env bash
# Builds everything and shows the main job: unmodified programs that talk through Sockhop's own socket layer.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/demo.sh

Builds Sockhop, then shows unmodified programs on the kernel's sockets and on Sockhop's: a TCP and a UDP echo, strace's
view of them, and curl with python3's http.server on one port in two networks. Installs what it needs
(scripts/install-deps.sh) and leaves nothing behind.
TEXT
}

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
no_options "$@"
clean_environment
no_proxies
scripts/install-deps.sh
echo "Building ..."
cargo build --release --workspace --quiet
PATH=$PWD/target/release:$PATH

work=$(mktemp -d "${TMPDIR:-/tmp}/sockhop-demo.XXXXXX")
SOCKHOP_DIR=$(mktemp -d /dev/shm/sockhop-demo.XXXXXX)
export SOCKHOP_DIR
started=()
finish() {
    local pid
    for pid in "${started[@]}"; do kill -KILL -- "-$pid" 2>/dev/null || true; done
    rm -rf "$SOCKHOP_DIR" "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

bad=0
title() { printf '\n== %s\n' "$1"; }
seen() { printf '   -> %s\n' "$1"; }
wrong() { printf '   -> NOT AS EXPECTED: %s\n' "$1"; bad=$((bad + 1)); }
# show COMMAND...: prints the command as one would type it, then its output, indented.
show() {
    printf '   $ %s\n' "$*"
    timeout -k 1 20 "$@" 2>&1 | sed 's/^/     /'
}

echo_test() {
    local name=$1 source=$2
    gcc -O1 -pthread -I c-tests/lib -o "$work/$name" "$source"
    timeout -k 1 20 "$work/$name" >"$work/$name.native" || wrong "$name fails natively"
    timeout -k 1 20 sockhop run -- "$work/$name" >"$work/$name.sockhop" || wrong "$name fails under sockhop"
    printf '   $ sockhop run -- %s\n' "./$name"
    head -n 6 "$work/$name.sockhop" | sed 's/^/     /'
    if [ "$(wc -l <"$work/$name.sockhop")" -gt 6 ]; then echo "     ..."; fi
    if cmp -s "$work/$name.native" "$work/$name.sockhop"; then
        seen "the same $(wc -l <"$work/$name.native") lines as without sockhop"
    else
        wrong "it prints something else than without sockhop"
        diff "$work/$name.native" "$work/$name.sockhop" | head -n 5 || true
    fi
    timeout -k 1 30 strace -qq -f -o "$work/$name.trace" -e trace=socket -E "LD_PRELOAD=$PWD/target/release/libsockhop.so" \
        "$work/$name" >/dev/null 2>&1 || true
    if grep -q AF_INET "$work/$name.trace" || ! grep -q AF_UNIX "$work/$name.trace"; then
        wrong "strace sees inet sockets, or nothing at all"
    else
        seen "strace sees no AF_INET socket: the kernel's TCP and UDP had no part in it"
    fi
}

title "A TCP echo server and its clients, a C program that knows nothing of Sockhop"
tcp=c-tests/stream/echo.c
[ -f $tcp ] || tcp=c-tests/stream/echo_fork.c
echo_test tcp-echo $tcp

title "A UDP echo server and its clients"
echo_test udp-echo c-tests/dgram/echo.c

title "curl and python3 -m http.server: one port, two networks, at once"
port=8080
for network in blue green; do
    mkdir "$work/$network"
    echo "Hello from $network" >"$work/$network/index.html"
    printf '   $ sockhop run --net %s -- python3 -m http.server %s &\n' $network $port
    setsid timeout --foreground -k 1 60 sockhop run --net $network -- \
        python3 -m http.server $port --bind 127.0.0.1 --directory "$work/$network" </dev/null >"$work/$network.log" 2>&1 &
    started+=($!)
    # Its end is intended and nothing that bash should report.
    disown $!
done
for network in blue green; do
    end=$((SECONDS + 15))
    until timeout -k 1 5 sockhop run --net $network -- curl -s http://127.0.0.1:$port/ >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || break
        sleep 0.1
    done
    show sockhop run --net $network -- curl -s http://127.0.0.1:$port/ | tee "$work/$network.answer"
    if grep -q "Hello from $network" "$work/$network.answer"; then
        seen "the server of $network"
    else
        wrong "no answer from the server of $network"
        cat "$work/$network.log"
    fi
done

title "Who is bound where"
show sockhop ls | tee "$work/ls"
if [ "$(grep -c LISTEN "$work/ls")" -eq 2 ]; then
    seen "both servers hold port $port, each in its own network"
else
    wrong "two listeners were expected"
fi

title "From outside"
if timeout -k 1 10 curl -s --max-time 5 http://127.0.0.1:$port/ 2>/dev/null | grep -q 'Hello from \(blue\|green\)'; then
    wrong "a client that is in neither network reached one of the servers"
else
    seen "curl without sockhop reaches neither: nothing of it is on the machine's port $port"
fi

echo
if [ $bad -eq 0 ]; then
    echo "All as it should be."
else
    echo "$bad things were not as they should be."
    exit 1
fi
