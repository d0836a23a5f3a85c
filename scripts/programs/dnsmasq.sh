#!/usr/bin/env bash
# dnsmasq and dig: answers of all kinds by UDP and TCP, in both families, forwarding from one server to another.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages="dnsmasq-base bind9-dnsutils"

version() { dnsmasq --version | sed -n '1s/.*version \([^ ]*\).*/\1/p'; }

dig_at() {
    local number=$1
    shift
    limited 10 dig -p "$number" @127.0.0.1 +time=3 +tries=2 "$@"
}
answers() { [ "$(dig_at "$1" +short up.fixed.test)" = 10.1.2.3 ]; }

# dnsmasq NAME PORT OPTION...; it becomes another user by itself where it is started as root.
serve() {
    local name=$1 number=$2
    shift 2
    start "$name.log" dnsmasq --keep-in-foreground --conf-file=/dev/null --port="$number" --no-resolv --no-hosts --pid-file= \
        --log-facility=- "$@"
    soon 10 answers "$number"
}

job() {
    local first second i long
    first=$(port) second=$(port)
    long=$(printf 'x%.0s' $(seq 250))
    if ! serve first "$first" --listen-address=127.0.0.1,::1 --bind-interfaces --address=/fixed.test/10.1.2.3 \
        --host-record=host.test,10.9.8.7,fd00::7 --mx-host=test,mail.test,5 --srv-host=_x._tcp.test,host.test,99 \
        --txt-record=long.test,"$long,$long,$long,$long,$long,$long"; then
        bad starts "$(tail -n 3 first.log)"
        return
    fi
    local server_one=$server
    expect address "10.9.8.7 fd00::7" "$(dig_at "$first" +short host.test A host.test AAAA | paste -sd ' ')"
    expect mail-and-service "5 mail.test. 0 0 99 host.test." \
        "$(dig_at "$first" +short test MX _x._tcp.test SRV | paste -sd ' ')"
    expect backwards host.test. "$(dig_at "$first" +short -x 10.9.8.7)"
    expect by-tcp 10.9.8.7 "$(dig_at "$first" +tcp +short host.test)"
    expect cut-short-and-again-by-tcp 1 "$(dig_at "$first" +bufsize=512 long.test TXT | grep -c 'retrying in TCP mode')"
    expect six 10.9.8.7 "$(limited 10 dig -p "$first" @::1 +time=3 +short host.test)"
    expect not-there REFUSED "$(dig_at "$first" nothing.example | sed -n 's/.*status: \([A-Z]*\).*/\1/p')"
    for i in $(seq 200); do echo "n$i.fixed.test"; done >names.list
    expect many "200 10.1.2.3" "$(dig_at "$first" +short -f names.list | sort | uniq -c | awk '{ print $1, $2 }')"
    if serve second "$second" --server="127.0.0.1#$first" --cache-size=0; then
        expect forwarded 10.9.8.7 "$(dig_at "$second" +short host.test)"
        expect forwarded-by-tcp 10.9.8.7 "$(dig_at "$second" +tcp +short host.test)"
        expect forwarded-many "200 10.1.2.3" "$(dig_at "$second" +short -f names.list | sort | uniq -c | awk '{ print $1, $2 }')"
        holds second-server-ends stop "$server"
    else
        bad second-server-starts "$(tail -n 3 second.log)"
    fi
    holds ends stop "$server_one"
    expect nobody-there 1 "$(limited 10 dig -p "$first" @127.0.0.1 +time=1 +tries=1 host.test | grep -c 'no servers could be reached')"
}

main "$@"
