#!/usr/bin/env bash
# Installs what the tests and the demonstration need on Debian and Ubuntu; quick when everything is there.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/install-deps.sh [--check]

Installs, by apt-get, the programs that building and testing need and that are missing. Works as root or with sudo.
Rust itself is not installed, only asked for.

  --check   install nothing; say what is missing and exit 1 if anything is
TEXT
}

check_only=no
case "${1-}" in
    "") ;;
    --check) check_only=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

# command or header : package
needed=(gcc:gcc strace:strace curl:curl python3:python3 git:git setsid:util-linux timeout:coreutils diff:diffutils
    awk:mawk tar:tar stress-ng:stress-ng valgrind:valgrind)

missing=()
for pair in "${needed[@]}"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if command -v gcc >/dev/null; then
    works() { echo 'int main(void) { return 0; }' | gcc "$@" -x c - -o /dev/null 2>/dev/null; }
    # The command's tests build static programs, which it has to refuse.
    works -static -pthread || missing+=(libc6-dev)
    works -Wl,--no-as-needed -ljemalloc || missing+=(libjemalloc-dev)
else
    missing+=(libc6-dev libjemalloc-dev)
fi

if ! command -v cargo >/dev/null; then
    echo "install-deps: Rust is missing (no cargo in PATH); see https://rustup.rs" >&2
    exit 1
fi
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
if [ $check_only = yes ]; then
    echo "install-deps: missing: ${missing[*]}" >&2
    exit 1
fi

give_up() {
    echo "install-deps: $1; please install: ${missing[*]}" >&2
    exit 1
}
command -v apt-get >/dev/null || give_up "there is no apt-get here"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || give_up "this needs root or sudo"
    as_root=(sudo)
fi
echo "install-deps: installing ${missing[*]}"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive timeout -k 5 300 apt-get -qq update || give_up "apt-get update failed"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive timeout -k 5 600 \
    apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null || give_up "apt-get install failed"
