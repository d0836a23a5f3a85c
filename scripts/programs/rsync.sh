#!/usr/bin/env bash
# rsync: a daemon with modules, up and down, differences only, a secret, several clients at once.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="rsync"

version() { rsync --version | sed -n '1s/.*version \([^ ]*\).*/\1/p'; }

copy() { limited 20 rsync "$@"; }
same() { diff -r "$1" "$2"; }
lists() { copy "$url/" | grep -q data; }

job() {
    local number i clients=()
    number=$(port) url=rsync://127.0.0.1:$number
    mkdir -p data/a/b
    for i in $(seq 40); do head -c $((i * 3000)) /dev/urandom >"data/a/$i"; done
    head -c 5000000 /dev/urandom >data/a/b/big
    echo "user:secret" >secrets
    chmod 600 secrets
    cat >rsyncd.conf <<TEXT
use chroot = no
address = 127.0.0.1
port = $number
pid file = $PWD/rsyncd.pid
lock file = $PWD/rsyncd.lock
uid = $(id -u)
gid = $(id -g)
[data]
path = $PWD/data
read only = no
[secret]
path = $PWD/data
auth users = user
secrets file = $PWD/secrets
TEXT
    start daemon.log rsync --daemon --no-detach --config rsyncd.conf
    local daemon=$server
    if ! soon 10 lists; then
        bad starts "$(tail -n 3 daemon.log)"
        return
    fi
    copy -a "$url/data/" down/ || true
    holds down same data down
    echo more >>data/a/b/big
    rm data/a/1
    copy -a --stats --delete "$url/data/" down/ >stats || true
    holds differences same data down
    at_least few-bytes-for-differences 3000000 "$((6000000 - $(sed -n 's/Total bytes received: //p' stats | tr -d ,)))"
    rm down/a/2
    echo new >down/a/new
    copy -az --delete down/ "$url/data/" || true
    holds up-compressed same data down
    RSYNC_PASSWORD=secret copy -a "rsync://user@127.0.0.1:$number/secret/" secret/ || true
    holds with-the-secret same data secret
    expect without-the-secret "@ERROR: auth failed on module secret" \
        "$(RSYNC_PASSWORD=wrong copy -a "rsync://user@127.0.0.1:$number/secret/" wrong/ 2>&1 | head -n 1)"
    for i in 1 2 3 4; do copy -a "$url/data/" "at-once.$i/" & clients+=($!); done
    for i in "${clients[@]}"; do wait "$i" || true; done
    for i in 1 2 3 4; do holds "at-once-$i" same data "at-once.$i"; done
    stop "$daemon" || bad ends "it does not"
    # As it is usually started: it goes into the background by itself.
    limited 10 rsync --daemon --config rsyncd.conf
    soon 10 lists || true
    expect in-the-background "data secret" "$(copy "$url/" | awk '{ print $1 }' | paste -sd ' ')"
    kill "$(cat rsyncd.pid)" || true
}

main "$@"
