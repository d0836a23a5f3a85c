#!/usr/bin/env bash
# Checks the sleep protocol (src/stack/bell.rs) against every order of its steps that loom finds: a reader and its writer,
# a reader and a writer on one socket, two readers, a close under sleepers, and an epoll set with two senders,
# two threads, or a reader beside it.
set -euo pipefail
cd "$(dirname "$0")/.."
# A target directory of its own: the flag concerns every crate.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom"
RUSTFLAGS="--cfg loom ${RUSTFLAGS-}" exec cargo test --release --package sockhop --lib loom "$@"
