#!/usr/bin/env bash
# Rust: a program with std::net and threads, one with tokio; both are built here by cargo.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages=""
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/rust

version() { rustc --version | cut -d ' ' -f 2; }

job() {
    local built=$here/../../../target/programs
    if ! cargo build --quiet --release --locked --manifest-path "$here/Cargo.toml" --target-dir "$built" >build.log 2>&1; then
        bad builds "$(tail -n 3 build.log)"
        return
    fi
    told std 20 "$built/release/with-std"
    told tokio 20 "$built/release/with-tokio"
}

main "$@"
