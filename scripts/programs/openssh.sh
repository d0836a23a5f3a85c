#!/usr/bin/env bash
# OpenSSH: sessions, a terminal, scp and sftp, forwarding of ports (local, remote, dynamic), a shared connection, a jump.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="openssh-server openssh-client curl python3"

version() { ssh -V 2>&1 | sed 's/^OpenSSH_\([^ ,]*\).*/\1/'; }

config() {
    mkdir keys
    ssh-keygen -q -t ed25519 -N "" -f keys/host
    ssh-keygen -q -t ed25519 -N "" -f keys/user
    cp keys/user.pub keys/authorized
    cat >sshd_config <<TEXT
Port $ssh_port
ListenAddress 127.0.0.1
HostKey $PWD/keys/host
AuthorizedKeysFile $PWD/keys/authorized
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
Subsystem sftp /usr/lib/openssh/sftp-server
TEXT
    options=(-F none -o StrictHostKeyChecking=no -o "UserKnownHostsFile=$PWD/keys/known" -o LogLevel=ERROR -o BatchMode=yes
        -i "$PWD/keys/user")
    # Where sshd's unprivileged half goes; the package makes it when the service starts.
    [ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
}

to() { limited 20 ssh "${options[@]}" -p "$ssh_port" "$@"; }
there() { to "$me" "$1"; }
serves() { [ "$(there 'echo up' </dev/null)" = up ]; }
fetch() { limited 10 curl -sS --max-time 8 --noproxy '*' "$@"; }

sessions() {
    local said status=0
    said=$(there 'echo hello; exit 7' </dev/null) || status=$?
    expect session "hello 7" "$said $status"
    expect standard-input "20000000" "$(there 'wc -c' <big)"
    expect standard-output "$(cksum <big)" "$(there "cat '$PWD/big'" </dev/null | cksum)"
    status=0
    said=$(limited 20 ssh "${options[@]}" -tt -p "$ssh_port" "$me" 'tty; exit 3' </dev/null 2>/dev/null) || status=$?
    expect terminal "/dev/pts 3" "$(tr -d '\r' <<<"${said%/*}") $status"
    there 'sleep 20' </dev/null &
    local sleeper=$!
    sleep 0.3
    kill "$sleeper" 2>/dev/null || true
    wait "$sleeper" 2>/dev/null || true
    holds after-a-killed-client serves
}

copies() {
    limited 30 scp -q "${options[@]}" -P "$ssh_port" big "$me:$PWD/big.up"
    holds scp-up cmp big big.up
    limited 30 scp -q "${options[@]}" -P "$ssh_port" "$me:$PWD/big" big.down
    holds scp-down cmp big big.down
    limited 30 scp -q -O "${options[@]}" -P "$ssh_port" "$me:$PWD/big" big.old
    holds scp-by-the-old-protocol cmp big big.old
    echo "get $PWD/big big.sftp" | limited 30 sftp -q -b - "${options[@]}" -P "$ssh_port" "$me" >/dev/null
    holds sftp cmp big big.sftp
}

forwarding() {
    local web near remote dynamic
    web=$(port) near=$(port) remote=$(port) dynamic=$(port)
    echo "from the web" >index.html
    start web.log python3 -u -m http.server "$web" --bind 127.0.0.1
    start forward.log ssh "${options[@]}" -o ExitOnForwardFailure=yes -N -p "$ssh_port" \
        -L "$near:127.0.0.1:$web" -R "$remote:127.0.0.1:$web" -D "$dynamic" "$me"
    local forwarder=$server
    soon 10 fetch "http://127.0.0.1:$remote/" || true
    expect local-forwarding "from the web" "$(fetch "http://127.0.0.1:$near/")"
    expect remote-forwarding "from the web" "$(fetch "http://127.0.0.1:$remote/")"
    expect dynamic-forwarding "from the web" "$(fetch --socks5-hostname "127.0.0.1:$dynamic" "http://localhost:$web/")"
    fetch "http://127.0.0.1:$near/big" -o big.web
    holds large-through-a-forwarding cmp big big.web
    expect in-a-session "from the web" "$(there "curl -sS --noproxy '*' http://127.0.0.1:$web/" </dev/null)"
    expect standard-input-forwarding "from the web" \
        "$(printf 'GET / HTTP/1.0\r\n\r\n' | to -W "127.0.0.1:$web" "$me" | tail -n 1)"
    stop "$forwarder" || bad forwarder-ends "it does not"
}

sharing() {
    to -M -S "$PWD/control" -f -N "$me"
    expect shared-connection "shared" "$(limited 10 ssh "${options[@]}" -S "$PWD/control" "$me" 'echo shared' </dev/null)"
    limited 10 ssh "${options[@]}" -S "$PWD/control" -O exit "$me" 2>/dev/null
    local jump="ssh ${options[*]} -W %h:%p -p $ssh_port $me"
    expect jump jumped "$(to -o "ProxyCommand=$jump" "$me" 'echo jumped' </dev/null)"
}

job() {
    ssh_port=$(port) me=$(id -un)@127.0.0.1
    head -c 20000000 /dev/urandom >big
    config
    start sshd.log /usr/sbin/sshd -D -e -f "$PWD/sshd_config"
    local sshd=$server
    if ! soon 10 serves; then
        bad starts "$(tail -n 3 sshd.log)"
        return
    fi
    sessions
    copies
    forwarding
    sharing
    holds ends stop "$sshd"
}

main "$@"
