"""The command line of scripts/conformance.sh, which has the help."""

import argparse
import os
import pathlib
import signal
import sys

import differences
import docs
import runner
import suites

ROOT = pathlib.Path(__file__).resolve().parents[3]


def give_up(reason):
    print(f"conformance: {reason}", file=sys.stderr)
    sys.exit(1)


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/conformance.sh", add_help=False)
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--transport", choices=runner.TRANSPORTS)
    parser.add_argument("--only", default="*")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--renew", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--list", action="store_true")
    chosen = parser.parse_args()
    if chosen.jobs < 1:
        parser.error("--jobs: at least 1")
    return chosen


def clean_environment():
    """The library under test is chosen by SOCKHOP and SOCKHOP_LIB; nothing else from outside may reach the tests."""
    program = pathlib.Path(os.environ.pop("SOCKHOP", ROOT / "target/release/sockhop")).absolute()
    library = pathlib.Path(os.environ.pop("SOCKHOP_LIB", program.with_name("libsockhop.so"))).absolute()
    for name in list(os.environ):
        if name.startswith("SOCKHOP_") or name.lower().endswith("_proxy") or name in ("LD_PRELOAD", "PYTHONPATH"):
            del os.environ[name]
    os.environ["LC_ALL"] = "C.UTF-8"
    for file in (program, library):
        if not file.is_file():
            give_up(f"{file} is not there; cargo build --release makes it")
    return program, library


def main():
    chosen = arguments()
    # A pipe to `head` that closes, and an interrupt, end this program and, by its exit handlers, what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        known = differences.load(ROOT)
        available = suites.find(ROOT)
        if chosen.list:
            print("\n".join(suite.name for suite in available))
            return 0
        if chosen.docs:
            docs.write(ROOT, available, known)
            return 0
        wanted = [suite for suite in available if not chosen.suite or suite.name in chosen.suite]
        unknown = set(chosen.suite) - {suite.name for suite in available}
        if unknown:
            raise suites.Problem(f"no suite is called {', '.join(sorted(unknown))}; --list names them")
        program, library = clean_environment()
        return runner.run(ROOT, wanted, known, program, library, chosen)
    except suites.Problem as problem:
        give_up(problem)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
