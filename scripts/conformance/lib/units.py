"""Runs one unit of a suite: one process with a limit, a scratch directory and, under Sockhop, a network of its own."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

# What a test may come to. HANG and CRASH are failures that say more.
VERDICT = re.compile(r"(PASS|FAIL|SKIP|HANG|CRASH) (\S.*?)\s*$")
# Everything that a unit starts has this in its environment, with RUN and a word of the unit's own.
MARK = "CONFORMANCE_RUN"
RUN = f"{os.getpid()}-{uuid.uuid4().hex}"


class Outcome:
    def __init__(self, verdicts, ended, seconds):
        self.verdicts = verdicts
        # "" when the unit ended by itself with status 0, else how.
        self.ended = ended
        self.seconds = seconds


class Sockhop:
    """How a program gets under the library: words in front of it, and settings in its environment."""

    def __init__(self, program, library, transport):
        self.words = f"{program} run --"
        self.settings = {"SOCKHOP_LIB": str(library), "SOCKHOP_TRANSPORT": transport}


def run_unit(suite, unit, limit, log, sockhop=None):
    """Verdicts of a unit's tests by name; natively without `sockhop`. Standard error goes to the file `log`."""
    scratch = tempfile.mkdtemp(prefix="conformance.")
    network = tempfile.mkdtemp(prefix="conformance.", dir="/dev/shm")
    mark = f"{RUN}-{uuid.uuid4().hex}"
    environment = dict(os.environ, WRAP="", TMPDIR=scratch, **{MARK: mark})
    if sockhop:
        environment.update(sockhop.settings, WRAP=sockhop.words, SOCKHOP_DIR=network)
    log.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    try:
        with open(log, "wb") as errors, tempfile.TemporaryFile() as output:
            process = subprocess.Popen([suite.script, "run", suite.directory, unit], stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=errors, cwd=scratch, env=environment,
                                       start_new_session=True)
            try:
                status = process.wait(limit)
                ended = "" if status == 0 else f"signal {-status}" if status < 0 else f"status {status}"
            except subprocess.TimeoutExpired:
                ended = f"HANG after {limit} s"
            finally:
                end_all(mark)
                process.wait()
            output.seek(0)
            lines = output.read().decode(errors="replace").splitlines()
        with open(log, "a") as errors:
            errors.write("\n".join(["", *lines, f"ended: {ended or 'status 0'}", ""]))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(network, ignore_errors=True)
    found = [match.groups() for match in map(VERDICT.match, lines) if match]
    verdicts = {}
    for verdict, test in found:
        # A test that is told twice has passed only if it did so both times.
        name = full_name(unit, test)
        if name not in verdicts or verdict != "PASS":
            verdicts[name] = verdict
    return Outcome(verdicts, ended, time.monotonic() - begun)


def full_name(unit, test):
    """Names of tests are unique within a unit; this makes them unique within the suite."""
    return test if test.startswith(unit) else f"{unit}::{test}"


def end_all(mark):
    """Kills whoever has a mark that begins so in its environment, also what has left its process group and session."""
    wanted = f"\0{MARK}={mark}".encode()
    # Some are born while others are killed.
    for _ in range(20):
        found = False
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                alive = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
                if alive and wanted in b"\0" + (entry / "environ").read_bytes():
                    found = True
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                pass
        if not found:
            return
        time.sleep(0.01)
