"""Runs one unit of the Python suite so that a test that hangs or crashes costs that test only.

Arguments: the interpreter and the unit. The words in WRAP go in front of the interpreter. Prints a verdict for each test.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

# Seconds for a single test, its fixtures included. The slowest takes about 40 on a busy machine.
TEST_LIMIT = 90
TESTS = pathlib.Path(__file__).with_name("python_tests.py")


def attempt(python, unit, told, done):
    """One process that runs what is not done yet. How it ended: "END", "HANG" or "CRASH"."""
    command = [*os.environ.get("WRAP", "").split(), python, "-B", TESTS, unit, told, done]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
    size, since = -1, time.monotonic()
    try:
        while process.poll() is None:
            now = told.stat().st_size
            if now != size:
                size, since = now, time.monotonic()
            elif time.monotonic() - since > TEST_LIMIT:
                return "HANG"
            time.sleep(0.05)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    print(f"the interpreter ended with status {process.returncode}", file=sys.stderr, flush=True)
    return "END" if told.read_text().endswith("END \n") else "CRASH"


def main():
    python, unit = sys.argv[1:]
    directory = pathlib.Path("unit").absolute()
    directory.mkdir()
    told, done, scratch = directory / "told", directory / "done", pathlib.Path("scratch")
    verdicts = {}
    status = 0
    while True:
        told.write_text("")
        done.write_text("\n".join(verdicts))
        subprocess.run(["rm", "-rf", scratch], check=True)
        scratch.mkdir()
        os.chdir(scratch)
        ended = attempt(python, unit, told, done)
        os.chdir("..")
        running = None
        for line in told.read_text().splitlines():
            word, test = line.split(" ", 1)
            if word == "RUN":
                running = test
            elif test:
                verdicts[test] = word
                running = None if test == running else running
        if ended == "END":
            break
        if running is None or running in verdicts:
            # It happened before the first test or between two: nothing can be left out.
            status = 1
            print(f"{ended} outside of a test", file=sys.stderr)
            break
        verdicts[running] = ended
        print(f"{ended} in {running}", file=sys.stderr, flush=True)
    for test, verdict in verdicts.items():
        print(verdict, test)
    sys.exit(status)


main()
