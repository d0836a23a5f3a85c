#!/usr/bin/env bash
# curl and python3's http.server, both unmodified, in networks of Sockhop.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/real-run.sh [--keep]

A web server on the machine's own port, another on the same port in a network, and curl inside and outside; two fresh
networks on one port at once; sockhop ls; --isolated. Everything happens in a private directory and has a limit.

  --keep   leave the outputs where they are and say where

Uses target/release/sockhop, or what SOCKHOP says. The last line is "N passed, N failed".
TEXT
}

cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
keep_option "$@"
sockhop=$(realpath -m "${SOCKHOP:-target/release/sockhop}")
[ -x "$sockhop" ] || fail "$sockhop is not there; cargo build --release makes it"
# The library under test and how it carries bytes may be chosen from outside, nothing else.
clean_all_but SOCKHOP_LIB SOCKHOP_TRANSPORT
no_proxies
export LC_ALL=C

work=$(mktemp -d "${TMPDIR:-/tmp}/real-run.XXXXXX")
SOCKHOP_DIR=$(mktemp -d /dev/shm/sockhop-real.XXXXXX)
export SOCKHOP_DIR
started=()
finish() {
    local pid
    # Each was made the leader of a session of its own, so its number is its group's, too.
    for pid in "${started[@]}"; do kill -KILL -- "-$pid" 2>/dev/null || true; done
    rm -rf "$SOCKHOP_DIR"
    if [ $keep = yes ]; then echo "real-run: the outputs are in $work"; else rm -rf "$work"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

passed=0 failed=0
# expect WHAT WANTED GOT
expect() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        echo "ok   $1"
    else
        failed=$((failed + 1))
        echo "FAIL $1: expected \"$2\", got \"$3\""
    fi
}

# soon SECONDS COMMAND...: tries until it succeeds.
soon() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

limited() { timeout -k 1 10 "$@"; }
fetch() { limited curl -sS --noproxy '*' --max-time 5 "$@"; }
answers() { [ "$(fetch "$1" 2>/dev/null)" = "$2" ]; }

# start LOG COMMAND...: in the background, with 60 seconds to live; its number is then in $!.
start() {
    local log=$1
    shift
    setsid timeout --foreground -k 1 60 "$@" </dev/null >"$log" 2>&1 &
    started+=($!)
    # Its end is intended and nothing that bash should report.
    disown $!
}

for content in kernel network one two; do
    mkdir "$work/$content"
    echo "from $content" >"$work/$content/index.html"
done

# 1. The port is taken on the machine by a server with other content. Its number is the system's choice.
start "$work/kernel.log" python3 -u -m http.server 0 --bind 127.0.0.1 --directory "$work/kernel"
kernel_server=$!
soon 10 grep -q 'port [1-9]' "$work/kernel.log" || { cat "$work/kernel.log"; echo "real-run: no server on the machine" >&2; exit 1; }
port=$(sed -n 's/.* port \([1-9][0-9]*\) .*/\1/p' "$work/kernel.log" | head -n 1)
url=http://127.0.0.1:$port/
expect "a client of the machine reaches the machine's server" "from kernel" "$(fetch "$url" || true)"
expect "a client in a network does not reach it" 7 "$(limited "$sockhop" run -- curl -s --max-time 5 "$url" >/dev/null && echo 0 || echo $?)"

# 2. The same port in a network.
start "$work/network.log" "$sockhop" run -- python3 -u -m http.server "$port" --bind 127.0.0.1 --directory "$work/network"
in_network() { limited "$sockhop" run -- curl -sS --max-time 5 "$1"; }
network_answers() { [ "$(in_network "$1" 2>/dev/null)" = "from network" ]; }
soon 10 network_answers "$url" || cat "$work/network.log"
expect "curl in the network reaches the network's server on the port that is taken" "from network" "$(in_network "$url" 2>&1 || true)"
expect "by name, too" "from network" "$(in_network "http://localhost:$port/" 2>&1 || true)"
expect "a client of the machine still reaches the machine's server" "from kernel" "$(fetch "$url" || true)"

# 3. What ls shows of it.
# shellcheck disable=SC2016 # python's
listed=$(limited "$sockhop" ls --json | limited python3 -c '
import json, sys
for network in json.load(sys.stdin):
    for s in network["sockets"]:
        if s["state"] == "LISTEN":
            with open("/proc/%d/cmdline" % s["pid"], "rb") as f:
                ours = b"http.server" in f.read().split(b"\0")
            print(s["network"], s["protocol"], s["address"], s["program"].startswith("python3"), ours)' 2>&1 || true)
expect "ls shows the server: network, protocol, address, program, process" "default tcp 127.0.0.1:$port True True" "$listed"
expect "ls shows the same as a table" "default tcp 127.0.0.1:$port - LISTEN" \
    "$(limited "$sockhop" ls 2>&1 | awk '$5 == "LISTEN" { print $1, $2, $3, $4, $5 }')"

# 4. Without a server of its own on this port, the machine has nobody there.
kill -KILL -- "-$kernel_server" 2>/dev/null || true
refused() { fetch "$url" >/dev/null 2>&1 || [ $? -eq 7 ]; }
soon 5 refused || true
expect "a client of the machine cannot reach the network's server" 7 "$(fetch "$url" >/dev/null 2>&1 && echo 0 || echo $?)"
expect "a client in the network still does" "from network" "$(in_network "$url" 2>&1 || true)"
expect "a client in another network does not" 7 \
    "$(limited "$sockhop" run --net other -- curl -s --max-time 5 "$url" >/dev/null && echo 0 || echo $?)"

# 5. Two fresh networks at once on this port. Each script waits, before its client asks, until both servers are up.
cat >"$work/in-fresh.sh" <<'INNER'
#!/usr/bin/env bash
# in-fresh.sh WORK PORT MINE OTHER
set -euo pipefail
python3 -u -m http.server "$2" --bind 127.0.0.1 --directory "$1/$3" >"$1/fresh-$3.log" 2>&1 &
server=$!
trap 'kill "$server"' EXIT
tries=0
until curl -s --max-time 5 "http://127.0.0.1:$2/" >/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { echo "no server"; exit 1; }
    sleep 0.1
done
: >"$1/up-$3"
tries=0
until [ -e "$1/up-$4" ]; do
    tries=$((tries + 1))
    [ $tries -lt 150 ] || { echo "the other one is not up"; exit 1; }
    sleep 0.1
done
curl -sS --max-time 5 "http://127.0.0.1:$2/"
: >"$1/done-$3"
tries=0
# The own server stays until the other's client has asked, too.
until [ -e "$1/done-$4" ] || [ $tries -ge 150 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
INNER
chmod +x "$work/in-fresh.sh"
fresh() { timeout -k 1 50 "$sockhop" run --fresh -- "$work/in-fresh.sh" "$work" "$port" "$1" "$2" >"$work/fresh-$1.out" 2>&1; }
fresh one two &
first=$!
fresh two one &
second=$!
networks_now() { find "$SOCKHOP_DIR" -maxdepth 1 -name 'fresh-*' | wc -l; }
both_there() { [ "$(networks_now)" -eq 2 ]; }
soon 20 both_there || true
expect "two fresh networks exist at once" 2 "$(networks_now)"
wait $first || true
wait $second || true
expect "the first fresh network's client has its own server" "from one" "$(cat "$work/fresh-one.out")"
expect "the second's has its own, on the same port at the same time" "from two" "$(cat "$work/fresh-two.out")"
none_there() { [ "$(networks_now)" -eq 0 ]; }
soon 10 none_there || true
expect "both are gone afterwards" 0 "$(networks_now)"

# 6. No way out. 192.0.2.1 is set aside for documentation (RFC 5737).
cat >"$work/out.py" <<'PYTHON'
import errno, socket
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    s = socket.socket(socket.AF_INET, kind)
    s.settimeout(3)
    try:
        s.connect(("192.0.2.1", 9))
        print("connected")
    except OSError as e:
        print(errno.errorcode.get(e.errno, str(e)))
PYTHON
expect "--isolated answers ENETUNREACH for what is outside" "ENETUNREACH ENETUNREACH" \
    "$(limited "$sockhop" run --fresh --isolated -- python3 "$work/out.py" 2>&1 | paste -sd ' ')"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
