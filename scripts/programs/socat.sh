#!/usr/bin/env bash
# socat: programs, files and relays behind TCP, UDP in all its kinds, multicast, TLS, unix sockets, terminals, options.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="socat openssl"

version() { socat -V | sed -n 's/.*socat version \([^ ]*\).*/\1/p'; }

client() { limited 10 socat -t 3 "$@"; }
ask() { echo "$1" | client - "$2"; }
# Whether the server's port can be had by nobody else any more.
up() { limited 5 socat -u OPEN:/dev/null "TCP:127.0.0.1:$1"; }

# serving NAME ADDRESS...: a server that goes on; $number is its port, PORT in the addresses.
serving() {
    local name=$1
    shift
    number=$(port)
    start "$name.log" socat -t 3 "${@//PORT/$number}"
}

streams() {
    serving exec TCP4-LISTEN:PORT,reuseaddr,fork,bind=127.0.0.1 EXEC:'tr a-z A-Z'
    soon 5 up "$number" || true
    for i in 1 2 3; do expect "exec-$i" "TEXT $i" "$(ask "text $i" "TCP:localhost:$number")"; done
    expect large "$(tr '[:lower:]' '[:upper:]' <big | cksum)" "$(client - "TCP:127.0.0.1:$number" <big | cksum)"
    local behind=$number first=$server
    serving relay TCP4-LISTEN:PORT,reuseaddr,fork "TCP:127.0.0.1:$behind"
    soon 5 up "$number" || true
    expect relay "$(tr '[:lower:]' '[:upper:]' <big | cksum)" "$(client - "TCP:127.0.0.1:$number" <big | cksum)"
    stop "$server" || true
    # shellcheck disable=SC2016 # the shell at the other end expands it
    serving system TCP4-LISTEN:PORT,reuseaddr,fork SYSTEM:'read line; echo "$line from $SOCAT_PEERADDR"'
    soon 5 up "$number" || true
    expect system "text from 127.0.0.3" "$(ask text "TCP:127.0.0.1:$number,bind=127.0.0.3,nodelay")"
    stop "$server" || true
    serving six TCP6-LISTEN:PORT,reuseaddr,fork EXEC:cat
    soon 5 up "$number" || true
    expect six-and-four "six four" "$(ask six "TCP6:[::1]:$number") $(ask four "TCP4:127.0.0.1:$number")"
    stop "$server" || true
    serving options TCP4-LISTEN:PORT,reuseaddr,fork,nodelay,keepalive,keepidle=10,sndbuf=65536,rcvbuf=65536,linger=1,backlog=3,so-reuseport EXEC:cat
    soon 5 up "$number" || true
    expect options "text" "$(ask text "TCP4:127.0.0.1:$number,sourceport=$(port),reuseaddr,connect-timeout=3")"
    stop "$server" || true
    serving range TCP4-LISTEN:PORT,reuseaddr,fork,range=127.0.0.2/32 EXEC:'echo let in'
    soon 5 up "$number" || true
    expect range "let in" "$(client -u "TCP4:127.0.0.1:$number,bind=127.0.0.2" - </dev/null)"
    expect out-of-range "" "$(client -u "TCP4:127.0.0.1:$number" - 2>/dev/null </dev/null || true)"
    stop "$server" || true
    serving terminal TCP4-LISTEN:PORT,reuseaddr,fork EXEC:'tty',pty,stderr,setsid,ctty
    soon 5 up "$number" || true
    expect terminal /dev/pts "$(client -u "TCP4:127.0.0.1:$number" - </dev/null | sed 's,/[0-9]*\r*$,,')"
    stop "$server" || true
    local late
    late=$(port)
    (sleep 0.7; exec 2>/dev/null; limited 5 socat "TCP4-LISTEN:$late,reuseaddr" EXEC:'echo late') &
    local waited=$!
    expect retry late "$(client -u "TCP4:127.0.0.1:$late,retry=20,interval=0.2" - 2>/dev/null </dev/null)"
    wait $waited || true
    expect refused 1 "$(ask text "TCP4:127.0.0.1:$(port)" 2>&1 | grep -c 'Connection refused')"
    serving unix UNIX-LISTEN:unix.sock,fork "TCP4:127.0.0.1:$behind"
    soon 5 test -S unix.sock || true
    expect unix-to-tcp TEXT "$(ask text UNIX:unix.sock)"
    stop "$server" || true
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost 2>/dev/null
    cat key.pem cert.pem >both.pem
    serving tls "OPENSSL-LISTEN:PORT,cert=both.pem,verify=0,fork,reuseaddr" EXEC:cat
    soon 5 up "$number" || true
    expect tls "$(cksum <big)" "$(client - "OPENSSL:localhost:$number,cafile=cert.pem" <big | cksum)"
    stop "$server" || true
    stop "$first" || true
}

datagrams() {
    # UDP has no answer to "is somebody there": it is asked until one comes.
    serving recvfrom UDP4-RECVFROM:PORT,fork,bind=127.0.0.1 EXEC:'tr a-z A-Z'
    soon 5 hears "UDP4:127.0.0.1:$number" TEXT || true
    expect recvfrom TEXT "$(echo text | limited 5 socat -t 0.5 - "UDP4:127.0.0.1:$number")"
    stop "$server" || true
    serving listen UDP4-LISTEN:PORT,fork,bind=127.0.0.1 EXEC:cat
    soon 5 hears "UDP4:127.0.0.1:$number" text || true
    expect listen text "$(echo text | limited 5 socat -t 0.5 - "UDP4:127.0.0.1:$number")"
    stop "$server" || true
    serving six UDP6-RECVFROM:PORT,fork EXEC:cat
    soon 5 hears "UDP6:[::1]:$number" text || true
    expect udp-six text "$(echo text | limited 5 socat -t 0.5 - "UDP6:[::1]:$number")"
    stop "$server" || true
    serving multicast -u UDP4-RECV:PORT,ip-add-membership=239.1.2.3:127.0.0.1,reuseaddr CREATE:multicast.out
    soon 5 arrives multicast.out "UDP4-DATAGRAM:239.1.2.3:$number,ip-multicast-if=127.0.0.1" || true
    holds multicast grep -q text multicast.out
    stop "$server" || true
    serving broadcast -u UDP4-RECV:PORT CREATE:broadcast.out
    soon 5 arrives broadcast.out "UDP4-DATAGRAM:127.255.255.255:$number,broadcast" || true
    holds broadcast grep -q text broadcast.out
    stop "$server" || true
    expect nobody-there 1 "$(lingering | limited 5 socat - "UDP4:127.0.0.1:$(port)" 2>&1 | grep -c 'Connection refused')"
}
hears() { [ "$(echo text | limited 5 socat -t 0.3 - "$1")" = "$2" ]; }
arrives() {
    echo text | limited 5 socat -u - "$2"
    sleep 0.1
    grep -q text "$1"
}
lingering() {
    echo text
    sleep 0.3
    echo text
    sleep 0.3
}

job() {
    local number
    head -c 3000000 /dev/urandom | base64 >big
    streams
    datagrams
}

main "$@"
