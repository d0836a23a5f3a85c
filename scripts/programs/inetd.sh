#!/usr/bin/env bash
# inetd: programs that are given a connection or a UDP socket, as other users too, and telnetd.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="inetutils-inetd inetutils-telnetd inetutils-telnet netcat-openbsd python3"

version() { dpkg-query -W -f '${Version}\n' inetutils-inetd | sed 's/^2://; s/-.*//'; }

ask() { limited 10 nc.openbsd -N 127.0.0.1 "$1"; }
upper() { [ "$(echo up | ask "$upper")" = UP ]; }

# What telnet shows of a session, with time between the lines for the shell to answer.
session() {
    {
        sleep 0.5
        # shellcheck disable=SC2016 # the shell at the other end counts
        echo 'echo the answer is $((6 * 7)); tty'
        sleep 0.7
        echo exit
        sleep 0.3
    } | limited 10 telnet 127.0.0.1 "$1" 2>&1 | tr -d '\r'
}

job() {
    local me shell who datagram telnet i
    me=$(id -un)
    upper=$(port) shell=$(port) who=$(port) datagram=$(port) telnet=$(port)
    cat >datagrams.py <<'TEXT'
#!/usr/bin/python3
import socket
sock = socket.socket(fileno=0)
sock.settimeout(1)
try:
    while True:
        data, address = sock.recvfrom(1000)
        sock.sendto(data.upper(), address)
except TimeoutError:
    pass
TEXT
    chmod 755 datagrams.py
    cat >inetd.conf <<TEXT
127.0.0.1:$upper stream tcp nowait $me /usr/bin/tr tr a-z A-Z
127.0.0.1:$shell stream tcp nowait $me /bin/sh sh -c "read line; echo got \$line"
127.0.0.1:$datagram dgram udp wait $me $PWD/datagrams.py datagrams.py
TEXT
    if [ "$(id -u)" -eq 0 ]; then
        cat >>inetd.conf <<TEXT
127.0.0.1:$who stream tcp nowait nobody /usr/bin/id id -un
127.0.0.1:$telnet stream tcp nowait root /usr/sbin/telnetd telnetd -h -E /bin/sh
TEXT
    fi
    start inetd.log inetutils-inetd -d -R 1000 "$PWD/inetd.conf"
    local inetd=$server
    if ! soon 10 upper; then
        bad starts "$(tail -n 3 inetd.log)"
        return
    fi
    for i in 1 2 3; do expect "stream-$i" "TEXT $i" "$(echo "text $i" | ask "$upper")"; done
    head -c 3000000 /dev/zero | tr '\0' x >big
    expect large "$(tr x X <big | cksum)" "$(ask "$upper" <big | cksum)"
    expect shell "got it" "$(echo it | ask "$shell")"
    told datagrams 10 /usr/bin/python3 -c '
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect(("127.0.0.1", int(sys.argv[1])))
sock.settimeout(5)
for i in range(50):
    sock.send(b"datagram %d" % i)
    assert sock.recv(100) == b"DATAGRAM %d" % i
print("all ok")' "$datagram"
    if [ "$(id -u)" -eq 0 ]; then
        expect another-user nobody "$(ask "$who" </dev/null)"
        session "$telnet" >session.out || true
        expect telnet "the answer is 42 /dev/pts" "$(sed -n 's/^.*\(the answer is 42\)$/\1/p; s,^\(/dev/pts\)/.*,\1,p' session.out | paste -sd ' ')"
    fi
    holds ends stop "$inetd"
}

main "$@"
