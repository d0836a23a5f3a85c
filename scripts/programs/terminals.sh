#!/usr/bin/env bash
# tmux and screen as bystanders: what runs in their windows is in the network, and they go on as ever.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="tmux screen python3 curl"

version() { echo "tmux $(tmux -V | cut -d ' ' -f 2), screen $(dpkg-query -W -f '${Version}' screen | sed 's/-.*//')"; }

fetch() { limited 10 curl -sS --max-time 5 "http://127.0.0.1:$1/"; }
served() { [ "$(fetch "$1")" = served ]; }
away() { ! fetch "$1"; }

in_tmux() { limited 10 tmux -S "$PWD/tmux.sock" -f /dev/null "$@"; }

with_tmux() {
    local number
    number=$(port)
    in_tmux new-session -d -s ours "/usr/bin/python3 -u -m http.server $number --bind 127.0.0.1"
    soon 10 served "$number" || true
    expect tmux-server served "$(fetch "$number")"
    in_tmux new-window -d -t ours: "curl -sS http://127.0.0.1:$number/ >tmux.out"
    soon 5 grep -q served tmux.out || true
    expect tmux-client served "$(cat tmux.out)"
    expect tmux-shows-it 200 "$(in_tmux capture-pane -p -t ours:0 | sed -n 's/.*"GET [^"]*" \([0-9]*\) .*/\1/p' | head -n 1)"
    in_tmux kill-server
    holds tmux-ends soon 5 away "$number"
}

with_screen() {
    local number
    number=$(port)
    export SCREENDIR=$PWD/screens
    install -d -m 700 "$SCREENDIR"
    limited 10 screen -dmS ours /usr/bin/python3 -m http.server "$number" --bind 127.0.0.1
    soon 10 served "$number" || true
    expect screen-server served "$(fetch "$number")"
    limited 10 screen -S ours -X screen sh -c "curl -sS http://127.0.0.1:$number/ >'$PWD/screen.out'"
    soon 5 grep -q served screen.out || true
    expect screen-client served "$(cat screen.out)"
    limited 10 screen -S ours -X quit
    holds screen-ends soon 5 away "$number"
}

job() {
    echo served >index.html
    with_tmux
    with_screen
}

main "$@"
