#!/usr/bin/env bash
# git: a daemon, clones (whole, shallow, several at once), push, fetch, what does not exist.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="git"

version() { git --version | cut -d ' ' -f 3; }

client() { limited 20 git -c user.name=n -c user.email=e@example.org -c init.defaultBranch=main "$@"; }
local_git() { git -c user.name=n -c user.email=e@example.org -c init.defaultBranch=main "$@"; }
answers() { client ls-remote "$url/repository"; }
same() { diff -r -x .git "$1" "$2"; }

job() {
    local number i clients=()
    export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
    number=$(port) url=git://localhost:$number
    local_git init -q repository
    for i in $(seq 25); do
        head -c 30000 /dev/urandom | base64 >"repository/$i"
        local_git -C repository add .
        local_git -C repository commit -q -m "number $i"
    done
    start daemon.log git daemon --listen=127.0.0.1 --port="$number" --base-path="$PWD" --export-all --enable=receive-pack --reuseaddr
    local daemon=$server
    if ! soon 10 answers; then
        bad starts "$(tail -n 3 daemon.log)"
        return
    fi
    client clone -q "$url/repository" clone || true
    holds clone same repository clone
    client clone -q --depth 1 "$url/repository" shallow || true
    holds shallow-clone same repository shallow
    client -C shallow fetch -q --unshallow || true
    expect history 25 "$(local_git -C shallow rev-list --count HEAD)"
    echo new >clone/new
    local_git -C clone add new
    local_git -C clone commit -q -m new
    client -C clone push -q origin HEAD:refs/heads/topic || true
    expect push "$(local_git -C clone rev-parse HEAD)" "$(client ls-remote "$url/repository" refs/heads/topic | cut -f 1)"
    for i in 1 2 3 4; do client clone -q "$url/repository" "at-once.$i" & clients+=($!); done
    for i in "${clients[@]}"; do wait "$i" || true; done
    for i in 1 2 3 4; do holds "at-once-$i" same repository "at-once.$i"; done
    expect nothing-there "fatal: remote error: access denied or repository not exported: /nothing" \
        "$(client clone -q "$url/nothing" nowhere 2>&1 | tail -n 1)"
    stop "$daemon" || bad ends "it does not"
}

main "$@"
