#!/bin/sh
# Runs the benchmarks: each on the kernel's sockets and under the library in turn, against the goals in scripts/bench/goals.toml.
#   scripts/bench.sh [--quick] [--only NAME [--add]] [--json FILE] [--no-picture]     (--help tells the rest)
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
packages=$root/target/bench/python
build=yes
picture=yes
for option; do
    case $option in
    --help | -h | --list) build=no picture=no ;;
    --no-build | --native) build=no ;;
    --no-picture) picture=no ;;
    esac
done

export PYTHONPATH="$packages${PYTHONPATH:+:$PYTHONPATH}"

# The first Python that can import all of the modules that are named.
find_python() {
    for python in python3 /usr/bin/python3; do
        if "$python" -c "import $1" 2>/dev/null; then
            return 0
        fi
    done
    return 1
}

install_matplotlib() {
    echo "installing matplotlib" >&2
    if command -v apt-get >/dev/null; then
        if [ "$(id -u)" = 0 ]; then
            apt-get install -y -qq --no-install-recommends python3-matplotlib
        elif command -v sudo >/dev/null; then
            sudo -n apt-get install -y -qq --no-install-recommends python3-matplotlib
        fi >/dev/null || true
    fi
    find_python tomllib,matplotlib && return 0
    find_python tomllib && "$python" -m pip install -q --target "$packages" matplotlib >&2
}

if [ "$picture" = yes ] && ! find_python tomllib,matplotlib; then
    install_matplotlib || echo "no matplotlib, so there will be no picture" >&2
fi
find_python tomllib,matplotlib || find_python tomllib || {
    echo "the benchmarks need Python 3.11 or later" >&2
    exit 1
}
if [ "$build" = yes ]; then
    (cd "$root" && cargo build --release) >&2
fi
exec "$python" "$root/scripts/bench/run.py" "$@"
