# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # set and read by the scripts that source this
# What the scripts in this directory share; each sources it and ends with `main "$@"`.
#
# A script sets `packages` (Debian's) and defines two functions: `version`, which prints the program's version, and
# `job`, which does everything once in the current directory. In `job` every program that has sockets is started through
# `wrapped`, `start` or `limited`. `$quick` and `$figures` are yes or no.
set -euo pipefail
export LC_ALL=C

# Correctness only; figures only (what is checked before is then left out where it can be).
quick=no
figures=no
failures=0
started=()
# What is put in front of every program that has sockets: nothing, or something like `sockhop run --net NET --`.
read -ra wrap <<<"${WRAP-}"

# wrapped COMMAND...: in the network, without a limit of its own (in a pipe, or after `exec`).
wrapped() { "${wrap[@]}" "$@"; }

# limited SECONDS COMMAND...: in the network, and killed after so long.
limited() {
    local seconds=$1
    shift
    timeout --foreground -k 1 "$seconds" "${wrap[@]}" "$@"
}

# start LOG COMMAND...: a server in the background, in a session of its own, killed after 240 s at the latest. Its
# process id is then in $server.
start() {
    local log=$1
    shift
    # setsid keeps the process id, and so do the shell, Sockhop's command and the program.
    setsid "${wrap[@]}" "$@" </dev/null >"$log" 2>&1 &
    server=$!
    started+=("$server")
    # Its end is intended and nothing that bash should report.
    disown "$server"
}

# stop PID [SIGNAL]: asks it to end, kills its session when it has not after 10 s. Fails in the second case.
stop() {
    kill -"${2:-TERM}" "$1" 2>/dev/null || true
    if soon 10 gone "$1"; then
        kill -KILL -- "-$1" 2>/dev/null || true
    else
        kill -KILL -- "-$1" 2>/dev/null || true
        return 1
    fi
}

# gone PID: whether it has ended (a zombie has).
gone() { [ ! -e "/proc/$1" ] || grep -q '^State:.*[ZX]' "/proc/$1/status" 2>/dev/null || [ ! -e "/proc/$1" ]; }

# soon SECONDS COMMAND...: tries until it succeeds.
soon() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# port: a port that nobody listens on natively, and that was not given out before in this directory.
port() {
    local number
    while :; do
        # Below the range of automatic ports.
        number=$((10000 + RANDOM % 20000))
        if ! grep -qx "$number" .ports 2>/dev/null && ! (exec 3<>"/dev/tcp/127.0.0.1/$number") 2>/dev/null; then
            echo "$number" >>.ports
            echo "$number"
            return
        fi
    done
}

# ok NAME / bad NAME WHY: the outcome of a check.
ok() { echo "check $1 ok"; }
bad() {
    failures=$((failures + 1))
    echo "check $1 failed: $(tr '\n' ' ' <<<"${2-}" | cut -c 1-300)"
}

# expect NAME WANTED GOT
expect() {
    if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "expected \"$2\", got \"$3\""; fi
}

# holds NAME COMMAND...: whether it succeeds; what it prints is the reason if not.
holds() {
    local name=$1 said status=0
    shift
    said=$("$@" 2>&1) || status=$?
    if [ $status -eq 0 ]; then ok "$name"; else bad "$name" "status $status: $(tail -n 3 <<<"$said")"; fi
}

# told NAME SECONDS COMMAND...: runs a program that prints "CHECK ok" for each thing that it found to work.
told() {
    local name=$1 said status=0 check word
    shift
    said=$(limited "$@" 2>&1) || status=$?
    while read -r check word; do
        if [ "$word" = ok ]; then ok "$name-$check"; fi
    done <<<"$said"
    if [ $status -ne 0 ]; then bad "$name" "status $status: $(tail -n 3 <<<"$said")"; fi
}

# at_least NAME MINIMUM GOT: numbers.
at_least() {
    if awk -v a="$3" -v b="$2" 'BEGIN { exit !(a + 0 >= b + 0) }'; then ok "$1"; else bad "$1" "expected at least $2, got $3"; fi
}

# figure NAME VALUE UNIT higher|lower [GOAL]: one measured figure; GOAL is how many times better than natively it has to
# be. Without a value it is a failed check.
figure() {
    if awk -v v="$2" 'BEGIN { exit !(v + 0 > 0) }'; then
        echo "figure $1 $2 $3 better=$4${5:+ goal=$5}"
    else
        bad "$1" "no figure: \"$2\""
    fi
}

# as_user COMMAND...: as an ordinary user where this is root, for programs that refuse root, as `as_user start LOG PROGRAM`
# or `as_user limited 5 PROGRAM`. The directory where it works must belong to the user $ordinary. A user has networks of
# his own, so what is to meet has to be started by the same one.
ordinary=$(id -un)
[ "$(id -u)" -ne 0 ] || ordinary=nobody
as_user() {
    local before=("${wrap[@]}")
    if [ "$(id -u)" -eq 0 ]; then
        wrap=(setpriv --reuid="$ordinary" --regid="$(id -g "$ordinary")" --clear-groups --
            env HOME="$PWD" ${SOCKHOP_DIR:+SOCKHOP_DIR="$SOCKHOP_DIR-$ordinary"} "${wrap[@]}")
        if [ -n "${SOCKHOP_DIR-}" ]; then install -d -m 0700 -o "$ordinary" "$SOCKHOP_DIR-$ordinary"; fi
    fi
    local status=0
    "$@" || status=$?
    wrap=("${before[@]}")
    return $status
}

finish() {
    local pid
    for pid in "${started[@]}"; do kill -KILL -- "-$pid" 2>/dev/null || true; done
}

usage() {
    cat <<TEXT
Usage: $(basename "$0") packages | version | run [--quick | --figures]

Does a real job with unmodified programs in the current directory and checks the results.

  packages   prints the Debian packages that it needs
  version    prints the program's version
  run        prints "check NAME ok", "check NAME failed: WHY", "figure NAME VALUE UNIT better=... [goal=...]"; ends with
             1 if a check failed
  --quick    correctness only
  --figures  only what is measured

WRAP is put in front of every program that has sockets, such as WRAP="sockhop run --net test --".
TEXT
}

# nginx_head WORKERS: how the configuration of an nginx in the foreground begins, up to what its http part holds.
nginx_head() {
    local name
    # As root, the workers become this user.
    if [ "$(id -u)" -eq 0 ]; then echo "user nobody $(id -gn nobody);"; fi
    cat <<TEXT
worker_processes $1;
daemon off;
pid $PWD/nginx.pid;
error_log $PWD/nginx.log;
events { worker_connections 512; }
http {
    access_log off;
TEXT
    for name in client_body proxy fastcgi uwsgi scgi; do echo "    ${name}_temp_path $PWD/t/$name;"; done
}

main() {
    case "${1-}" in
        packages) echo "$packages" ;;
        version) version ;;
        run)
            case "${2-}" in
                "") ;;
                --quick) quick=yes ;;
                --figures) figures=yes ;;
                *) usage >&2; exit 2 ;;
            esac
            trap finish EXIT
            trap 'exit 130' INT TERM
            job
            [ $failures -eq 0 ] || exit 1
            ;;
        -h | --help) usage ;;
        *) usage >&2; exit 2 ;;
    esac
}
