#!/usr/bin/env bash
# FTP, passive and active: vsftpd (as root: it wants privileges to give up) and pyftpdlib; curl, tnftp, wget, ftplib.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="vsftpd tnftp python3-pyftpdlib curl wget"

version() { dpkg-query -W -f '${Version}\n' vsftpd | sed 's/-.*//'; }

fetch() { limited 15 curl -sS --max-time 12 "$@"; }
answers() { fetch "ftp://127.0.0.1:$1/pub/small"; }

transfers() {
    local name=$1 number=$2 mode
    for mode in passive active; do
        local way=(--ftp-pasv)
        [ $mode = passive ] || way=(--ftp-port -)
        fetch "${way[@]}" "ftp://127.0.0.1:$number/pub/big" -o "$name.$mode" || true
        holds "$name-$mode-down" cmp root/pub/big "$name.$mode"
        fetch "${way[@]}" -T root/pub/big "ftp://127.0.0.1:$number/up/$name.$mode" || true
        holds "$name-$mode-up" cmp root/pub/big "root/up/$name.$mode"
        expect "$name-$mode-list" "big small" "$(fetch "${way[@]}" -l "ftp://127.0.0.1:$number/pub/" | tr -d '\r' | sort | paste -sd ' ')"
        expect "$name-$mode-by-PASV-and-PORT" small \
            "$(fetch "${way[@]}" --disable-epsv --disable-eprt "ftp://127.0.0.1:$number/pub/small")"
        way=()
        [ $mode = passive ] || way=(-A)
        printf 'user anonymous a@example.org\nbinary\nget pub/big %s\nbye\n' "$name.tnftp.$mode" |
            limited 15 tnftp -n "${way[@]}" 127.0.0.1 "$number" >"$name.tnftp.log" 2>&1 || true
        holds "$name-$mode-tnftp" cmp root/pub/big "$name.tnftp.$mode"
    done
    expect "$name-range" "$(tail -c +1001 root/pub/big | head -c 1000 | cksum)" \
        "$(fetch -r 1000-1999 "ftp://127.0.0.1:$number/pub/big" | cksum)"
    limited 15 wget -q -O "$name.wget" "ftp://127.0.0.1:$number/pub/big" || true
    holds "$name-wget" cmp root/pub/big "$name.wget"
    told "$name" 15 /usr/bin/python3 -c '
import ftplib, sys
client = ftplib.FTP()
client.connect("127.0.0.1", int(sys.argv[1]))
client.login()
for passive in (True, False):
    client.set_pasv(passive)
    got = []
    client.retrbinary("RETR pub/big", got.append)
    assert len(b"".join(got)) == 3000000
    assert len(client.nlst("pub")) == 2
client.quit()
print("ftplib ok")' "$number"
}

vsftpd_with() {
    local name=$1 number
    shift
    number=$(port)
    {
        printf '%s\n' listen=YES listen_address=127.0.0.1 "listen_port=$number" background=NO anonymous_enable=YES \
            local_enable=NO write_enable=YES anon_upload_enable=YES anon_umask=022 "anon_root=$PWD/root" \
            "secure_chroot_dir=$PWD/empty" xferlog_enable=NO "$@"
    } >"$name.conf"
    start "$name.log" vsftpd "$PWD/$name.conf"
    local pid=$server
    if soon 10 answers "$number"; then
        transfers "$name" "$number"
        holds "$name-ends" stop "$pid"
    else
        bad "$name-starts" "$(tail -n 3 "$name.log")"
    fi
}

job() {
    local number
    mkdir -p root/pub root/up empty
    chmod 777 root/up
    chmod 755 . root root/pub empty
    head -c 3000000 /dev/urandom >root/pub/big
    echo small >root/pub/small
    number=$(port)
    start pyftpdlib.log /usr/bin/python3 -m pyftpdlib -i 127.0.0.1 -p "$number" -d root -w
    local pid=$server
    if soon 10 answers "$number"; then
        transfers pyftpdlib "$number"
        stop "$pid" || bad pyftpdlib-ends "it does not"
    else
        bad pyftpdlib-starts "$(tail -n 3 pyftpdlib.log)"
    fi
    # A process for each client, confined in every way that it knows; then all in one that gave up root.
    [ "$(id -u)" -eq 0 ] || return 0
    vsftpd_with vsftpd
    if [ $quick = no ]; then
        vsftpd_with vsftpd-one-process one_process_model=YES
        vsftpd_with vsftpd-low-data-port connect_from_port_20=YES "ftp_data_port=$(port)"
    fi
}

main "$@"
