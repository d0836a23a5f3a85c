#!/usr/bin/env bash
# The own tests of Rust crates that work with sockets, from the sources that crates.io has: tokio, async-io, polling, quinn-udp, nix, socket2.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/conformance/rust.sh packages | fetch DIR | list DIR [--quick] | run DIR UNIT

A suite of scripts/conformance.sh. A unit is a test program: CRATE.NAME. Crates whose published sources have no tests, as
mio, are tested by those that stand on them.
TEXT
}

# Crates whose tests are built, with the features that they need. mio comes with tokio; socket2 publishes its tests up to this version only.
crates="tokio=1.54.1 async-io=2.6.0 polling=3.11.0 quinn-udp=0.5.16 nix=0.30.1 socket2=0.3.19"
# Tests of tokio about sockets, readiness, processes, signals and the runtime below them.
tokio_tests='tcp_* udp uds_* unix_shutdown net_* io_async_fd io_driver* io_copy* io_split io_read* io_write* io_panic
io_join rt_basic rt_common rt_threaded rt_handle rt_handle_block_on rt_panic rt_busy_tick rt_shutdown_err signal_*
process_* no_rt join_handle_panic'
# Names of other machines, addresses that nobody has, and kernel modules are no matter of this machine's sockets.
skipped="--skip unrouteable --skip test_kmod --skip test_forkpty --skip af_alg"

export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
# rustix makes system calls by itself, past libc, unless it is told not to.
export RUSTFLAGS="--cfg rustix_use_libc"

# A workspace of the crates' sources, so that what tests one of them uses the same copy.
unpack() {
    local entry name version folder
    mkdir -p fetch/src work
    {
        printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\n'
        for entry in $crates; do printf '%s = "=%s"\n' "${entry%=*}" "${entry#*=}"; done
    } >fetch/Cargo.toml
    : >fetch/src/lib.rs
    cargo metadata --quiet --manifest-path fetch/Cargo.toml --format-version 1 >fetch/metadata.json
    for entry in $crates; do
        name=${entry%=*} version=${entry#*=}
        folder=$(grep -o "\"manifest_path\":\"[^\"]*/$name-$version/Cargo.toml\"" fetch/metadata.json | head -n 1 | cut -d '"' -f 4)
        cp -r "$(dirname "$folder")" "work/$name"
        rm -f "work/$name/Cargo.lock"
    done
    {
        printf '[workspace]\nresolver = "2"\nmembers = ['
        for entry in $crates; do printf '"%s", ' "${entry%=*}"; done
        printf ']\n[patch.crates-io]\ntokio = { path = "tokio" }\n'
    } >work/Cargo.toml
}

# The test programs of a crate: CRATE.NAME, path.
build() {
    local name=$1 folder
    shift
    folder=$(pwd)
    (cd work && cargo test --quiet --no-run --message-format json --target-dir ../target --manifest-path "$name/Cargo.toml" "$@" 2>>../build.log) |
        grep -o '"executable":"[^"]*"' | cut -d '"' -f 4 | while read -r program; do
        echo "$name.$(basename "$program" | sed 's/-[0-9a-f]\{16\}$//') ${program#"$folder/"}"
    done
}

fetch() {
    local directory=$1 wanted=() pattern file
    command -v cargo >/dev/null || {
        echo "rust: there is no cargo; install Rust from https://rustup.rs" >&2
        exit 1
    }
    cd "$directory"
    if [ "$(cat built 2>/dev/null)" != "$crates" ]; then
        rm -rf fetch work units build.log
        unpack || {
            echo "rust: cargo cannot fetch the crates" >&2
            exit 1
        }
        for pattern in $tokio_tests; do
            for file in work/tokio/tests/$pattern.rs; do
                case $file in
                    *emscripten* | *named_pipe*) ;;
                    *) wanted+=(--test "$(basename "$file" .rs)") ;;
                esac
            done
        done
        {
            build tokio --features full "${wanted[@]}" &&
                build async-io --tests &&
                build polling --tests &&
                build quinn-udp --tests &&
                build nix --all-features --tests &&
                build socket2 --all-features --lib
        } >units || {
            echo "rust: the build failed; see $directory/build.log" >&2
            exit 1
        }
        echo "$crates" >built
    fi
    echo "$crates" | sed 's/=/ /g; s/ \([a-z]\)/, \1/g'
}

list() {
    if [ "${2-}" = --quick ]; then
        grep -oE '^(tokio\.(tcp_echo|tcp_stream|udp)|async-io\.async) ' "$1/units" | tr -d ' '
    else
        cut -d ' ' -f 1 "$1/units"
    fi
}

run() {
    local directory=$1 unit=$2 program
    program=$directory/$(sed -n "s/^$unit //p" "$directory/units" | head -n 1)
    # The programs of some crates read files beside their sources; whole lines come only with several threads.
    cd "$directory/work/${unit%%.*}"
    # shellcheck disable=SC2086 # words
    RUST_TEST_THREADS=2 $WRAP "$program" $skipped 2>&1 </dev/null | tee /dev/stderr |
        sed -n -e 's/^test \([^ ]*\).* \.\.\. ok$/PASS \1/p' -e 's/^test \([^ ]*\).* \.\.\. FAILED$/FAIL \1/p' \
            -e 's/^test \([^ ]*\).* \.\.\. ignored.*$/SKIP \1/p' || true
}

case "${1-}" in
    packages) echo gcc libc6-dev ;;
    fetch) fetch "$2" ;;
    list) list "$2" "${3-}" ;;
    run) run "$2" "$3" ;;
    -h | --help) usage ;;
    *) usage >&2; exit 2 ;;
esac
