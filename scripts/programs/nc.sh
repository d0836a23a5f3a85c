#!/usr/bin/env bash
# netcat in its three kinds (nc.openbsd, nc.traditional, ncat): files both ways, pipes, UDP, scans, programs, TLS, proxy.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="netcat-openbsd netcat-traditional ncat openssl iproute2"

version() { dpkg-query -W -f '${Version} ' netcat-openbsd netcat-traditional ncat | sed 's/-[^ ]*//g; s/+[^ ]*//g'; }

# listening KIND PORT: whether somebody does; asked without a connection, which would be what the listener waits for.
listening() {
    case ${#wrap[@]} in
        0) ss -Hltn "sport = :$1" | grep -q . || ss -Hlun "sport = :$1" | grep -q . ;;
        *) sleep 0.3 ;;
    esac
}

# exchange NAME SERVER-INPUT SERVER... -- CLIENT-INPUT CLIENT...: both run to their end; NAME.server, NAME.client get what
# they say.
exchange() {
    local name=$1 server_input=$2 server_command=() number
    number=$(port)
    shift 2
    while [ "$1" != -- ]; do
        server_command+=("${1//PORT/$number}")
        shift
    done
    local client_input=$2
    shift 2
    limited 12 "${server_command[@]}" <"$server_input" >"$name.server" 2>"$name.server.err" &
    local pid=$!
    soon 3 listening "$number" || true
    limited 12 "${@//PORT/$number}" <"$client_input" >"$name.client" 2>"$name.client.err" || true
    wait $pid || true
}

kind() {
    local name=$1 listen=() connect=() listen_udp=() connect_udp=()
    case $name in
        nc.openbsd)
            listen=(nc.openbsd -N -l 127.0.0.1 PORT) connect=(nc.openbsd -N 127.0.0.1 PORT)
            listen_udp=(nc.openbsd -u -l -w 1 127.0.0.1 PORT) connect_udp=(nc.openbsd -u -w 1 127.0.0.1 PORT)
            ;;
        nc.traditional)
            listen=(nc.traditional -l -s 127.0.0.1 -p PORT) connect=(nc.traditional -q 1 127.0.0.1 PORT)
            listen_udp=(nc.traditional -u -l -s 127.0.0.1 -p PORT -w 1) connect_udp=(nc.traditional -u -w 1 127.0.0.1 PORT)
            ;;
        ncat)
            listen=(ncat -l 127.0.0.1 PORT) connect=(ncat 127.0.0.1 PORT)
            listen_udp=(ncat -u -l -i 1 127.0.0.1 PORT) connect_udp=(ncat -u -i 1 127.0.0.1 PORT)
            ;;
    esac
    exchange "$name.up" quiet "${listen[@]}" -- big "${connect[@]}"
    holds "$name-up" cmp big "$name.up.server"
    exchange "$name.down" big "${listen[@]}" -- <(sleep 2) "${connect[@]}"
    holds "$name-down" cmp big "$name.down.client"
    exchange "$name.udp" /dev/null "${listen_udp[@]}" -- text "${connect_udp[@]}"
    holds "$name-udp" cmp text "$name.udp.server"
    # Two programs by a pipe each.
    local number
    number=$(port)
    limited 12 "${listen[@]//PORT/$number}" <quiet | gzip -dc >"$name.unpacked" &
    local pid=$!
    soon 3 listening "$number" || true
    gzip -c big | limited 12 "${connect[@]//PORT/$number}" >/dev/null || true
    wait $pid || true
    holds "$name-pipes" cmp big "$name.unpacked"
    expect "$name-refused" 1 "$(limited 5 "${connect[@]//PORT/$(port)}" </dev/null 2>/dev/null && echo 0 || echo $?)"
}

# serving NAME COMMAND...: starts a server that goes on; $number is its port, PORT in the command.
serving() {
    local name=$1
    shift
    number=$(port)
    start "$name.log" "${@//PORT/$number}"
    soon 3 listening "$number" || true
}

# lingering TEXT: a line, whose end ncat would take for the end of everything.
lingering() {
    echo "$1"
    sleep 0.5
}

special() {
    local number
    serving keep nc.openbsd -k -l 127.0.0.1 PORT
    expect scan "1 0 1" "$(for i in $((number - 1)) "$number" $((number + 1)); do
        limited 5 nc.openbsd -z 127.0.0.1 "$i" && echo 0 || echo $?
    done | paste -sd ' ')"
    for i in 1 2 3; do echo "line $i" | limited 5 nc.openbsd -N 127.0.0.1 "$number"; done
    expect one-after-the-other "line 1 line 2 line 3" "$(paste -sd ' ' keep.log)"
    stop "$server" || true
    serving exec ncat -k -l 127.0.0.1 PORT -e "/usr/bin/head -n 1"
    for i in 1 2 3; do lingering "echo $i" | limited 5 ncat 127.0.0.1 "$number" >"exec.$i" || true; done
    expect programs "echo 1 echo 2 echo 3" "$(cat exec.1 exec.2 exec.3 | paste -sd ' ')"
    stop "$server" || true
    # shellcheck disable=SC2016 # the shell at the other end expands it
    serving shell ncat -k -l 127.0.0.1 PORT -c 'read line; echo "got $line"'
    expect shell "got it" "$(lingering it | limited 5 ncat 127.0.0.1 "$number")"
    stop "$server" || true
    exchange traditional-exec /dev/null nc.traditional -l -s 127.0.0.1 -p PORT -e /usr/bin/id -- /dev/null nc.traditional 127.0.0.1 PORT
    holds traditional-program cmp traditional-exec.client <(id)
    serving broker ncat -l --broker 127.0.0.1 PORT
    limited 8 ncat 127.0.0.1 "$number" <quiet >heard 2>/dev/null &
    local listener=$!
    sleep 0.3
    lingering "to all" | limited 5 ncat 127.0.0.1 "$number" >/dev/null
    soon 3 grep -q all heard || true
    expect broker "to all" "$(cat heard)"
    stop "$server" || true
    wait $listener || true
    # A key beforehand: ncat makes one otherwise, for seconds.
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost 2>/dev/null
    exchange tls quiet ncat --ssl --ssl-key key.pem --ssl-cert cert.pem -l 127.0.0.1 PORT -- text ncat --ssl 127.0.0.1 PORT
    holds tls cmp text tls.server
    serving proxy ncat -l --proxy-type http 127.0.0.1 PORT
    local proxy=$number
    exchange through quiet ncat -l 127.0.0.1 PORT -- text ncat --proxy "127.0.0.1:$proxy" --proxy-type http 127.0.0.1 PORT
    holds proxy cmp text through.server
    stop "$server" || true
    exchange six quiet nc.openbsd -6 -N -l ::1 PORT -- text nc.openbsd -6 -N ::1 PORT
    holds IPv6 cmp text six.server
    exchange both quiet ncat -l PORT -- text ncat ::1 PORT
    holds every-address cmp text both.server
    limited 8 nc.openbsd -l -U "$PWD/unix" <quiet >unix.server &
    listener=$!
    soon 3 test -S unix || true
    limited 5 nc.openbsd -N -U "$PWD/unix" <text || true
    wait $listener || true
    holds unix-socket cmp text unix.server
}

job() {
    head -c 5000000 /dev/urandom >big
    echo "some text" >text
    mkfifo quiet.fifo
    # An input without an end for those who would take its end for theirs.
    sleep 80 >quiet.fifo &
    local sleeper=$!
    exec 9<quiet.fifo
    ln -s /proc/$$/fd/9 quiet
    for name in nc.openbsd nc.traditional ncat; do kind $name; done
    special
    kill $sleeper
}

main "$@"
